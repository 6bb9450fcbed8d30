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

import psutil

from engine.process.usage import Usage, has_worked, usage_of
from engine.store import heartbeat

SIGN_SECONDS = 1.0  # between two signs


class SignWriter:
    """Writes signs as long as the process works, or waits for something that it may wait for."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._sign = folder, heartbeat.own_sign()
        self._process = psutil.Process()
        self._may_wait = False
        with contextlib.suppress(OSError):  # a full disk; the work itself will say so
            heartbeat.write_sign(folder, self._sign)
        threading.Thread(target=self._write_signs, daemon=True).start()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """A block in which it may do nothing, such as the wait for another run's end."""
        self._may_wait = True
        try:
            yield
        finally:
            self._may_wait = False

    def _write_signs(self) -> None:
        before = self._look()
        while True:
            time.sleep(SIGN_SECONDS)
            now = self._look()
            if not self._may_wait and not has_worked(before, now):
                continue
            with contextlib.suppress(OSError):  # the folder was deleted, or the disk is full
                heartbeat.write_sign(self._folder, self._sign._replace(at=time.monotonic()))
            before = self._look()  # the sign itself was written, too

    def _look(self) -> Usage:
        """What all threads but this one have used, and the child processes that live.

        A child that ends takes its processor time along, so the sum may fall.
        """
        usage, cpu = usage_of(self._process), time.process_time() - time.thread_time()
        with contextlib.suppress(psutil.Error):
            children = map(usage_of, self._process.children())
            cpu += sum(spent.cpu for spent in children if spent)
        return Usage(cpu, 0, usage.moved if usage else 0)
