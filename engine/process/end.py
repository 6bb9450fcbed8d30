"""Ends a process that does not obey, and what it has started."""

from __future__ import annotations

import contextlib
import time

import psutil

OBEDIENCE_SECONDS = 5.0  # between the request to end and the kill
POLL_SECONDS = 0.05


def end_process(process: psutil.Process, patience: float = OBEDIENCE_SECONDS) -> None:
    """Ask a process to end, and kill it where it has not after ``patience`` seconds.

    Its exit status is left to whoever started it: psutil's own ``wait`` would take it.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        children = process.children(recursive=True)
        process.terminate()
        end = time.monotonic() + patience
        while _lives(process) and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
        for one in (process, *children):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
