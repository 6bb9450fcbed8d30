"""What Start would do with the settings as they are, told beside it: rows, weights, memory, time, disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import gradio as gr

from engine import hardware
from engine.data.prepare import Prepared
from engine.errors import HoneError, ModelError
from engine.estimate import forecast, recommend
from engine.estimate.duration import Job, Seconds
from engine.estimate.forecast import Forecast
from engine.estimate.recommend import Case, Option
from engine.runs import warm_start
from engine.spec.method import NAMES
from engine.spec.objective import PREFERENCES, goal_of, outputs, task_of
from engine.spec.run import RunSpec, Shape
from engine.text import span
from ui import form
from ui.context import Context
from ui.text import count, line, megabytes, plural, safe, share
from ui.train import settings

WAITING = line("Counting the weights that will train…", "wait")
LEARNS = {
    "classify": "choose one of {} labels",
    "multilabel": "choose several of {} labels",
    "regress": "give a number",
    "prefer": "prefer better answers",
}


class Plan(NamedTuple):
    """A run that could be started."""

    spec: RunSpec
    prepared: Prepared
    rows: int  # that teach something
    case: Case | None  # None while the model is being read


def plan(ctx: Context, spec: RunSpec) -> Plan:
    """What these settings mean for the data and model as they are; raises HoneError for what cannot be."""
    if why := ctx.unusable(spec.model.source):
        raise ModelError(why)
    prepared = ctx.prepared(spec.data)
    if spec.model.start:
        warm_start.require_fit(ctx.engine.store, spec, prepared.shape, prepared.labels)
    rows = ctx.learned(spec.model.source, prepared, spec.data)
    return Plan(spec, prepared, rows, case_of(ctx, spec, prepared, rows))


def case_of(ctx: Context, spec: RunSpec, prepared: Prepared, rows: int) -> Case | None:
    """The case that settings are wanted for; None where nobody has read the model yet."""
    info = ctx.known_model(spec.model.source)
    if info is None:
        return None
    goal = goal_of(spec.data, prepared.shape, info.tasks)
    if info.task != task_of(goal):
        info = ctx.engine.desk.inspect(spec.model.source, task_of(goal))
    machine = hardware.machine(spec.place, spec.method, ctx.engine.store.home)
    return Case(
        info=info,
        goal=goal,
        rows=rows,
        labels=len(outputs(goal, prepared.labels)),
        lengths=ctx.lengths(spec.model.source, prepared, spec.data),
        machine=machine,
        capable=hardware.bf16(machine.device),
        max_length=spec.data.max_length,
        preference=preference_of(spec, prepared.shape) if goal == "prefer" else "",
    )


def preference_of(spec: RunSpec, shape: Shape) -> str:
    """The preference method: the chosen one, or what the rows allow."""
    if spec.method.preference != "auto":
        return spec.method.preference
    return "dpo" if shape == Shape.PREFERENCE else "kto"


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
        now = plan(ctx, form.collect(values))
        alpha = gr.update(placeholder=f"{2 * now.spec.method.rank}, which is twice the rank")
        if now.case is None:
            yield box(work(now) + WAITING), alpha, gr.skip()
            return
        told = forecast.foresee(now.case, now.spec)
        choice = methods(recommend.methods(now.case), now.case)
        seconds = how_long(ctx, now, told, measure=False)
        yield facts(now, told, seconds), alpha, choice
        if seconds is None and (seconds := how_long(ctx, now, told, measure=True)):
            yield facts(now, told, seconds), alpha, choice
    except HoneError as error:
        yield box(line(str(error), "bad")), gr.skip(), gr.skip()


def how_long(ctx: Context, now: Plan, told: Forecast, measure: bool) -> Seconds | None:
    """The time that the run would take; None where it cannot be known."""
    case = now.case
    if case is None or case.lengths is None or told.fit is None:
        return None
    job = Job(
        case.info,
        now.spec,
        now.rows,
        now.prepared.held_out,
        case.lengths,
        case.preference,
        case.labels,
    )
    return ctx.foresight.seconds(job, case.machine, told.fit, measure)


# --- what is shown: pure functions ---


def facts(now: Plan, told: Forecast, seconds: Seconds | None) -> str:
    """All that is foretold, each figure with what it is compared with."""
    assert now.case is not None
    counted, machine = told.counted, now.case.machine
    items = [
        ("Learns", f"{count(counted.trainable)} of {count(counted.total)} weights train "
         f"({share(counted.trainable, counted.total)})"),
        ("Memory", f"about {megabytes(told.fit_needs)}; {megabytes(machine.free)} free"),
        ("Time", time_words(seconds, now.case)),
        ("Disk", f"about {megabytes(told.disk)}; {megabytes(machine.disk)} free"),
    ]  # fmt: skip
    if now.case.goal in LEARNS:
        items.insert(0, ("To", LEARNS[now.case.goal].format(now.case.labels)))
    rows = "".join(
        f"<div><dt>{safe(name)}</dt><dd>{whole(text)}</dd></div>" for name, text in items
    )
    return box(work(now) + f'<dl class="facts">{rows}</dl>' + "".join(warnings(now, told)))


def whole(text: str) -> str:
    """Escaped, and never broken before a sign of percent."""
    return safe(text).replace(" %", "&nbsp;%")


def box(inner: str) -> str:
    """What stands below Start."""
    return f'<section class="card">{inner}</section>'


def work(now: Plan) -> str:
    """On how many rows, in how many steps."""
    steps = plural(now.spec.optim.steps(now.rows), "step")
    batch = plural(now.spec.optim.effective_batch, "row")
    rows = f"{count(now.rows)} of {plural(now.prepared.total, 'row')}"
    return f'<p class="line"><b>{safe(f"You will train on {rows}, {steps} of {batch}.")}</b></p>'


def time_words(seconds: Seconds | None, case: Case) -> str:
    """How long, and how that is known."""
    if seconds is None:
        return (
            "known once the rows are counted"
            if case.lengths is None
            else "known once the run has begun"
        )
    source = "as earlier runs took" if seconds.source == "past" else "as measured on this machine"
    return f"about {span(seconds.low, seconds.high)}, {source}"


def warnings(now: Plan, told: Forecast) -> Iterator[str]:
    """What does not fit, what will happen then, and what would help."""
    assert now.case is not None
    machine = now.case.machine
    free = megabytes(machine.free)
    if told.fit is None:
        help_words = (
            f" What would help: {', or '.join(told.helps)}."
            if told.helps
            else " Take a smaller model."
        )
        yield line(
            f"This will hardly fit: even one example at a time needs about {megabytes(told.fit_needs)}, and this "
            f"{machine.name} has {free} free.{help_words} You can start it all the same; it says if memory runs out.",
            "bad",
        )
    elif told.fit_needs < told.needs:
        yield line(
            f"As it is set it needs about {megabytes(told.needs)}, and {free} are free. So it will step down by itself "
            f"to {told.fit.text}. {told.effect}",
            "warn",
        )
    elif told.fit_needs > recommend.ROOM * machine.free:
        yield line(
            "That is nearly all that is free. If it runs out, the run steps down by itself.", "warn"
        )
    if told.disk > machine.disk:
        yield line(
            "The disk has no room for what it writes. Delete old runs on the Runs tab.", "bad"
        )
    if now.spec.method.kind == "full" and now.case.info.parameters > 1e9:
        yield line(
            f"Each saved version is a whole model of {megabytes(4 * now.case.info.parameters)}.",
            "warn",
        )


def methods(options: tuple[Option, ...], case: Case) -> str:
    """Which method is recommended and why, and when to use which."""
    best = next(option for option in options if option.recommended)
    why = recommend.why(case, best)
    rows = "".join(_method(option) for option in options)
    head = f'<p class="line">Recommended: <b>{safe(NAMES[best.kind])}</b>. {safe(why)}</p>'
    free = f"{megabytes(case.machine.free)} are free. Each figure is for one example at a time; more need more."
    summary = "<summary>When to use which method</summary>"
    return f'{head}<details class="why">{summary}<ul>{rows}</ul>{line(free)}</details>'


def _method(option: Option) -> str:
    fits = "" if option.fits else ", which does not fit here"
    mark = ' <span class="chip">recommended</span>' if option.recommended else ""
    needs = f"From {megabytes(option.needs)} of memory{fits}."
    return f"<li><b>{safe(NAMES[option.kind])}</b>{mark}<br>{safe(option.why)} {safe(needs)}</li>"
