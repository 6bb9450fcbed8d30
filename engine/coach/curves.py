"""Curves as numbers: smoothed, and thinned for drawing. Pure functions of sequences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

Points = list[tuple[float, float]]


def smooth(values: Sequence[float], total: int = 0) -> list[float]:
    """The running mean that looks back a thirtieth of the run, from its first value on unbiased; gaps are passed."""
    alpha = 2 / (1 + min(50.0, max(4.0, (total or len(values)) / 30)))
    found, mean, weight = [], 0.0, 1.0
    for value in values:
        if math.isfinite(value):
            mean = (1 - alpha) * mean + alpha * value
            weight *= 1 - alpha
        found.append(mean / (1 - weight) if weight < 1 else math.nan)
    return found


def thin(xs: Sequence[float], ys: Sequence[float], buckets: int) -> Points:
    """At most two points of each bucket, its lowest and its highest, so that no peak is lost; gaps are left out."""
    count = len(xs)
    if count <= 2 * buckets:
        return [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
    found: Points = []
    for low, high in _parts(count, buckets):
        inside = [at for at in range(low, high) if math.isfinite(ys[at])]
        if inside:
            ends = {min(inside, key=ys.__getitem__), max(inside, key=ys.__getitem__)}
            found += [(xs[at], ys[at]) for at in sorted(ends)]
    return found


def _parts(count: int, parts: int) -> Iterator[tuple[int, int]]:
    yield from ((count * part // parts, count * (part + 1) // parts) for part in range(parts))
