"""What the live panel says of a run that was asked to end, or that gives no sign of life."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from engine.coach import coach
from engine.store import heartbeat
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState, RunView

OBEY_SECONDS = 10.0  # in which most steps end; after that, force is offered
END_NOW = ["end_run", "End it now"]
REQUEST_LABELS = {"pause": "Pausing…", "end": "Ending…"}  # others stop


class Ending(NamedTuple):
    """Whether a run was asked to end, and whether it may hang."""

    request: str = ""  # keep, pause, cancel or end; empty if it was not asked
    asked_seconds: float = 0.0  # since it was asked
    silent_seconds: float = 0.0  # without a sign of life; 0 for a run that gives one

    @property
    def disobeyed(self) -> bool:
        return bool(self.request) and self.asked_seconds >= OBEY_SECONDS


def ending_of(run: RunDir, state: RunState) -> Ending:
    """How far the end of a run is that works; nothing of any other."""
    if state not in (RunState.PREPARING, RunState.TRAINING):
        return Ending()
    request, asked = run.end_request, 0.0
    if request:
        try:  # a clock that was set back must not hide the button
            asked = abs(time.time() - run.stop_mark.stat().st_mtime)
        except OSError:  # it has just ended
            request = ""
    return Ending(request, asked, heartbeat.silent_seconds(run.path))


def add_ending(answer: dict[str, Any], ending: Ending, view: RunView) -> None:
    """Change the answer to a poll where a run ends or hangs."""
    if not ending.request and not ending.silent_seconds:
        return
    if ending.request:
        answer["label"] = REQUEST_LABELS.get(ending.request, "Stopping…")
        answer["buttons"] = []
        answer["sentence"] = coach.describe_stopping(view, ending.disobeyed).model_dump()
    if ending.silent_seconds:
        answer["label"] = "No sign of life"
        answer["sentence"] = coach.describe_silence(view, ending.silent_seconds).model_dump()
        answer["progress"] |= {"left": ""}
    if ending.disobeyed or ending.silent_seconds:
        answer["buttons"] = [END_NOW, *answer["buttons"]]
