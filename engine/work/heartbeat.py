"""Writes a worker's sign of life (engine.store.heartbeat) while the worker gets on.

A thread alone would prove nothing: it lives on where the work hangs. So it looks at what the
process and its children have computed, read and written meanwhile, its own share aside.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from engine.process.usage import LEAST_WORK, usage_of
from engine.store import heartbeat

SECONDS = 1.0  # between two signs


class Work(NamedTuple):
    """What has been done so far."""

    own: float  # processor seconds of all threads but the one that looks
    moved: int  # bytes read and written
    children: float  # processor seconds of child processes that live


class Heart:
    """Beats as long as the process works, or waits for something that it may wait for."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._sign = folder, heartbeat.own_sign()
        self._process = psutil.Process()
        self._may_wait = False
        with contextlib.suppress(OSError):  # a full disk; the work itself will say so
            heartbeat.write_sign(folder, self._sign)
        threading.Thread(target=self._beat, daemon=True).start()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """A block in which it may do nothing, such as the wait for another run's end."""
        self._may_wait = True
        try:
            yield
        finally:
            self._may_wait = False

    def _beat(self) -> None:
        before = self._look()
        while True:
            time.sleep(SECONDS)
            now = self._look()
            if not self._may_wait and not _got_on(before, now):
                continue
            with contextlib.suppress(OSError):  # the folder was deleted, or the disk is full
                heartbeat.write_sign(self._folder, self._sign._replace(at=time.monotonic()))
            before = self._look()  # the sign itself was written, too

    def _look(self) -> Work:
        usage, children = usage_of(self._process), 0.0
        with contextlib.suppress(psutil.Error):
            for child in self._process.children():
                spent = usage_of(child)
                children += spent.cpu if spent else 0.0
        own = time.process_time() - time.thread_time()
        return Work(own, usage.moved if usage else 0, children)


def _got_on(before: Work, now: Work) -> bool:
    return (
        now.own - before.own >= LEAST_WORK
        or now.moved != before.moved
        or abs(now.children - before.children) >= LEAST_WORK  # one that ended takes its time along
    )
