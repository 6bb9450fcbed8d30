"""A run's estimates beside what was measured: trained weights, memory, time."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from engine.estimate.duration import CHECKS_SHARE, FREE_CHECK_SECONDS
from engine.store import events as ev
from engine.store.run_view import RunState, RunView
from engine.text import format_time_range, is_within_range


class EstimateCheck(BaseModel, frozen=True, extra="ignore"):
    """One figure that was estimated, and what it came to."""

    what: str
    expected: str
    real: str
    good: bool  # the estimate was near enough


def check_estimates(view: RunView, state: RunState) -> Iterator[EstimateCheck]:
    """The comparison as far as the run has come; empty for runs without estimates."""
    estimate, began = view.estimated, view.started
    if estimate is None or began is None:
        return
    yield EstimateCheck(
        what="Trained weights",
        expected=f"{estimate.trainable:,}",
        real=f"{began.trainable:,}",
        good=estimate.trainable == began.trainable,
    )
    if view.last is None:
        return
    if peak := view.memory_gb:  # none where it stepped down and ended before its next step
        yield EstimateCheck(
            what="Peak memory",
            expected=f"{estimate.memory_gb:.1f} GB",
            real=f"{peak:.1f} GB",
            good=estimate.memory_gb >= 0.85 * peak,  # less than was said is no harm
        )
    if isinstance(view.ended, ev.Finished):
        yield from _time_checks(estimate, view.ended, state)


def _time_checks(
    estimate: ev.Estimated, done: ev.Finished, state: RunState
) -> Iterator[EstimateCheck]:
    whole, checks = done.seconds, done.checks_seconds
    low, high = estimate.seconds_low, estimate.seconds_high
    # A run that ended early says nothing about the time of a whole one.
    if state == RunState.FINISHED and not done.early:
        yield EstimateCheck(
            what="Time",
            expected=format_time_range(low, high),
            real=format_time_range(whole, whole),
            good=is_within_range(whole, low, high),
        )
    if checks and whole:
        allowed = max(FREE_CHECK_SECONDS, CHECKS_SHARE * whole)
        free = allowed == FREE_CHECK_SECONDS
        limit = f"{allowed:.0f} s" if free else f"{100 * CHECKS_SHARE:.0f} %"
        yield EstimateCheck(
            what="Time in checks and samples",
            expected=f"up to {limit}",
            real=f"{format_time_range(checks, checks)} ({100 * checks / whole:.0f} %)",
            good=checks <= allowed,
        )
