"""Stepping down: a run for which memory ran out goes on with less in memory at once. Said as an event of the run."""

from __future__ import annotations

from engine.spec.batch import Fit, down, first
from engine.spec.objective import preference_of
from engine.spec.run import Shape
from engine.store import events as ev
from engine.store.run_dir import RunDir, about


def current(run: RunDir) -> Fit:
    """The layout that a run goes on with."""
    return run.view().fit or first(run.spec.optim)


def step_down(run: RunDir, why: str = "") -> Fit | None:
    """The next layout, said as an event of the run; None where none is left."""
    fit = current(run)
    least = _least(run)
    smaller = down(fit, run.spec.optim, least)
    if smaller is not None:
        why = why or f"{fit.text[0].upper()}{fit.text[1:]} needs more memory than there is."
        run.emit(
            ev.SteppedDown(
                **smaller._asdict(), why=why, compared=least > 1 and smaller.batch < fit.batch
            )
        )
    return smaller


def _least(run: RunDir) -> int:
    """Examples that must be in memory together: KTO compares those of a batch with each other."""
    shape = about(run.about_file).shape
    compared = shape in (Shape.PREFERENCE, Shape.FEEDBACK) and run.spec.data.goal in (
        "auto",
        "prefer",
    )
    return 2 if compared and shape and preference_of(run.spec.method, shape) == "kto" else 1
