"""Ends a job that has used up its owner's minutes: first as Stop and keep does, then with force."""

from __future__ import annotations

import logging
import threading
from types import TracebackType

from engine.errors import HoneError
from engine.runs.ending import end_now
from engine.spec.limits import UNLIMITED, Limits
from engine.store import events as ev
from engine.store.files import write_whole
from engine.store.run_dir import RunDir

LOGGER = logging.getLogger("hone")
GRACE_SECONDS = 60.0  # for a worker to save what it has, once it is asked to stop
LEAST_SECONDS = 5.0  # of a run that is continued with next to nothing left


class TimeLimit:
    """A block in which a job is at work, and after whose minutes it is ended."""

    def __init__(self, run: RunDir, job: str, limits: Limits, grace: float = GRACE_SECONDS) -> None:
        self.run, self.job, self.limits, self.grace = run, job, limits, grace
        self._over = threading.Event()

    def __enter__(self) -> None:
        if self.limits.run_minutes < UNLIMITED:
            threading.Thread(target=self._watch, daemon=True).start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()

    def _watch(self) -> None:
        try:
            last, seconds = self.run.view().last, 60 * self.limits.run_minutes
            if self.job == "train" and last:
                seconds -= last.seconds
            if self._over.wait(max(LEAST_SECONDS, seconds)):
                return
            if self.job == "train":
                self.run.emit(ev.Warned(text=describe_time_limit(self.limits)))
                if not self.run.end_request:
                    write_whole(self.run.stop_mark, "keep")
                if self._over.wait(self.grace):
                    return
            end_now(self.run, "limit")
        except (HoneError, OSError):  # it has just ended, or its folder is gone
            LOGGER.info("a job ended as its time was up", exc_info=True)


def describe_time_limit(limits: Limits) -> str:
    """Why a job was ended."""
    return (
        f"It was stopped after {limits.run_minutes:g} minutes. {limits.who} allows no more for one "
        "run. What it had saved by then is kept."
    )
