"""Ends a process that does not obey, and what it has started."""

from __future__ import annotations

import contextlib

import psutil

OBEDIENCE_SECONDS = 5.0  # between the request to end and the kill


def end_process(process: psutil.Process, patience: float = OBEDIENCE_SECONDS) -> None:
    """Ask a process to end, and kill it where it has not after ``patience`` seconds."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = process.children(recursive=True)
        process.terminate()
        psutil.wait_procs([process], patience)
        for one in (process, *children):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
