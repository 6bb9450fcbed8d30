"""Sizes, times and numbers in words, as every part of Hone shows them."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable

REPEATED_SHARE = 0.8  # of the signs or words of a text that repeats itself
OnProgress = Callable[[str], None]  # called with a sentence on how far a long job is


def count_of(number: int, one: str, many: str = "") -> str:
    """1 row, 2 rows."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def format_count(number: int) -> str:
    """294912 as 294,912."""
    return f"{number:,}"


def format_large_number(number: float) -> str:
    """4,262,144 as 4.26 M."""
    for size, unit in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if number >= 0.9995 * size:  # the next lower unit would be rounded to 1e+03
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def format_share(part: float, whole: float) -> str:
    """A share in percent, with two digits where it is small."""
    percent = 100 * part / whole if whole else 0.0
    if percent >= 10:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 1 else f"{percent:.2g} %"


def format_loss(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def format_rate(value: float, digits: int = 2) -> str:
    """A learning rate: 0.0015, 0.0002, 3e-5."""
    number, _, power = f"{value:.{digits}g}".partition("e")
    return f"{number}e{int(power)}" if power else number


def format_drop(first: float, best: float) -> str:
    """How far a loss has fallen: never "100 %", since something is always left."""
    share = format_share(first - best, first)
    return "over 99 %" if share == "100 %" else share


def format_bytes(size: float) -> str:
    """Bytes of memory or of files on the disk; a GB is 2^30 bytes."""
    kilobytes, megabytes, gigabytes = size / 2**10, size / 2**20, size / 2**30
    if megabytes < 0.1:
        return f"{kilobytes:.0f} kB"
    if gigabytes >= 1:
        return f"{gigabytes:.1f} GB"
    return f"{megabytes:.0f} MB" if megabytes >= 10 else f"{megabytes:.1f} MB"


def format_hub_bytes(size: float) -> str:
    """Bytes of a download, as the Hub counts them: a GB is 10^9 bytes."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def format_hub_progress(done: float, total: float) -> str:
    """Bytes that have been downloaded, of all, in the same unit: 0.50 of 4.00 GB."""
    if total >= 1e9:
        return f"{done / 1e9:.2f} of {total / 1e9:.2f} GB"
    return f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"


def format_date(seconds: float) -> str:
    """A time of this machine's clock: 24 Nov, 08:55."""
    return time.strftime("%d %b, %H:%M", time.localtime(seconds))


def format_duration(seconds: float) -> str:
    """75 as 75 s, 600 as 10 min, 9000 as 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def format_time_range(low: float, high: float) -> str:
    """Two durations in the same unit: 40 to 90 s, 3 to 6 min."""
    unit, seconds = ("min", 60) if high < 5400 else ("h", 3600)
    if high < 90:
        unit, seconds = "s", 1
    if high > low:
        low, high = rounded_range(low, high)
    first, last = _with_decimal(low / seconds, unit), _with_decimal(high / seconds, unit)
    return f"{first} {unit}" if first == last else f"{first} to {last} {unit}"


def _with_decimal(value: float, unit: str) -> str:
    """A number with one decimal; without it for seconds and from 5 minutes on."""
    if unit == "s" or (unit == "min" and value >= 5):
        return f"{value:.0f}"
    return f"{value:.1f}".removesuffix(".0")


def is_within_range(seconds: float, low: float, high: float) -> bool:
    """Whether a duration lies in the range as ``format_time_range`` shows it."""
    least, most = rounded_range(low, high)
    return least <= seconds <= most


def rounded_range(low: float, high: float) -> tuple[float, float]:
    """The range rounded outwards, by less than one step, to the precision that is shown."""
    low_step, high_step = _time_step(low, high), _time_step(high, high)
    return math.floor(low / low_step) * low_step or low, math.ceil(high / high_step) * high_step


def _time_step(value: float, high: float) -> int:
    """Seconds to which one end of a range up to ``high`` is rounded."""
    if high < 90:
        return 1 if high < 30 else 5
    if high >= 5400:
        return 360
    return next((step for limit, step in ((120, 6), (300, 30)) if value < limit), 60)


def repeats_itself(text: str) -> bool:
    """Whether a text of some length is nearly one sign or one word, over and over."""
    signs, words = Counter("".join(text.split())), Counter(text.split())
    return any(
        found.total() >= least and max(found.values()) > REPEATED_SHARE * found.total()
        for found, least in ((signs, 16), (words, 8))
    )
