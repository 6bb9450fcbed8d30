"""What was expected of a run beside what was real: weights that train, memory, time. And a method in words."""

from __future__ import annotations

from typing import NamedTuple

from engine.estimate.duration import CHECKS_SHARE, FREE_CHECK_SECONDS
from engine.store import events as ev
from engine.store.run_view import RunState, RunView
from engine.text import format_time_range, is_within_range


class Line(NamedTuple):
    """One figure."""

    what: str
    expected: str
    real: str
    good: bool  # as near as can be asked


def outcome(view: RunView, state: RunState) -> list[Line]:
    """The comparison, as far as a run has shown it; empty for runs that expected nothing."""
    told, began, last = view.estimated, view.started, view.last
    if told is None or began is None:
        return []
    found = [
        Line(
            "Weights that train",
            f"{told.trainable:,}",
            f"{began.trainable:,}",
            told.trainable == began.trainable,
        )
    ]
    if last is None:
        return found
    if peak := view.memory_gb:  # none where it stepped down and ended before its next step
        close = 0.85 * peak <= told.memory_gb <= 1.15 * peak
        found.append(
            Line("Memory at the peak", f"{told.memory_gb:.1f} GB", f"{peak:.1f} GB", close)
        )
    early = isinstance(view.ended, ev.Finished) and view.ended.early
    whole = (
        view.ended.seconds if isinstance(view.ended, ev.Finished) else last.seconds
    )  # with the last check
    if (
        state == RunState.FINISHED and not early
    ):  # a run that ended early says nothing of a whole one
        low, high = told.seconds_low, told.seconds_high
        found.append(
            Line(
                "Time",
                format_time_range(low, high),
                format_time_range(whole, whole),
                is_within_range(whole, low, high),
            )
        )
    if isinstance(view.ended, ev.Finished) and view.ended.checks_seconds and whole:
        spent, share = view.ended.checks_seconds, 100 * view.ended.checks_seconds / whole
        allowed = max(FREE_CHECK_SECONDS, CHECKS_SHARE * whole)
        most = (
            f"{FREE_CHECK_SECONDS:.0f} s"
            if allowed == FREE_CHECK_SECONDS
            else f"{100 * CHECKS_SHARE:.0f} %"
        )
        real = f"{format_time_range(spent, spent)} ({share:.0f} %)"
        found.append(Line("Of it in checks and samples", f"up to {most}", real, spent <= allowed))
    return found
