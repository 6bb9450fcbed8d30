"""Charts: lengths of rows and labels as bars of HTML, the loss of a finished run as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from engine.text import count_of, format_count
from ui.text import escape_html

MOST_LABELS, LABEL_LENGTH = 20, 24  # bars; characters of a name


def length_chart(edges: Sequence[float], counts: Sequence[int], limit: int) -> str:
    """How many rows have which length in tokens; what is over the longest length stands out."""
    most, bars = max(counts), []
    for (low, high), count in zip(pairwise(edges), counts, strict=True):
        kind = "over" if low >= limit else ""
        what = f"{count_of(count, 'row')} of {low:.0f} to {high:.0f} tokens"
        tall = f"height:{100 * count / most:.1f}%"
        bars.append(f'<i class="{kind}" style="{tall}" title="{what}"></i>')
    if edges[0] < limit <= edges[-1]:
        at = 100 * (limit - edges[0]) / (edges[-1] - edges[0])
        bars.append(f'<b style="left:{at:.1f}%"></b>')
    first, last = (format_count(round(edge)) for edge in (edges[0], edges[-1]))
    about = f"tokens in a row; limit {format_count(limit)}"
    said = f"{first} to {last} {about}; at most {count_of(most, 'row')} of one length"
    ends = f"<span>{first}</span><span>{about}</span><span>{last}</span>"
    inner = f"<small>{count_of(most, 'row')}</small>{''.join(bars)}"
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


LEFT, RIGHT, TOP, BOTTOM = 48, 14, 14, 38  # margins of a drawing of losses, in pixels
MOST_DOTS = 40  # checks that have a dot; more would hide the line
CurvePoints = Sequence[tuple[float, float]]  # step, loss


class Drawing(NamedTuple):
    """The size of a drawing of losses; its class says on which screens it is shown."""

    kind: str
    width: int
    height: int
    ticks: int  # numbers along an axis, at most

    @property
    def right(self) -> int:
        return self.width - RIGHT

    @property
    def bottom(self) -> int:
        return self.height - BOTTOM


# Of its own for a phone: a drawing that is made smaller makes its words smaller, too.
DRAWINGS = (Drawing("wide", 960, 300, 5), Drawing("narrow", 320, 220, 4))


def loss_curves_svg(
    training: CurvePoints, smooth: CurvePoints, held_out: CurvePoints, best: int | None
) -> str:
    """Training loss, its smooth line and the held-out loss by step; empty without points.

    Drawn for wide and for narrow screens, of which the page shows one.
    """
    curves = LossCurves(training, smooth, held_out, best)
    return "".join(map(curves.draw, DRAWINGS)) if curves.points else ""


class LossCurves(NamedTuple):
    """What is drawn."""

    training: CurvePoints
    smooth: CurvePoints
    held_out: CurvePoints
    best: int | None

    @property
    def points(self) -> CurvePoints:
        return [*self.training, *self.held_out]

    def draw(self, on: Drawing) -> str:
        """One drawing of them as SVG."""
        every = self.points
        high_x = max(x for x, _ in every) or 1.0
        low, high = min(y for _, y in every), max(y for _, y in every)
        if 0 <= low < 0.5 * high:
            low = 0.0
        marks = axis_ticks(low, high, on.ticks)
        low, high = min(low, marks[0]), max(high, marks[-1])

        def pixel(x: float, y: float) -> tuple[float, float]:
            across = (on.right - LEFT) * x / high_x
            up = (on.bottom - TOP) * (y - low) / ((high - low) or 1.0)
            return LEFT + across, on.bottom - up

        steps = [mark for mark in axis_ticks(0, high_x, on.ticks) if mark == round(mark)]
        held = [pixel(*point) for point in self.held_out]
        dotted = held if len(held) <= MOST_DOTS else []
        parts = [
            *(_grid_line(on, pixel(0, mark)[1], mark) for mark in marks),
            *(_step_tick(on, pixel(mark, low)[0], mark) for mark in steps),
            _axis_text((LEFT + on.width) / 2, on.height - 4, "middle", "step"),
            _polyline([pixel(*point) for point in self.training], "raw"),
            _polyline([pixel(*point) for point in self.smooth], "train"),
            _polyline(held, "held"),
            *(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in dotted),
            *(_best_mark(on, *pixel(x, y)) for x, y in self.held_out if x == self.best),
        ]
        what = "training and held-out" if self.held_out else "training"
        label = escape_html(f"Loss by step, from {_axis_number(every[0][1])}: {what}")
        box = f'viewBox="0 0 {on.width} {on.height}" role="img" aria-label="{label}"'
        return f'<svg class="curves {on.kind}" {box}>{"".join(parts)}</svg>'


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


def _grid_line(on: Drawing, y: float, mark: float) -> str:
    across = f'x1="{LEFT}" x2="{on.right}" y1="{y:.1f}" y2="{y:.1f}"'
    return f'<line class="grid" {across}/>' + _axis_text(LEFT - 8, y + 4, "end", _axis_number(mark))


def _step_tick(on: Drawing, x: float, mark: float) -> str:
    if x > on.right + 1:
        return ""
    anchor = "end" if x > on.right - 20 else "middle"
    return _axis_text(x, on.bottom + 16, anchor, format_count(round(mark)))


def _best_mark(on: Drawing, x: float, y: float) -> str:
    circle = f'<circle class="best" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    return circle + _axis_text(min(x, on.width - 30), max(y - 10, 12), "middle", "best", "best")


def _axis_number(value: float) -> str:
    return f"{value:.4g}"
