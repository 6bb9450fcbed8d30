"""Figures that do not move: lengths of rows, labels. Plotly, in the page's colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

INK, LEARN, LIMIT = "#7a8494", "#5b54e8", "#d97706"  # read well on light and dark


def lengths(edges: Sequence[float], counts: Sequence[int], limit: int) -> go.Figure:
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


def labels(counts: Mapping[str, int]) -> go.Figure:
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
