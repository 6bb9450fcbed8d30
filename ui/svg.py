"""Curves as inline SVG: no script, no request, coloured by the stylesheet. Pure functions of points."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ui.text import count, safe

WIDTH, HEIGHT = 720, 280
DOTS = 40  # checks that are marked one by one; more would hide the line
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 38
Points = Sequence[tuple[float, float]]


def losses(training: Points, smooth: Points, held_out: Points, best: int | None) -> str:
    """Training loss, its smooth line and the held-out loss by step; nothing where there are no points."""
    every = [*training, *held_out]
    if not every:
        return ""
    high_x = max(x for x, _ in every) or 1.0
    low, high = min(y for _, y in every), max(y for _, y in every)
    low = 0.0 if low >= 0 and low < 0.5 * high else low
    marks = ticks(low, high)
    low, high = min(low, marks[0]), max(high, marks[-1])

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = (
            (WIDTH - LEFT - RIGHT) * x / high_x,
            (HEIGHT - TOP - BOTTOM) * (y - low) / ((high - low) or 1.0),
        )
        return LEFT + across, HEIGHT - BOTTOM - up

    lines = [_grid(place(0, mark)[1], mark) for mark in marks]
    steps = [_step(place(mark, low)[0], mark) for mark in ticks(0, high_x) if mark == round(mark)]
    curves = (
        _line([place(*one) for one in training], "raw"),
        _line([place(*one) for one in smooth], "train"),
    )
    held = [place(*one) for one in held_out]
    shown = held if len(held) <= DOTS else []
    dots = "".join(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in shown)
    star = "".join(_best(*place(x, y)) for x, y in held_out if x == best)
    words = f"Loss by step, from {_number(every[0][1])}: training" + (
        " and held-out" if held_out else ""
    )
    middle = f'<text class="axis" x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 4}" text-anchor="middle">step</text>'
    return (
        f'<svg class="curves" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{safe(words)}">'
        + "".join([*lines, *steps, middle, *curves, _line(held, "held"), dots, star])
        + "</svg>"
    )


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers from the last at or below ``low`` to the first at or above ``high``."""
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** math.floor(math.log10(span / wanted))
    step = next(size * one for one in (1, 2, 5, 10) if span / (size * one) <= wanted)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * at for at in range(first, last + 1)]


def _line(points: Iterable[tuple[float, float]], kind: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{path}"/>' if path else ""


def _grid(y: float, mark: float) -> str:
    text = f'<text class="axis" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_number(mark)}</text>'
    return f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>{text}'


def _step(x: float, mark: float) -> str:
    if x > WIDTH - RIGHT + 1:
        return ""
    anchor = "end" if x > WIDTH - RIGHT - 20 else "middle"
    return f'<text class="axis" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="{anchor}">{count(round(mark))}</text>'


def _best(x: float, y: float) -> str:
    word = f'<text class="best" x="{min(x, WIDTH - 30):.1f}" y="{max(y - 10, 12):.1f}" text-anchor="middle">best</text>'
    return f'<circle class="best" cx="{x:.1f}" cy="{y:.1f}" r="5"/>{word}'


def _number(value: float) -> str:
    return f"{value:.4g}"
