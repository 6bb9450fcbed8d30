"""Figures that do not move: lengths of rows, labels. Plotly, in the page's colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from engine.text import format_count
from ui.text import escape_html

INK, LEARN, LIMIT = "#7a8494", "#5b54e8", "#d97706"  # read well on light and dark


def length_chart(edges: Sequence[float], counts: Sequence[int], limit: int) -> go.Figure:
    """How long the rows are in tokens, against the limit."""
    bins = list(pairwise(edges))
    middles, widths = [(low + high) / 2 for low, high in bins], [high - low for low, high in bins]
    colours = [LIMIT if low >= limit else LEARN for low in edges[:-1]]
    bars = go.Bar(
        x=middles,
        y=list(counts),
        width=widths,
        marker={"color": colours},
        hovertemplate="%{y} rows<extra></extra>",
    )
    figure = go.Figure(bars, _layout("tokens in a row", "rows"))
    if edges and limit <= edges[-1] * 1.5:
        figure.add_vline(x=limit, line={"color": LIMIT, "width": 2, "dash": "dash"})
        figure.add_annotation(
            x=limit,
            y=1,
            yref="paper",
            text=f"limit {limit}",
            showarrow=False,
            xanchor="left",
            xshift=4,
        )
    return figure


def label_chart(counts: Mapping[str, int]) -> go.Figure:
    """How many rows each label has, the most frequent on top."""
    names = [name if len(name) <= 24 else name[:23] + "…" for name in counts][:20]
    bars = go.Bar(y=names, x=list(counts.values())[:20], orientation="h", marker={"color": LEARN})
    figure = go.Figure(bars, _layout("rows", ""))
    return figure.update_layout(
        yaxis={"autorange": "reversed", "showgrid": False}, height=60 + 24 * max(4, len(names))
    )


def _layout(x: str, y: str) -> dict[str, Any]:
    axis = {"gridcolor": "rgba(128,140,160,.25)", "zeroline": False, "automargin": True}
    return {
        "height": 220,
        "margin": {"l": 40, "r": 12, "t": 12, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK, "size": 12},
        "bargap": 0.06,
        "showlegend": False,
        "xaxis": {**axis, "title": {"text": x}, "showgrid": False},
        "yaxis": {**axis, "title": {"text": y}},
    }


WIDTH, HEIGHT = 720, 280
DOTS = 40  # checks that are marked one by one; more would hide the line
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 38
CurvePoints = Sequence[tuple[float, float]]


def loss_curves_svg(
    training: CurvePoints, smooth: CurvePoints, held_out: CurvePoints, best: int | None
) -> str:
    """Training loss, its smooth line and the held-out loss by step; nothing where there are no points."""
    every = [*training, *held_out]
    if not every:
        return ""
    high_x = max(x for x, _ in every) or 1.0
    low, high = min(y for _, y in every), max(y for _, y in every)
    low = 0.0 if low >= 0 and low < 0.5 * high else low
    marks = axis_ticks(low, high)
    low, high = min(low, marks[0]), max(high, marks[-1])

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = (
            (WIDTH - LEFT - RIGHT) * x / high_x,
            (HEIGHT - TOP - BOTTOM) * (y - low) / ((high - low) or 1.0),
        )
        return LEFT + across, HEIGHT - BOTTOM - up

    lines = [_grid(place(0, mark)[1], mark) for mark in marks]
    steps = [
        _step(place(mark, low)[0], mark) for mark in axis_ticks(0, high_x) if mark == round(mark)
    ]
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
        f'<svg class="curves" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape_html(words)}">'
        + "".join([*lines, *steps, middle, *curves, _line(held, "held"), dots, star])
        + "</svg>"
    )


def axis_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
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
    return f'<text class="axis" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="{anchor}">{format_count(round(mark))}</text>'


def _best(x: float, y: float) -> str:
    word = f'<text class="best" x="{min(x, WIDTH - 30):.1f}" y="{max(y - 10, 12):.1f}" text-anchor="middle">best</text>'
    return f'<circle class="best" cx="{x:.1f}" cy="{y:.1f}" r="5"/>{word}'


def _number(value: float) -> str:
    return f"{value:.4g}"
