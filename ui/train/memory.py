"""What a run would need of this machine's memory, by part, beside other methods; and the drawing that changes it.

``ui.model.tab`` lays out; this is wired in app.py, since it knows the whole form.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import gradio as gr

from engine import hardware
from engine.errors import HoneError
from engine.estimate import forecast, memory, recommend
from engine.estimate.forecast import Forecast
from engine.estimate.recommend import Case
from engine.spec.method import MethodSpec
from engine.spec.objective import Goal
from engine.spec.run import RunSpec
from engine.text import count_of, format_bytes, format_count
from ui import form
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.model import diagram
from ui.model.tab import ModelTab
from ui.text import card, escape_html, line, status_box, table
from ui.train import recipes

PARTS = {
    "weights": "Weights",
    "adapter": "Adapter",
    "gradients": "Gradients",
    "optimizer": "Optimizer",
    "activations": "Activations",
    "logits": "Logits",
    "framework": "Framework",
    "reserve": "Reserve",
}
HELP = {
    "weights": "the model itself",
    "adapter": "the small matrices beside it",
    "gradients": "how each trained weight should move",
    "optimizer": "what AdamW remembers of each trained weight",
    "activations": "what the layers computed, kept for the way back",
    "logits": "a score for every token of the vocabulary",
    "framework": "Python and its libraries",
    "reserve": "left free, because no estimate is exact",
}
TITLES = {  # as memory.four calls them -> as the page does
    "Full, fp32": "All weights, 32 bit",
    "Full, bf16": "All weights, 16 bit",
    "LoRA, bf16": "LoRA, 16 bit",
    "QLoRA, 4 bit": "LoRA on 4-bit weights (QLoRA)",
}
DEPENDS = (
    "method.",
    "optim.batch",
    "optim.acc",
    "optim.opt",
    "optim.check",
    "place.",
    "data.max_length",
)
READING = line("Working out the memory once the model is read.", "wait")


class Bar(NamedTuple):
    """What one way of training needs, by part, in bytes."""

    title: str
    parts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.parts.values())


def wire(
    ctx: Context, tab: ModelTab, fields: dict[str, Any], again: gr.State, own: list[Any]
) -> None:
    """Every change of the form is shown at once; the drawing sets the target modules, which then are the user's own.

    ``again`` changes when the Train tab has told all once more; ``own`` says there whose settings they are.
    """
    every, source, targets = list(fields.values()), tab.source, fields["method.targets"]
    changed = [
        again.change,
        *(widget.change for path, widget in fields.items() if path.startswith(DEPENDS)),
    ]
    # Not always_last: see ui.train.tab.wire.
    shown = [tab.verdict, tab.map, tab.memory]
    gr.on(changed, bind(show, ctx), every, shown, trigger_mode="multiple", **QUIET)
    for pressed in (tab.map.toggle_part, tab.map.take_group):
        pressed(None, None, own, js=recipes.SET_BY_HAND, api_visibility="private")
    tab.map.toggle_part(bind(toggle, ctx), [source, targets], targets, **QUIET)
    tab.map.take_group(bind(take_group, ctx), source, targets, **QUIET)


# --- handlers ---


def show(ctx: Context, *values: Any) -> tuple[Any, Any, Any]:
    """Verdict, drawing and memory for the form as it is."""
    spec, problem = _spec(values)
    if spec is None:
        return status_box("bad", "Check the settings", problem), gr.skip(), gr.skip()
    case, problem = _case(ctx, spec)
    if case is None:
        return "", "", READING
    return _shown(case, spec, problem)


def _shown(case: Case, spec: RunSpec, problem: str) -> tuple[str, str, str]:
    drawn = json.dumps(diagram.layer_diagram(case.info, spec.method, max(2, case.labels)))
    try:
        told = forecast.forecast_run(case, spec)
        said = (
            status_box("warn", "Data and model do not go together yet", problem)
            if problem
            else verdict(told, case)
        )
        return said, drawn, memory_card(told, case, spec)
    except HoneError as error:
        return (
            status_box("bad", "These settings do not fit this model", problem or str(error)),
            drawn,
            "",
        )


def toggle(ctx: Context, model: str, names: list[str], event: gr.EventData) -> list[str]:
    """Put one part in or take it out: the list on the Train tab is where it is kept."""
    return diagram.toggle_target(ctx.load_model(model), names, str(event.name))


def take_group(ctx: Context, model: str, event: gr.EventData) -> list[str]:
    """The parts of a group."""
    groups = ctx.load_model(model).groups
    return list(groups.get(str(event.name), groups["all"]))


def _spec(values: tuple[Any, ...]) -> tuple[RunSpec | None, str]:
    """The settings; with no target module chosen, those of all, so that the drawing can say so."""
    held = dict(zip(form.FORM_PATHS, values, strict=True))
    empty = not held["method.targets"]
    try:
        spec = form.read_spec(
            {**held, "method.targets": [form.ALL_LINEAR]}.values() if empty else values
        )
    except HoneError as error:
        return None, str(error)
    return (
        spec.model_copy(update={"method": spec.method.model_copy(update={"targets": ()})})
        if empty
        else spec
    ), ""


def _case(ctx: Context, spec: RunSpec) -> tuple[Case | None, str]:
    """What is to be learned with what, and what is wrong with that; none while the model is being read."""
    info = ctx.known_model(spec.model.source)
    if info is None:
        return None, ""
    try:
        return ctx.known_case(spec), ""
    except HoneError as error:
        machine = hardware.machine(spec.place, spec.method, ctx.engine.store.home)
        goal: Goal = "classify" if info.task == "classify" else "write"
        capable = hardware.bf16(machine.device)
        return Case(info, goal, 1, 2, None, machine, capable, spec.data.max_length), str(error)


# --- what is shown: pure functions ---


def verdict(told: Forecast, case: Case) -> str:
    """Whether it fits, and what to do where it does not."""
    free, needs = format_bytes(case.machine.free), format_bytes(told.needs)
    where = "your graphics card" if case.machine.device == "cuda" else "this machine"
    if told.fit is None:
        title = f"It needs about {format_bytes(told.fit_needs)}; {where} has {free} free"
        return status_box(
            "bad",
            title,
            _helps(told, case) + " Even one example at a time is too much as it is set.",
        )
    if told.fit_needs < told.needs:
        text = f"As set it needs {needs}. Hone steps down to {told.fit.text}. {told.effect}"
        return status_box(
            "warn",
            f"It fits with smaller steps: {format_bytes(told.fit_needs)} of {free} free",
            text,
        )
    if told.needs > recommend.USABLE_SHARE * case.machine.free:
        return status_box(
            "warn",
            f"It just fits: about {needs} of {free} free",
            "Close other programs before you start.",
        )
    return status_box("good", f"It fits: about {needs} of the {free} that are free", _lengths(told))


def _helps(told: Forecast, case: Case) -> str:
    if not told.helps:
        return "Choose a smaller model."
    words = " or ".join(told.helps)
    if any("4-bit" in one for one in told.helps):
        four = recommend.bytes_needed(case, MethodSpec(kind="qlora"), 1, told.length, True)
        words = words.replace(
            "the 4-bit method (QLoRA)", f"the 4-bit method, QLoRA ({format_bytes(four)})"
        )
    return f"Use {words}."


def _lengths(told: Forecast) -> str:
    fit = told.fit.text if told.fit else ""
    return f"For {fit}, up to {count_of(told.length, 'token')} each."


def memory_card(told: Forecast, case: Case, spec: RunSpec) -> str:
    """Bars by part, a line at what is free, and what would fit at most."""
    again, optim = spec.optim.checkpointing == "on", spec.optim
    setting = recommend.memory_inputs(
        case, spec.method, optim.batch_size, told.length, again, optim.optimizer, spec.place
    )
    settings = {"As set now": setting, **memory.usual_methods(setting)}
    bars = [
        Bar(TITLES.get(name, name), memory.estimate_memory(one).model_dump())
        for name, one in settings.items()
    ]
    free = case.machine.free
    scale = max(*(bar.total for bar in bars), free) * 1.02
    rows = "".join(_row(bar, free, scale, bar is bars[0]) for bar in bars)
    name = "graphics card" if case.machine.device == "cuda" else "machine"
    mark = f'<p class="free-note" style="--at:{100 * free / scale:.2f}%"><span>{format_bytes(free)} free</span></p>'
    about = f"An estimate for {count_of(optim.batch_size, 'example')} of {count_of(told.length, 'token')} at once. "
    about += f"The dashed line is what this {name} has free now."
    drawn = f'<div class="bars">{mark}{rows}</div>'
    return card(
        "Memory while it trains",
        line(about),
        drawn,
        _keys(bars),
        _most(setting, int(free)),
        _table(bars),
    )


def _row(bar: Bar, free: float, scale: float, now: bool) -> str:
    sizes = ((name, bar.parts[name]) for name in PARTS)
    pieces = "".join(
        f'<i data-memory="{name}" style="width:{100 * size / scale:.3f}%"></i>'
        for name, size in sizes
        if size
    )
    fits = bar.total <= free
    word = "fits" if fits else f"{format_bytes(bar.total - free)} too much"
    return (
        f'<div class="bar-row" data-now="{str(now).lower()}"><span>{escape_html(bar.title)}</span>'
        f'<b>{format_bytes(bar.total)}</b><small data-good="{str(fits).lower()}">{word}</small>'
        f'<div class="track" aria-hidden="true">{pieces}<u style="left:{100 * free / scale:.2f}%"></u></div></div>'
    )


def _used(bars: list[Bar]) -> list[str]:
    return [name for name in PARTS if any(bar.parts[name] for bar in bars)]


def _keys(bars: list[Bar]) -> str:
    """What the colours mean, with the figures of the settings as they are."""
    items = (
        f'<li title="{escape_html(HELP[name])}"><i data-memory="{name}"></i>{PARTS[name]} '
        f"<b>{format_bytes(bars[0].parts[name])}</b></li>"
        for name in _used(bars)
    )
    return f'<ul class="keys">{"".join(items)}</ul>'


def _most(setting: memory.MemoryInputs, free: int) -> str:
    """The largest batch and the longest example that would fit."""
    batch = memory.largest_batch(setting, free)
    length = memory.largest_length(setting._replace(batch=1), free)
    many = (
        f"At most {count_of(batch, 'example')} of {format_count(setting.length)} tokens fit at once. "
        if batch
        else ""
    )
    if not length:
        return line("Not even the shortest example fits in this way.", "bad")
    whole = ", which is all that the model reads" if length == setting.info.context else ""
    return line(f"{many}A single example may have {format_count(length)} tokens{whole}.")


def _table(bars: list[Bar]) -> str:
    """All figures, for who wants them or cannot see the bars."""
    rows = "".join(
        f'<tr><th scope="row">{PARTS[name]}<small>{escape_html(HELP[name])}</small></th>'
        + "".join(f"<td>{format_bytes(bar.parts[name])}</td>" for bar in bars)
        + "</tr>"
        for name in _used(bars)
    )
    found = table(("Part", *(bar.title for bar in bars)), [rows])
    return f'<details class="why"><summary>All figures</summary>{found}</details>'
