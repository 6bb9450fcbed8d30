"""Backends that do one job of one run: here a worker process; tests have others."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections import deque
from typing import Protocol

from engine import hardware
from engine.store.files import PROJECT_FOLDER
from engine.store.run_dir import RunDir

# Seconds that a killed worker may take to free its memory. The system counts a kill first; one
# that was counted earlier than this was another process's.
DYING_SECONDS = 6


class Backend(Protocol):
    """Does one job of one run and returns when it has ended."""

    def work(self, run: RunDir, job: str) -> int:
        """The exit code; a negative one is the number of the signal that ended it."""


class ProcessBackend:
    """A worker process in a session of its own, its output in the run's log."""

    kills = 0  # kills for lack of memory that the system had counted before the worker was dying

    def work(self, run: RunDir, job: str) -> int:
        """Start the worker and wait for it."""
        worker = self.start(run, job)
        counts: deque[int] = deque(maxlen=DYING_SECONDS)
        while True:
            counts.append(hardware.count_memory_kills())
            self.kills = counts[0]
            with contextlib.suppress(subprocess.TimeoutExpired):
                return worker.wait(timeout=1)

    def start(self, run: RunDir, job: str) -> subprocess.Popen[bytes]:
        """``python -m engine.work``, which outlives this process."""
        with run.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "engine.work", str(run.path), job],
                stdin=subprocess.DEVNULL,
                stdout=log,  # a file, never a pipe that somebody must drain
                stderr=subprocess.STDOUT,
                cwd=PROJECT_FOLDER,
                env=os.environ | {"PYTHONIOENCODING": "utf-8"},
                start_new_session=True,
            )
