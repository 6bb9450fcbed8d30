"""Stepping down: a run for which memory ran out goes on with less in memory at once. Said as an event of the run."""

from __future__ import annotations

from engine import events as ev
from engine.fit import Fit, down, first
from engine.store import RunDir


def current(run: RunDir) -> Fit:
    """The layout that a run goes on with."""
    return run.view().fit or first(run.spec.optim)


def step_down(run: RunDir, why: str = "") -> Fit | None:
    """The next layout, said as an event of the run; None where none is left."""
    fit = current(run)
    smaller = down(fit, run.spec.optim)
    if smaller is not None:
        why = why or f"{fit.text[0].upper()}{fit.text[1:]} needs more memory than there is."
        run.emit(ev.SteppedDown(**smaller._asdict(), why=why))
    return smaller
