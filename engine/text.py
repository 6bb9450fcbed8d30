"""Numbers, times and counts in words."""

from __future__ import annotations

import math
from collections.abc import Callable

OnProgress = Callable[[str], None]  # called with a sentence on how far a long job is


def span(low: float, high: float) -> str:
    """A range of time in words: 40 to 90 s, 3 to 6 min."""
    unit, size, digits = (
        ("s", 1.0, 0) if high < 90 else ("min", 60.0, 1) if high < 5400 else ("h", 3600.0, 1)
    )
    low, high = rounded(low, high) if high > low else (low, high)
    first, last = (
        f"{value / size:.{0 if value >= 300 and unit == 'min' else digits}f}"
        for value in (low, high)
    )
    first, last = first.removesuffix(".0"), last.removesuffix(".0")
    return f"{first} {unit}" if first == last else f"{first} to {last} {unit}"


def within(seconds: float, low: float, high: float) -> bool:
    """Whether a time lies in a range as it is told."""
    least, most = rounded(low, high)
    return least <= seconds <= most


def rounded(low: float, high: float) -> tuple[float, float]:
    """A range as it is told, not to the second: all of it, and no more than a step beyond."""

    def step(value: float) -> int:
        if high < 90:
            return 1 if high < 30 else 5
        return 360 if high >= 5400 else 6 if value < 120 else 30 if value < 300 else 60

    return math.floor(low / step(low)) * step(low) or low, math.ceil(high / step(high)) * step(high)


def plural(number: int, one: str, many: str = "") -> str:
    """1 row, 2 rows."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def words_of_number(number: float) -> str:
    """4,262,144 as 4.3 M."""
    for size, unit in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return (
                f"{number / size:.2g}{unit}"
                if number < 100 * size
                else f"{number / size:.0f}{unit}"
            )
    return f"{number:.0f}"
