"""Ends a job that has used up its owner's minutes: first as Stop and keep does, then with force."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import LOG, HoneError
from engine.runs.ending import end_now
from engine.spec.limits import UNLIMITED, Limits
from engine.store import events as ev
from engine.store.files import write_whole
from engine.store.run_dir import RunDir

GRACE_SECONDS = 60.0  # for a worker to save what it has, once it is asked to stop
LEAST_SECONDS = 5.0  # of a run that is continued with next to nothing left


@contextmanager
def limited_time(run: RunDir, job: str, limits: Limits) -> Iterator[None]:
    """A block in which a job is at work, and after whose minutes it is ended."""
    over = threading.Event()
    if limits.run_minutes < UNLIMITED:
        threading.Thread(target=_end_in_time, args=(run, job, limits, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _end_in_time(run: RunDir, job: str, limits: Limits, over: threading.Event) -> None:
    try:
        last, seconds = run.view().last, 60 * limits.run_minutes
        if job == "train" and last:
            seconds -= last.seconds
        if over.wait(max(LEAST_SECONDS, seconds)):
            return
        if job == "train":
            run.emit(ev.Warned(text=describe_time_limit(limits)))
            if not run.end_request:
                write_whole(run.stop_mark, "keep")
            if over.wait(GRACE_SECONDS):
                return
        end_now(run, "limit")
    except (HoneError, OSError):  # it has just ended, or its folder is gone
        LOG.info("a job ended as its time was up", exc_info=True)


def describe_time_limit(limits: Limits) -> str:
    return (
        f"It was stopped after {limits.run_minutes:g} minutes. {limits.who} allows no more for one "
        "run. What it had saved by then is kept."
    )
