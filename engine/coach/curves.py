"""Curves as numbers: smoothed, and thinned for drawing. Pure functions of sequences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Points = list[tuple[float, float]]


def smooth_curve(values: Sequence[float], total: int = 0) -> list[float]:
    """The running mean over about a thirtieth of the run, without bias at its start.

    Values that are not finite are skipped.
    """
    alpha = 2 / (1 + min(50.0, max(4.0, (total or len(values)) / 30)))
    found, mean, weight = [], 0.0, 1.0
    for value in values:
        if math.isfinite(value):
            mean = (1 - alpha) * mean + alpha * value
            weight *= 1 - alpha
        found.append(mean / (1 - weight) if weight < 1 else math.nan)
    return found


def thin_curve(xs: Sequence[float], ys: Sequence[float], buckets: int) -> Points:
    """The lowest and the highest point of each bucket, so that no peak is lost.

    Values that are not finite are left out.
    """
    count = len(xs)
    if count <= 2 * buckets:
        return [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
    found: Points = []
    edges = [count * at // buckets for at in range(buckets + 1)]
    for low, high in pairwise(edges):
        inside = [at for at in range(low, high) if math.isfinite(ys[at])]
        if inside:
            ends = {min(inside, key=ys.__getitem__), max(inside, key=ys.__getitem__)}
            found += [(xs[at], ys[at]) for at in sorted(ends)]
    return found
