"""Stepping down: a run that ran out of memory goes on with a smaller batch layout."""

from __future__ import annotations

from engine.spec.batch import BatchLayout, initial_layout, smaller_layout
from engine.spec.objective import PREFERENCE_SHAPES, resolve_preference_method
from engine.store import events as ev
from engine.store.run_dir import RunDir, read_data_summary


def current_layout(run: RunDir) -> BatchLayout:
    """The layout that a run goes on with."""
    return run.view().layout or initial_layout(run.spec.optim)


def step_down(run: RunDir, why: str = "") -> BatchLayout | None:
    """Move a run to the next smaller layout, as an event; None where none is left."""
    layout, least = current_layout(run), _smallest_batch(run)
    smaller = smaller_layout(layout, run.spec.optim, least)
    if smaller is not None:
        text = f"{layout.text[0].upper()}{layout.text[1:]} needs more memory than there is."
        compared = least > 1 and smaller.batch < layout.batch
        run.emit(ev.SteppedDown(**smaller._asdict(), why=why or text, compared=compared))
    return smaller


def _smallest_batch(run: RunDir) -> int:
    """Examples that must be in memory together: KTO compares those of a batch with each other."""
    shape, spec = read_data_summary(run.about_file).shape, run.spec
    if shape not in PREFERENCE_SHAPES or spec.data.goal not in ("auto", "prefer"):
        return 1
    return 2 if resolve_preference_method(spec.method, shape) == "kto" else 1
