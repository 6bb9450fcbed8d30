"""What Start would do with these settings, shown below it: rows, weights, memory, time, disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr

from engine.errors import HoneError
from engine.estimate.case import Case
from engine.estimate.duration import TimeRange
from engine.estimate.methods import MethodOption, explain_method, method_options
from engine.runs import quota
from engine.runs.plan import Plan
from engine.spec.limits import Limits
from engine.spec.method import METHODS
from engine.text import count_of, format_bytes, format_count, format_share, format_time_range
from ui import form
from ui.context import Context
from ui.text import definition_row, escape_html, line
from ui.train import settings
from ui.train.memory_card import memory_verdict

WAITING_FOR_MODEL = line("Counting the weights that will train…", "wait")
TASKS_IN_WORDS = {
    "classify": "choose one of {} labels",
    "multilabel": "choose several of {} labels",
    "regress": "give a number",
    "prefer": "prefer better answers",
}


def show_plan(ctx: Context, **values: Any) -> Iterator[dict[str, Any]]:
    """The plan and the settings that apply, at once; then the time, if it has to be measured."""
    boxes = settings.show_applicable(ctx, values)
    for shown in _plan_updates(ctx, values):
        yield shown | boxes


def _plan_updates(ctx: Context, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        plan = ctx.plan(form.read_spec(values))
    except HoneError as error:
        yield {"facts": problem_card([str(error)])}
        return
    if plan.problems and plan.forecast is None:
        yield {"facts": problem_card(plan.problems)}
        return
    alpha = gr.update(placeholder=f"{2 * plan.spec.method.rank} (twice the rank)")
    if plan.case is None:
        yield {"facts": _card(rows_line(plan) + WAITING_FOR_MODEL), "method.alpha": alpha}
        return
    advice = method_advice(method_options(plan.case), plan.case)
    limits = ctx.engine.store.limits
    yield {"facts": plan_card(plan, limits), "method.alpha": alpha, "methods": advice}
    if plan.seconds is None and (seconds := ctx.engine.estimate_time(plan, measure=True)):
        yield {"facts": plan_card(plan._replace(seconds=seconds), limits)}


# --- what is shown: pure functions ---


def plan_card(plan: Plan, limits: Limits) -> str:
    """All estimates, each with the figure that it is compared with."""
    assert plan.case and plan.forecast
    estimate, machine = plan.forecast, plan.case.machine
    trained, total = estimate.counted.trainable, estimate.counted.total
    share = format_share(trained, total)
    items = {
        "Weights": f"{format_count(trained)} of {format_count(total)} weights train ({share})",
        "Memory": f"about {format_bytes(estimate.fit_needs)}; {format_bytes(machine.free)} free",
        "Time": time_in_words(plan.seconds, plan.case),
        "Disk": f"about {format_bytes(estimate.disk)}; {format_bytes(machine.disk)} free",
    }
    if plan.case.goal in TASKS_IN_WORDS:
        items = {"Task": TASKS_IN_WORDS[plan.case.goal].format(plan.case.labels)} | items
    # A percent sign stays on the line of its number.
    cells = ((name, escape_html(text).replace(" %", "&nbsp;%")) for name, text in items.items())
    rows = "".join(definition_row(name, text) for name, text in cells)
    problems = "".join(line(text, "bad") for text in plan.problems)
    warnings = "".join(line(text, tone) for text, tone in plan_warnings(plan))
    asked = quota.limit_notes(plan.asked or plan.spec, plan.rows, plan.seconds, limits)
    notes = "".join(map(line, asked))
    return _card(f'{rows_line(plan)}{notes}<dl class="facts">{rows}</dl>{problems}{warnings}')


def problem_card(problems: Sequence[str]) -> str:
    """Why the run cannot be started."""
    return _card(line("\n".join(problems), "bad"))


def _card(inner: str) -> str:
    return f'<section class="card">{inner}</section>'


def rows_line(plan: Plan) -> str:
    """How many rows are trained on, in how many steps."""
    assert plan.prepared
    steps = count_of(plan.spec.optim.steps(plan.rows), "step")
    batch = count_of(plan.spec.optim.effective_batch, "row")
    rows = f"{format_count(plan.rows)} of {count_of(plan.prepared.total, 'row')}"
    return f'<p class="line"><b>You will train on {rows}, in {steps} of {batch}.</b></p>'


def time_in_words(seconds: TimeRange | None, case: Case) -> str:
    """How long it takes, and how that is known."""
    if seconds is None and case.lengths is None:
        return "known once the rows are counted"
    if seconds is None:
        return "known once the run has started"
    source = "from earlier runs" if seconds.source == "past" else "measured on this machine"
    return f"about {format_time_range(seconds.low, seconds.high)}, {source}"


def plan_warnings(plan: Plan) -> Iterator[tuple[str, str]]:
    """(text, tone) of what is tight in memory or large on the disk, and what happens then."""
    assert plan.case and plan.forecast
    if plan.problems:
        return
    tone, title, text = memory_verdict(plan.forecast, plan.case)
    if tone == "bad":
        text += " You can start it anyway; if memory runs out, it tells you."
    if tone != "good":
        yield f"{title}. {text}", tone
    if plan.spec.method.kind == "full" and plan.case.info.parameters > 1e9:
        size = format_bytes(4 * plan.case.info.parameters)
        yield f"Each checkpoint is a whole model of {size}.", "warn"


def method_advice(options: Sequence[MethodOption], case: Case) -> str:
    """The recommended method with its reason, and when to use which."""
    best = next(option for option in options if option.recommended)
    why = escape_html(explain_method(case, best))
    rows = "".join(_method_item(option) for option in options)
    note = (
        f"{format_bytes(case.machine.free)} is free. "
        "The figures are for one example at a time; larger batches need more."
    )
    return (
        f'<p class="line">Recommended: <b>{escape_html(METHODS[best.kind].name)}</b>. {why}</p>'
        '<details class="why"><summary>When to use which method</summary>'
        f"<ul>{rows}</ul>{line(note)}</details>"
    )


def _method_item(option: MethodOption) -> str:
    unfit = "" if option.fits else ", which does not fit here"
    mark = ' <span class="chip">recommended</span>' if option.recommended else ""
    text = f"{option.why} Needs at least {format_bytes(option.needs)} of memory{unfit}."
    return f"<li><b>{escape_html(METHODS[option.kind].name)}</b>{mark}<br>{escape_html(text)}</li>"
