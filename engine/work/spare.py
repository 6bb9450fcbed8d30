"""The worker's side of engine.process.spare: loads what a run needs, then waits for a job.

The job is a line of JSON on standard input. Where that closes first, the app has gone or needs the
memory, and the process ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

# In the order in which jobs are likely to need them; each brings the libraries that it uses.
MODULES = (
    "engine.work.train.train",
    "engine.work.train.sft",
    "engine.work.train.classify",
    "engine.work.train.preferences",
    "engine.work.evaluate.score",
    "engine.work.merge",
)


class Given(NamedTuple):
    """A job that was given to this process."""

    run: Path
    job: str


class Libraries:
    """Loads the libraries beside whatever else is done."""

    def __init__(self) -> None:
        self._hurried = threading.Event()
        self._thread = threading.Thread(target=self._load, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for what is being loaded, and load no more: the job itself knows what it needs."""
        self._hurried.set()
        self._thread.join()

    def _load(self) -> None:
        for name in MODULES:
            if self._hurried.is_set():
                return
            import_module(name)


def wait_for_job() -> Given | None:
    """The job, once it comes, with its log as this process's output; None where none will come."""
    line = sys.stdin.readline()
    if not line.endswith("\n"):
        return None
    given = json.loads(line)
    found = Given(Path(given["run"]), given["job"])
    _write_to(found.run / "worker.log")
    return found


def _write_to(log: Path) -> None:
    """Let this process read nothing any more, and write to the log, as an ordinary worker does."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for opened, standard in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(opened, standard)
    os.close(nothing)
    os.close(out)
