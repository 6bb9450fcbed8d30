"""What a run needs of this machine's memory: the verdict, and bars by part beside other methods.

Pure functions of a forecast that return HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.estimate import memory
from engine.estimate.case import USABLE_SHARE, Case, MemoryInputs, Setup, memory_inputs
from engine.estimate.forecast import Forecast
from engine.spec.method import MethodSpec
from engine.spec.run import RunSpec
from engine.text import count_of, format_bytes, format_count
from ui.text import card, escape_html, line, table

# The parts of an estimate: label, and what they hold.
MEMORY_PARTS = {
    "weights": ("Weights", "the model itself"),
    "adapter": ("Adapter", "the small matrices that train beside it"),
    "gradients": ("Gradients", "how each trained weight should change"),
    "optimizer": ("Optimizer", "what the optimizer keeps for each trained weight"),
    "activations": ("Activations", "layer outputs kept for the backward pass"),
    "logits": ("Logits", "a score for every token of the vocabulary"),
    "framework": ("Framework", "Python and its libraries"),
    "reserve": ("Reserve", "left free, because no estimate is exact"),
}
# The names that memory.usual_methods gives, and what the page calls them.
METHOD_TITLES = {
    "Full, fp32": "All weights, 32 bit",
    "Full, bf16": "All weights, 16 bit",
    "LoRA, bf16": "LoRA, 16 bit",
    "QLoRA, 4 bit": "LoRA on 4-bit weights (QLoRA)",
}
FOUR_BIT = "the 4-bit method (QLoRA)"  # as forecasts name it


class Bar(NamedTuple):
    """What a method needs, by part, in bytes."""

    title: str
    parts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.parts.values())


def memory_verdict(estimate: Forecast, case: Case) -> tuple[str, str, str]:
    """Tone, title and text: whether it fits, and what to do if it does not."""
    free, needs = format_bytes(case.machine.free), format_bytes(estimate.needs)
    smallest = format_bytes(estimate.fit_needs)
    where = "your graphics card" if case.machine.device == "cuda" else "this machine"
    if estimate.fit is None:
        title = f"It needs about {smallest}; {where} has {free} free"
        one = "Now even one example at a time probably does not fit."
        return "bad", title, f"{_what_helps(estimate, case)} {one}"
    if estimate.fit_needs < estimate.needs:
        title = f"It fits after stepping down: {smallest} of {free} free"
        text = f"These settings need {needs}. Hone steps down to {estimate.fit.text}."
        return "warn", title, f"{text} {estimate.effect}"
    if estimate.needs > USABLE_SHARE * case.machine.free:
        title = f"It just fits: about {needs} of {free} free"
        return "warn", title, "Close other programs before you start."
    text = f"For {estimate.fit.text}, up to {count_of(estimate.length, 'token')} each."
    return "good", f"It fits: about {needs} of {free} free", text


def _what_helps(estimate: Forecast, case: Case) -> str:
    if not estimate.helps:
        return "Choose a smaller model."
    words = " or ".join(estimate.helps)
    if FOUR_BIT in words:
        size = memory.bytes_needed(case, Setup(MethodSpec(kind="qlora"), estimate.length))
        words = words.replace(FOUR_BIT, f"the 4-bit method, QLoRA ({format_bytes(size)})")
    return f"Use {words}."


def memory_card(estimate: Forecast, case: Case, spec: RunSpec) -> str:
    """Bars by part, a line at what is free, and the largest batch and example that would fit."""
    recompute, optim = spec.optim.checkpointing == "on", spec.optim
    layout = (optim.batch_size, recompute, optim.optimizer, spec.place)
    inputs = memory_inputs(case, Setup(spec.method, estimate.length, *layout))
    methods = {"These settings": inputs, **memory.usual_methods(inputs)}
    bars = [
        Bar(METHOD_TITLES.get(name, name), memory.estimate_memory(one).model_dump())
        for name, one in methods.items()
    ]
    free = case.machine.free
    scale = max(*(bar.total for bar in bars), free) * 1.02
    rows = "".join(_bar_row(bar, free, scale, bar is bars[0]) for bar in bars)
    at = f"--at:{100 * free / scale:.2f}%"
    mark = f'<p class="free-note" style="{at}"><span>{format_bytes(free)} free</span></p>'
    name = "graphics card" if case.machine.device == "cuda" else "machine"
    batch = f"{count_of(optim.batch_size, 'example')} of {count_of(estimate.length, 'token')}"
    about = f"An estimate for {batch} at once. The dashed line is the free memory of this {name}."
    return card(
        "Memory during training",
        line(about),
        f'<div class="bars">{mark}{rows}</div>',
        _colour_keys(bars),
        _largest_line(inputs, int(free)),
        _bars_table(bars),
    )


def _bar_row(bar: Bar, free: float, scale: float, now: bool) -> str:
    pieces = "".join(
        f'<i data-memory="{name}" style="width:{100 * bar.parts[name] / scale:.3f}%"></i>'
        for name in MEMORY_PARTS
        if bar.parts[name]
    )
    fits = bar.total <= free
    word = "fits" if fits else f"{format_bytes(bar.total - free)} too much"
    mark = f'<u style="left:{100 * free / scale:.2f}%"></u>'
    return (
        f'<div class="bar-row" data-now="{str(now).lower()}"><span>{escape_html(bar.title)}</span>'
        f'<b>{format_bytes(bar.total)}</b><small data-good="{str(fits).lower()}">{word}</small>'
        f'<div class="track" aria-hidden="true">{pieces}{mark}</div></div>'
    )


def _used_parts(bars: Sequence[Bar]) -> list[str]:
    return [name for name in MEMORY_PARTS if any(bar.parts[name] for bar in bars)]


def _colour_keys(bars: Sequence[Bar]) -> str:
    """What the colours mean, with the figures of the current settings."""
    items = []
    for name in _used_parts(bars):
        label, about = MEMORY_PARTS[name]
        size = format_bytes(bars[0].parts[name])
        items.append(f'<li title="{about}"><i data-memory="{name}"></i>{label} <b>{size}</b></li>')
    return f'<ul class="keys">{"".join(items)}</ul>'


def _largest_line(inputs: MemoryInputs, free: int) -> str:
    """The largest batch and the longest example that would fit."""
    batch = memory.largest_batch(inputs, free)
    length = memory.largest_length(inputs._replace(batch=1), free)
    if not length:
        return line("Not even the shortest example fits.", "bad")
    whole = ", which is all that the model reads" if length == inputs.info.context else ""
    text = f"A single example may have {format_count(length)} tokens{whole}."
    if batch:
        examples = f"{count_of(batch, 'example')} of {format_count(inputs.length)} tokens"
        text = f"At most {examples} fit at once. {text}"
    return line(text)


def _bars_table(bars: Sequence[Bar]) -> str:
    """All figures as a table, also for those who cannot see the bars."""
    rows = []
    for name in _used_parts(bars):
        label, about = MEMORY_PARTS[name]
        cells = "".join(f"<td>{format_bytes(bar.parts[name])}</td>" for bar in bars)
        rows.append(f'<tr><th scope="row">{label}<small>{about}</small></th>{cells}</tr>')
    found = table(("Part", *(bar.title for bar in bars)), rows)
    return f'<details class="why"><summary>All figures</summary>{found}</details>'
