"""Backends that do one job of one run: here a worker process; tests have others."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from typing import NamedTuple, Protocol

import psutil

from engine import hardware
from engine.process import exit_status
from engine.process.environment import private_environment
from engine.process.limits import ChildLimits
from engine.process.spare import Spare
from engine.process.usage import usage_of
from engine.spec.limits import UNLIMITED
from engine.store.files import PROJECT_FOLDER
from engine.store.run_dir import RunDir

# Seconds that a killed worker may take to free its memory. The system counts a kill first; one
# that was counted earlier than this was another process's.
DYING_SECONDS = 6
TAKE_SECONDS = 15  # until a spare worker has taken the job that it was given


class QueueMark(NamedTuple):
    """What tells one request for a job from another (RunDir.queue_mark)."""

    inode: int
    time: int


class Backend(Protocol):
    """Does one job of one run and returns when it has ended."""

    def work(self, run: RunDir, job: str) -> int:
        """The exit code; a negative one is the number of the signal that ended it."""


class ProcessBackend:
    """A worker process in a session of its own, its output in the run's log.

    ``spare`` is a worker that has been started already and takes the job where it can; the job is
    never lost with it.
    """

    kills = 0  # kills for lack of memory that the system had counted before the worker was dying

    def __init__(self, limits: ChildLimits | None = None) -> None:
        self.limits = limits or ChildLimits()
        self.spare: Spare | None = None

    def keep_spare(self) -> Spare:
        """Have one from now on, for somebody to tend."""
        self.spare = Spare(lambda: self.environment, self.limits)
        return self.spare

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a worker."""
        own = {"PYTHONIOENCODING": "utf-8", **self.limits.as_environment()}
        return private_environment() | own

    def work(self, run: RunDir, job: str) -> int:
        """Start the worker and wait for it; it is ended where it uses more memory than it may."""
        mark = _queue_mark(run)
        spare = self.spare.take(run, job) if self.spare else None
        if spare is not None:
            code = self._wait(run, spare, mark)
            if mark is None or _queue_mark(run) != mark:
                return code
            # It died before it took the job, which still waits.
        return self._wait(run, self.start(run, job))

    def start(self, run: RunDir, job: str) -> subprocess.Popen[bytes]:
        """``python -m engine.work``, which outlives this process."""
        with run.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "engine.work", str(run.path), job],
                stdin=subprocess.DEVNULL,
                stdout=log,  # a file, never a pipe that somebody must drain
                stderr=subprocess.STDOUT,
                cwd=PROJECT_FOLDER,
                env=self.environment,
                start_new_session=True,
            )

    def _wait(
        self, run: RunDir, worker: subprocess.Popen[bytes], mark: QueueMark | None = None
    ) -> int:
        """The exit code of a worker, once it has ended.

        ``mark``: of the job that a spare one was given; it is ended where it does not take it.
        """
        counts: deque[int] = deque(maxlen=DYING_SECONDS)
        began = time.monotonic()
        while True:
            counts.append(hardware.count_memory_kills())
            self.kills = counts[0]
            with suppress(subprocess.TimeoutExpired):
                return worker.wait(timeout=1)
            if mark and time.monotonic() - began > TAKE_SECONDS:
                if _queue_mark(run) == mark and not run.alive:
                    worker.kill()
                mark = None
            family = _family_of(worker.pid) if self.limits.memory < UNLIMITED else []
            used = sum(usage.memory for usage in map(usage_of, family) if usage)
            if used > self.limits.memory:
                with run.log.open("a", encoding="utf-8") as log:
                    log.write(f"\n{exit_status.MEMORY_LIMIT}\n")
                worker.kill()
                for child in family[1:]:
                    with suppress(psutil.Error):
                        child.kill()


def _queue_mark(run: RunDir) -> QueueMark | None:
    """Which request for a job waits; None for none. A job that is asked for again is another."""
    try:
        about = run.queue_mark.stat()
    except OSError:
        return None
    return QueueMark(about.st_ino, about.st_mtime_ns)


def _family_of(pid: int) -> list[psutil.Process]:
    """A process and what it has started, such as the one that checks a merge."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []
