"""What Start would do with the settings as they are, told beside it: rows, weights, memory, time, disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from engine.errors import HoneError
from engine.estimate import recommend
from engine.estimate.duration import TimeRange
from engine.estimate.recommend import Case, MethodOption
from engine.runs.plan import Plan, what_helps
from engine.spec.method import NAMES
from engine.spec.objective import PREFERENCES
from engine.spec.run import Shape
from engine.text import count_of, format_bytes, format_count, format_share, format_time_range
from ui import form
from ui.context import Context
from ui.text import escape_html, line
from ui.train import settings

WAITING = line("Counting the weights that will train…", "wait")
LEARNS = {
    "classify": "choose one of {} labels",
    "multilabel": "choose several of {} labels",
    "regress": "give a number",
    "prefer": "prefer better answers",
}


def kind_of_rows(shape: Shape) -> str:
    """What recipes call these rows: labels, preferences or any."""
    return "labels" if shape == Shape.LABEL else "preferences" if shape in PREFERENCES else "any"


# --- handler ---


def tell(ctx: Context, *values: Any) -> Iterator[tuple[Any, ...]]:
    """What Start would do and which settings apply, at once; then the time, which may have to be measured first."""
    boxes = settings.arrange(ctx, *values)
    for told in _told(ctx, values):
        yield *told, *boxes


def _told(ctx: Context, values: Sequence[Any]) -> Iterator[tuple[str, Any, Any]]:
    try:
        now = ctx.plan(form.read_spec(values))
    except HoneError as error:
        yield problem_box([str(error)]), gr.skip(), gr.skip()
        return
    if now.problems and now.forecast is None:
        yield problem_box(now.problems), gr.skip(), gr.skip()
        return
    alpha = gr.update(placeholder=f"{2 * now.spec.method.rank}, which is twice the rank")
    if now.case is None:
        yield box(work(now) + WAITING), alpha, gr.skip()
        return
    choice = methods(recommend.method_options(now.case), now.case)
    yield facts(now), alpha, choice
    if now.seconds is None and (seconds := ctx.engine.estimate_time(now, measure=True)):
        yield facts(now._replace(seconds=seconds)), alpha, choice


# --- what is shown: pure functions ---


def facts(now: Plan) -> str:
    """All estimates, each figure with what it is compared with."""
    assert now.case and now.forecast
    told, machine = now.forecast, now.case.machine
    counted = told.counted
    items = [
        ("Learns", f"{format_count(counted.trainable)} of {format_count(counted.total)} weights train "
         f"({format_share(counted.trainable, counted.total)})"),
        ("Memory", f"about {format_bytes(told.fit_needs)}; {format_bytes(machine.free)} free"),
        ("Time", time_words(now.seconds, now.case)),
        ("Disk", f"about {format_bytes(told.disk)}; {format_bytes(machine.disk)} free"),
    ]  # fmt: skip
    if now.case.goal in LEARNS:
        items.insert(0, ("To", LEARNS[now.case.goal].format(now.case.labels)))
    rows = "".join(
        f"<div><dt>{escape_html(name)}</dt><dd>{whole(text)}</dd></div>" for name, text in items
    )
    said = "".join([*(line(text, "bad") for text in now.problems), *warnings(now)])
    return box(work(now) + f'<dl class="facts">{rows}</dl>' + said)


def whole(text: str) -> str:
    """Escaped, and never broken before a sign of percent."""
    return escape_html(text).replace(" %", "&nbsp;%")


def box(inner: str) -> str:
    """What stands below Start."""
    return f'<section class="card">{inner}</section>'


def problem_box(problems: Sequence[str]) -> str:
    """Why the run cannot be started."""
    return box(line("\n".join(problems), "bad"))


def work(now: Plan) -> str:
    """On how many rows, in how many steps."""
    assert now.prepared
    steps = count_of(now.spec.optim.steps(now.rows), "step")
    batch = count_of(now.spec.optim.effective_batch, "row")
    rows = f"{format_count(now.rows)} of {count_of(now.prepared.total, 'row')}"
    return f'<p class="line"><b>{escape_html(f"You will train on {rows}, {steps} of {batch}.")}</b></p>'


def time_words(seconds: TimeRange | None, case: Case) -> str:
    """How long, and how that is known."""
    if seconds is None:
        return (
            "known once the rows are counted"
            if case.lengths is None
            else "known once the run has begun"
        )
    source = "as earlier runs took" if seconds.source == "past" else "as measured on this machine"
    return f"about {format_time_range(seconds.low, seconds.high)}, {source}"


def warnings(now: Plan) -> Iterator[str]:
    """What does not fit, what will happen then, and what would help."""
    assert now.case and now.forecast
    told, machine = now.forecast, now.case.machine
    free = format_bytes(machine.free)
    if now.problems:
        return
    if told.fit is None:
        yield line(
            f"This will hardly fit: even one example at a time needs about "
            f"{format_bytes(told.fit_needs)}, and this {machine.name} has {free} free. "
            f"{what_helps(told)} You can start it all the same; it says if memory runs out.",
            "bad",
        )
    elif told.fit_needs < told.needs:
        yield line(
            f"As it is set it needs about {format_bytes(told.needs)}, and {free} are free. So it will step down by itself "
            f"to {told.fit.text}. {told.effect}",
            "warn",
        )
    elif told.fit_needs > recommend.USABLE_SHARE * machine.free:
        yield line(
            "That is nearly all that is free. If it runs out, the run steps down by itself.", "warn"
        )
    if now.spec.method.kind == "full" and now.case.info.parameters > 1e9:
        yield line(
            f"Each saved version is a whole model of {format_bytes(4 * now.case.info.parameters)}.",
            "warn",
        )


def methods(options: tuple[MethodOption, ...], case: Case) -> str:
    """Which method is recommended and why, and when to use which."""
    best = next(option for option in options if option.recommended)
    why = recommend.explain_method(case, best)
    rows = "".join(_method(option) for option in options)
    head = f'<p class="line">Recommended: <b>{escape_html(NAMES[best.kind])}</b>. {escape_html(why)}</p>'
    free = f"{format_bytes(case.machine.free)} are free. Each figure is for one example at a time; more need more."
    summary = "<summary>When to use which method</summary>"
    return f'{head}<details class="why">{summary}<ul>{rows}</ul>{line(free)}</details>'


def _method(option: MethodOption) -> str:
    fits = "" if option.fits else ", which does not fit here"
    mark = ' <span class="chip">recommended</span>' if option.recommended else ""
    needs = f"From {format_bytes(option.needs)} of memory{fits}."
    return f"<li><b>{escape_html(NAMES[option.kind])}</b>{mark}<br>{escape_html(option.why)} {escape_html(needs)}</li>"
