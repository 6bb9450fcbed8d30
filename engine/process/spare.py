"""A worker that has loaded its libraries before there is a job, so that a run begins at once.

Loading them takes seconds, the run's own beginning hardly two. There is one at most, never while a
run works, and none where memory is short. It ends by itself where the app goes before there was a
job, since its stdin closes then; with a job it is a worker like any other. The other side is
engine.work.spare. Whoever asks for it and gets none, or one that dies with the job still in the
queue, starts an ordinary worker.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import psutil

from engine import hardware
from engine.process.limits import ChildLimits
from engine.process.usage import usage_of
from engine.store.files import PROJECT_FOLDER
from engine.store.run_dir import RunDir

SPARE_COMMAND = (sys.executable, "-m", "engine.work", "spare")
# What it takes with all libraries, a third of it shared with the desk: 575 MB resident and 420 of
# its own, on Linux with torch for CPUs. A run needs as much anyway, once it has begun.
SPARE_BYTES = 0.6 * hardware.GB
# Free memory below which none is started, and below which it ends. Between the two lies more than
# it takes: else it would come and go. What is left is for a chat, which the desk may load a model
# for at any time, and for the user's other programs.
START_FREE_BYTES, KEEP_FREE_BYTES = 2.5 * hardware.GB, 1.25 * hardware.GB
# How long nothing must have worked before it is started: who looks at a page, or at the result of
# a run, comes first.
QUIET_SECONDS = 3.0
# After one that ended without a job (the system needed its memory, or it cannot load) none is
# started for so long.
PAUSE_SECONDS = 600.0
OBEDIENCE_SECONDS = 1.0


class Spare:
    """Keeps the worker that waits; safe to use from several threads."""

    def __init__(
        self,
        environment: Callable[[], Mapping[str, str]],
        limits: ChildLimits,
        command: Sequence[str] = SPARE_COMMAND,
    ) -> None:
        """``environment`` and ``limits``: those of every worker."""
        self.environment, self.command = environment, command
        self._allowed = limits.memory >= SPARE_BYTES
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before = time.monotonic() + QUIET_SECONDS
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        """The process that waits; 0 where there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else 0

    @property
    def memory(self) -> int:
        """Bytes of memory that it takes; 0 where there is none."""
        with suppress(psutil.Error):
            usage = usage_of(psutil.Process(self.pid)) if self.pid else None
            return usage.memory if usage else 0
        return 0

    def tend(self) -> None:
        """Start it where there is none, end it where memory is short. Not while anything works."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self._end()
                self._not_before = time.monotonic() + PAUSE_SECONDS
            free = hardware.free_memory_gb("cpu") * hardware.GB
            if self._process is not None and free < KEEP_FREE_BYTES:
                self._end()
            elif self._process is None and self._may_start(free):
                self._start()

    def take(self, run: RunDir, job: str) -> subprocess.Popen[bytes] | None:
        """The worker, which has been told its job; None where there is none, or it is damaged."""
        with self._lock:
            process, self._process = self._process, None
            self._not_before = time.monotonic() + QUIET_SECONDS
        if process is None:
            return None
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps({"run": str(run.path), "job": job}).encode() + b"\n")
            process.stdin.close()
        except OSError:  # it has ended
            _end_process(process)
            return None
        return process

    def end(self, for_good: bool = False) -> None:
        """End it, where it waits; ``for_good``: none is started any more."""
        with self._lock:
            self._allowed &= not for_good
            self._end()

    def _may_start(self, free: float) -> bool:
        return self._allowed and time.monotonic() >= self._not_before and free >= START_FREE_BYTES

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                # Nobody reads it until it has a job; then it writes to the run's log.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=PROJECT_FOLDER,
                env=self.environment(),
                start_new_session=True,
            )
        except OSError:  # too many processes; a run would say so
            self._not_before = time.monotonic() + PAUSE_SECONDS

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _end_process(process)


def _end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process that waits for a job: its stdin closes, which is enough for one in order."""
    with suppress(OSError):
        assert process.stdin is not None
        process.stdin.close()
    try:
        process.wait(OBEDIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
