"""When each stage of a run's newest attempt began, until it trains; part of the fold of events."""

from __future__ import annotations

from typing import get_args

from engine.store.events import Phase, StageName

# Phases that are older than their field ``stage``.
STAGE_TEXTS: dict[str, StageName] = {
    "Starting the training process.": "start",
    "Waiting for another run on this machine.": "wait",
    "Reading the examples.": "read",
    "Loading the model.": "load",
    "Testing whether the longest examples fit into memory.": "test",
}
ORDER = get_args(StageName)


def stage_of(phase: Phase) -> StageName:
    """The stage that begins; empty for a phase that is none."""
    return phase.stage or STAGE_TEXTS.get(phase.text, "")


def note_stage(stages: dict[str, float], stage: StageName, time: float) -> None:
    """Note when a stage began; one that does not follow the last begins another attempt."""
    if any(ORDER.index(one) >= ORDER.index(stage) for one in stages):
        stages.clear()
    if stage:
        stages[stage] = time
