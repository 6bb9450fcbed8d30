"""The stages of a run until it trains: which are done, how long each took, how long it should take.

What each took in earlier runs of the same model on this machine is the best guess of what it takes
now. Pure functions over what runs have reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Literal, NamedTuple

from engine.store.events import StageName
from engine.store.run_view import RunView

NAMES: dict[StageName, str] = {
    "start": "Starting",
    "wait": "Waiting for another run on this machine",
    "read": "Reading the examples",
    "load": "Loading the model",
    "test": "Testing memory",
    "check": "First check",
}
StageState = Literal["done", "now", "stopped", "to come"]


class Stage(NamedTuple):
    """One thing that a run does before it trains."""

    name: str  # for the user
    state: StageState
    seconds: float  # that it took, or has taken so far; 0 where it is still to come
    expected_seconds: float | None  # from earlier runs; None where there are none


def stages_of(
    view: RunView, earlier_runs: Sequence[RunView] = (), now: float | None = None
) -> list[Stage]:
    """The stages of a run's newest attempt, in their order.

    ``now``: seconds since 1970, for a run that works or waits; None for one that does not.
    """
    took, found = durations(view), []
    last = list(view.stages)[-1] if view.stages else ""
    for stage in NAMES:
        if stage not in view.stages and not _is_to_come(view, stage):
            continue
        state: StageState = "to come"
        seconds = took.get(stage, 0.0)
        if stage in took:
            state = "done"
        elif stage == last:
            state = "stopped" if now is None else "now"
            seconds = max(0.0, (now or 0.0) - view.stages[stage]) if now else 0.0
        found.append(Stage(NAMES[stage], state, seconds, _expected(stage, earlier_runs)))
    return found


def durations(view: RunView) -> dict[str, float]:
    """Seconds of each stage of the newest attempt that has come to its end."""
    names, times = list(view.stages), list(view.stages.values())
    ends = zip(names, times, times[1:], strict=False)
    return {name: max(0.0, end - began) for name, began, end in ends}


def _is_to_come(view: RunView, stage: StageName) -> bool:
    """Whether this attempt will come to a stage that it has not reached."""
    reached = list(NAMES).index(stage) > max(map(_place, view.stages), default=-1)
    if stage == "wait" or not reached:
        return False
    if stage == "test":  # a layout that has fitted is not tried again
        return view.proved is None or view.proved[0] != (view.layout or view.proved[0])
    return stage != "check" or not view.saved  # a run that continues has made it already


def _place(stage: str) -> int:
    """Where a stage stands among all; training comes after them."""
    return next((at for at, name in enumerate(NAMES) if name == stage), len(NAMES))


def _expected(stage: StageName, earlier_runs: Sequence[RunView]) -> float | None:
    times = [took[stage] for took in map(durations, earlier_runs) if stage in took]
    return median(times) if times else None
