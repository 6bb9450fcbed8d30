"""The card with the Start button: what would be trained on what, what it needs, what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from engine.errors import HoneError
from engine.estimate.case import Case
from engine.estimate.duration import TimeRange
from engine.estimate.methods import MethodOption, explain_method, method_options
from engine.model import local
from engine.runs import quota
from engine.runs.plan import Plan, Problem, problems_of
from engine.spec.limits import Limits
from engine.spec.method import METHODS
from engine.text import count_of, format_bytes, format_count, format_share, format_time_range
from ui import form
from ui.choices import FormChoices, keep_choices
from ui.context import Context
from ui.text import definition_row, escape_html, go_button, line
from ui.theme import build_hint, raw_html
from ui.train import memory, settings
from ui.train.field_notes import notes_of
from ui.train.memory_card import memory_verdict

WAITING_FOR_MODEL = line("Reading the model. The first time takes about ten seconds.", "wait")
TASKS_IN_WORDS = {
    "classify": "choose one of {} labels",
    "multilabel": "choose several of {} labels",
    "regress": "give a number",
    "prefer": "prefer better answers",
}
PATH = re.compile(r" \(\w+\.\w+\)")  # of a setting, which the command line needs
TAB_NAMES = {"data": "Data", "model": "Model"}
DISABLED, ENABLED = gr.update(interactive=False), gr.update(interactive=True)


class StartWidgets:
    """The card: whose name it bears is what Start trains."""

    def __init__(self) -> None:
        with gr.Column(elem_id="start-card", elem_classes="boxed"):
            self.head = raw_html(card_head("", "", ""), elem_id="start-head")
            build_hint(
                "train", 3, "Press Start. Then watch how its answers change, here on the right."
            )
            self.start = gr.Button(
                "Start", variant="primary", size="lg", elem_id="start", interactive=False
            )
            self.facts = raw_html(WAITING_FOR_MODEL, elem_id="train-facts")
        # The data and model that the head names: nothing else can be started.
        self.named = gr.State(("", ""))
        self.notes = raw_html(
            "{}", js_on_load="HoneFieldNotes(element, props, watch)", elem_id="field-notes"
        )

    @property
    def shown(self) -> dict[str, Any]:
        """By the names under which ``show_plan`` gives what they show."""
        return {
            "head": self.head, "start": self.start, "facts": self.facts, "named": self.named,
            "notes": self.notes,
        }  # fmt: skip


def follow_form(
    ctx: Context, opened: int, kept: FormChoices | None, recipe: str, group: str, **values: Any
) -> Iterator[dict[str, Any]]:
    """Keep what the form holds, then show what that would do."""
    now = FormChoices(values, recipe, group)
    if keep_choices(ctx.engine.store, opened, kept, now):
        yield {"kept": now}
    yield from show_plan(ctx, **values)


def show_plan(ctx: Context, **values: Any) -> Iterator[dict[str, Any]]:
    """The plan, its memory and the settings that apply; then the time, if it has to be measured."""
    boxes = settings.show_applicable(ctx, values)
    boxes["named"] = (values["data.source"], values["model.source"])
    for shown in _plan_updates(ctx, values):
        yield shown | boxes | memory.show_memory(ctx, values)


def _plan_updates(ctx: Context, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    data, model = data_name(ctx, values["data.source"]), model_name(ctx, values["model.source"])
    bare = {"head": card_head(data, "", model), "sum": "", "start": DISABLED}
    try:
        plan = ctx.plan(form.read_spec(values))
    except HoneError as error:
        found = problems_of(error)
        yield bare | {"facts": problem_lines(found), "notes": notes_of(found)}
        return
    notes = {"notes": notes_of(plan.problems, plan)}
    if plan.problems and plan.forecast is None:
        yield bare | notes | {"facts": problem_lines(plan.problems)}
        return
    bare["head"] = card_head(data, rows_line(plan), model)
    notes["method.alpha"] = gr.update(placeholder=f"{2 * plan.spec.method.rank} (twice the rank)")
    if plan.case is None:
        yield bare | notes | {"facts": WAITING_FOR_MODEL}
        return
    limits = ctx.engine.store.limits
    now = Moment(bool(ctx.engine.working_now()), ctx.engine.spare_memory)
    bare |= notes | {"sum": sum_line(plan), "start": DISABLED if plan.problems else ENABLED}
    bare["methods"] = method_advice(method_options(plan.case), plan.case)
    yield bare | {"facts": plan_facts(plan, limits, now)}
    if plan.seconds is None and (seconds := ctx.engine.estimate_time(plan, measure=True)):
        yield {"facts": plan_facts(plan._replace(seconds=seconds), limits, now)}


def data_name(ctx: Context, source: str) -> str:
    """What the data is called; its source where it is gone."""
    try:
        return ctx.load_dataset(source).name
    except HoneError:
        return source


def model_name(ctx: Context, source: str) -> str:
    """What the model is called."""
    info = ctx.known_model(source)
    return info.name if info else local.hub_name(source) or Path(source).name


# --- what is shown: pure functions ---


def card_head(data: str, rows: str, model: str) -> str:
    """What Start trains: the data, how much of it, and the model; links lead to the tabs."""
    if not data:
        return '<div class="start-head"><h3>Train</h3></div>'
    about = f"<p>{escape_html(rows)}</p>" if rows else ""
    on = go_button("model", form.widget_id("model.source"), model)
    what = go_button("data", form.widget_id("data.source"), data)
    return f'<div class="start-head"><h3>Train {what} on {on}</h3>{about}</div>'


class Moment(NamedTuple):
    """What matters of this machine at the moment."""

    busy: bool  # a run is at work
    ready: int  # bytes of the worker that waits for the next run; 0 where there is none


def plan_facts(plan: Plan, limits: Limits, now: Moment) -> str:
    """All estimates, each with the figure that it is compared with; problems before them."""
    assert plan.case and plan.forecast
    estimate, machine = plan.forecast, plan.case.machine
    items = {
        "Learns": weights_in_words(plan),
        "Memory": f"about {format_bytes(estimate.fit_needs)}; {format_bytes(machine.free)} free",
        "Time": time_in_words(plan.seconds, plan.case, now.busy),
        "Disk": f"about {format_bytes(estimate.disk)}; {format_bytes(machine.disk)} free",
    }
    if now.ready:
        items["Ready"] = (
            f"its libraries are loaded ({format_bytes(now.ready)}), so it starts at once"
        )
    if plan.case.goal in TASKS_IN_WORDS:
        items = {"Task": TASKS_IN_WORDS[plan.case.goal].format(plan.case.labels)} | items
    # A percent sign stays on the line of its number.
    cells = ((name, escape_html(text).replace(" %", "&nbsp;%")) for name, text in items.items())
    rows = "".join(definition_row(name, text) for name, text in cells)
    warnings = "".join(line(text, tone) for text, tone in plan_warnings(plan))
    asked = quota.limit_notes(plan.asked or plan.spec, plan.rows, plan.seconds, limits)
    notes = "".join(map(line, asked))
    return f'{problem_lines(plan.problems)}{notes}<dl class="facts">{rows}</dl>{warnings}'


def sum_line(plan: Plan) -> str:
    """Weights and memory in one line, in sight of rank and target modules."""
    assert plan.forecast
    return line(
        f"{weights_in_words(plan)}, about {format_bytes(plan.forecast.fit_needs)} of memory."
    )


def weights_in_words(plan: Plan) -> str:
    """How many weights train, of how many."""
    assert plan.forecast
    trained, total = plan.forecast.counted.trainable, plan.forecast.counted.total
    share = format_share(trained, total)
    return f"{format_count(trained)} of {format_count(total)} weights ({share})"


def problem_lines(problems: Iterable[Problem]) -> str:
    """Why the run cannot start, each with a link to where that can be mended."""
    return "".join(_problem_line(one) for one in problems)


def _problem_line(problem: Problem) -> str:
    where = ""
    if problem.field:
        tab = form.tab_of(problem.field)
        label = f"Go to the {TAB_NAMES[tab]} tab" if tab in TAB_NAMES else "Show the setting"
        fold = form.folds_of(problem.field)
        where = f" {go_button(tab, form.widget_id(problem.field), label, fold)}"
    text = escape_html(PATH.sub("", problem.text))
    return f'<p class="line" data-tone="bad">{text}{where}</p>'


def rows_line(plan: Plan) -> str:
    """How many rows are trained on, in how many steps."""
    assert plan.prepared
    steps = count_of(plan.spec.optim.steps(plan.rows), "step")
    batch = count_of(plan.spec.optim.effective_batch, "row")
    rows = f"{format_count(plan.rows)} of {count_of(plan.prepared.total, 'row')}"
    return f"{rows}, in {steps} of {batch}"


def time_in_words(seconds: TimeRange | None, case: Case, busy: bool) -> str:
    """How long it takes, and how that is known; ``busy``: a run is at work."""
    if seconds is None and case.lengths is None:
        return "known once the rows are counted"
    if seconds is None:
        return "measured when this machine is free" if busy else "known once the run has started"
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
