"""Whose turn it is to read data: only so many processes do at once, and the others wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from engine.text import OnProgress

POLL_SECONDS = 0.5
WAITING = "Other files are being read now. This one waits for its turn."


class Turns:
    """Counts who reads in this app; safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reading = 0

    @contextmanager
    def take(
        self, at_once: int, on_progress: OnProgress, stop: threading.Event | None = None
    ) -> Iterator[bool]:
        """A block in which this one reads; False where ``stop`` was set while it waited."""
        while not (taken := self._take(at_once)) and not (stop and stop.is_set()):
            on_progress(WAITING)
            with self._changed:
                self._changed.wait(POLL_SECONDS)
        try:
            yield taken
        finally:
            if taken:
                self._give_back()

    def _take(self, at_once: int) -> bool:
        with self._changed:
            free = self._reading < at_once
            self._reading += free
            return free

    def _give_back(self) -> None:
        with self._changed:
            self._reading -= 1
            self._changed.notify_all()


TURNS = Turns()
