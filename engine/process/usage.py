"""What a process has used so far, asked of the system: its processor time, memory, bytes moved."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import psutil

LEAST_WORK = 0.05  # seconds of processor time that are a sign of life


class Usage(NamedTuple):
    """What a process has used since it began."""

    cpu: float  # seconds of processor time
    memory: int  # bytes, resident now
    moved: int  # bytes read and written; 0 where the system does not say


def usage_of(process: psutil.Process) -> Usage | None:
    """What a process has used; None once it has ended."""
    moved = 0
    try:
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info().rss
            with contextlib.suppress(psutil.AccessDenied, AttributeError):  # not on macOS
                counters = process.io_counters()
                moved = int(counters.read_bytes + counters.write_bytes)
    except psutil.Error:
        return None
    return Usage(times.user + times.system, memory, moved)


def has_worked(before: Usage, now: Usage) -> bool:
    """Whether a process has computed, read or written between two looks."""
    # One that only waits is woken now and then, which costs it next to nothing.
    return abs(now.cpu - before.cpu) >= LEAST_WORK or now.moved != before.moved
