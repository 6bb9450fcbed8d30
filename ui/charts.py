"""Charts: lengths of rows and labels as bars of HTML, the loss of a finished run as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from engine.text import format_count
from ui.text import escape_html

MOST_LABELS, LABEL_LENGTH = 20, 24  # bars; characters of a name


def length_chart(edges: Sequence[float], counts: Sequence[int], limit: int) -> str:
    """How many rows have which length in tokens; what is over the longest length stands out."""
    most, bars = max(counts), []
    for (low, high), count in zip(pairwise(edges), counts, strict=True):
        kind = "over" if low >= limit else ""
        what = f"{format_count(count)} rows of {low:.0f} to {high:.0f} tokens"
        tall = f"height:{100 * count / most:.1f}%"
        bars.append(f'<i class="{kind}" style="{tall}" title="{what}"></i>')
    if edges[0] < limit <= edges[-1]:
        at = 100 * (limit - edges[0]) / (edges[-1] - edges[0])
        bars.append(f'<b style="left:{at:.1f}%"></b>')
    first, last = (format_count(round(edge)) for edge in (edges[0], edges[-1]))
    about = f"tokens in a row; limit {format_count(limit)}"
    said = f"{first} to {last} {about}; up to {format_count(most)} rows have the same length"
    ends = f"<span>{first}</span><span>{about}</span><span>{last}</span>"
    inner = f"<small>{format_count(most)} rows</small>{''.join(bars)}"
    drawn = f'<div class="length-bars" role="img" aria-label="{said}">{inner}</div>'
    return drawn + f'<div class="ends">{ends}</div>'


def label_chart(counts: Mapping[str, int]) -> str:
    """How many rows each label has, the most frequent on top."""
    shown = [*counts.items()][:MOST_LABELS]
    most = max(counts.values())
    rows = []
    for name, count in shown:
        bar = f'<i style="width:{100 * count / most:.1f}%"></i>'
        head = f'<th scope="row">{escape_html(_short_name(name))}</th>'
        rows.append(f"<tr>{head}<td>{bar}</td><td>{format_count(count)}</td></tr>")
    more = len(counts) - len(shown)
    rest = f"<p>and {format_count(more)} more</p>" if more else ""
    return f'<table class="label-bars">{"".join(rows)}</table>{rest}'


def _short_name(name: str) -> str:
    return name if len(name) <= LABEL_LENGTH else name[: LABEL_LENGTH - 1] + "…"


# The drawing of losses, in pixels.
WIDTH, HEIGHT = 720, 280
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 38  # margins
MOST_DOTS = 40  # checks that have a dot; more would hide the line
CurvePoints = Sequence[tuple[float, float]]  # step, loss


def loss_curves_svg(
    training: CurvePoints, smooth: CurvePoints, held_out: CurvePoints, best: int | None
) -> str:
    """Training loss, its smooth line and the held-out loss by step; empty without points."""
    every = [*training, *held_out]
    if not every:
        return ""
    high_x = max(x for x, _ in every) or 1.0
    low, high = min(y for _, y in every), max(y for _, y in every)
    if 0 <= low < 0.5 * high:
        low = 0.0
    marks = axis_ticks(low, high)
    low, high = min(low, marks[0]), max(high, marks[-1])

    def pixel(x: float, y: float) -> tuple[float, float]:
        across = (WIDTH - LEFT - RIGHT) * x / high_x
        up = (HEIGHT - TOP - BOTTOM) * (y - low) / ((high - low) or 1.0)
        return LEFT + across, HEIGHT - BOTTOM - up

    steps = [mark for mark in axis_ticks(0, high_x) if mark == round(mark)]
    held = [pixel(*point) for point in held_out]
    dotted = held if len(held) <= MOST_DOTS else []
    parts = [
        *(_grid_line(pixel(0, mark)[1], mark) for mark in marks),
        *(_step_tick(pixel(mark, low)[0], mark) for mark in steps),
        _axis_text((LEFT + WIDTH) / 2, HEIGHT - 4, "middle", "step"),
        _polyline([pixel(*point) for point in training], "raw"),
        _polyline([pixel(*point) for point in smooth], "train"),
        _polyline(held, "held"),
        *(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in dotted),
        *(_best_mark(*pixel(x, y)) for x, y in held_out if x == best),
    ]
    what = "training and held-out" if held_out else "training"
    label = escape_html(f"Loss by step, from {_axis_number(every[0][1])}: {what}")
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
    return f'<svg class="curves" {box} aria-label="{label}">{"".join(parts)}</svg>'


def axis_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers from the last at or below ``low`` to the first at or above ``high``."""
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** math.floor(math.log10(span / wanted))
    step = next(size * one for one in (1, 2, 5, 10) if span / (size * one) <= wanted)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * at for at in range(first, last + 1)]


def _polyline(points: Iterable[tuple[float, float]], kind: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{path}"/>' if path else ""


def _axis_text(x: float, y: float, anchor: str, text: str, kind: str = "axis") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _grid_line(y: float, mark: float) -> str:
    across = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
    return f'<line class="grid" {across}/>' + _axis_text(LEFT - 8, y + 4, "end", _axis_number(mark))


def _step_tick(x: float, mark: float) -> str:
    if x > WIDTH - RIGHT + 1:
        return ""
    anchor = "end" if x > WIDTH - RIGHT - 20 else "middle"
    return _axis_text(x, HEIGHT - BOTTOM + 16, anchor, format_count(round(mark)))


def _best_mark(x: float, y: float) -> str:
    circle = f'<circle class="best" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    return circle + _axis_text(min(x, WIDTH - 30), max(y - 10, 12), "middle", "best", "best")


def _axis_number(value: float) -> str:
    return f"{value:.4g}"
