"""A worker's sign of life: a line in its run's folder, written anew while its process gets on.

Times are by the monotonic clock, which is one for all processes of a machine and does not jump
when somebody sets the clock.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import psutil

NAME = "heartbeat"
# Seconds without a sign from which it is said: a worker writes one each second.
SILENT_SECONDS = 30.0


class LifeSign(NamedTuple):
    """What the line says."""

    pid: int
    began: float  # when the process began, in seconds after the machine did
    at: float  # when it last got on


def own_sign() -> LifeSign:
    """A sign of this process, now."""
    process = psutil.Process()
    return LifeSign(process.pid, _seconds_after_boot(process), time.monotonic())


def write_sign(folder: Path, sign: LifeSign) -> None:
    """Write the line into a run's folder, in place: that takes no room on a full disk."""
    path = folder / NAME
    line = f"{sign.pid:>10} {sign.began:>20.2f} {sign.at:>20.2f}\n".encode()
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(line)


def read_sign(folder: Path) -> LifeSign | None:
    """The line of a run's folder; None where there is none that can be read."""
    try:
        pid, began, at = (folder / NAME).read_text(encoding="ascii").split()
        return LifeSign(int(pid), float(began), float(at))
    except (OSError, ValueError):  # a run of an older version, or one that has not begun
        return None


def process_of(sign: LifeSign) -> psutil.Process | None:
    """The process that wrote it; None once that has ended, also if another has its number now."""
    try:
        process = psutil.Process(sign.pid)
        return process if abs(_seconds_after_boot(process) - sign.began) < 2 else None
    except psutil.Error:
        return None


def silent_seconds(folder: Path) -> float:
    """How long a run's worker has given no sign of life; 0 where it does, or nothing is known.

    A process that computes is alive, even if it has no time to say so.
    """
    sign = read_sign(folder)
    silent = time.monotonic() - sign.at if sign else 0.0
    if sign is None or silent < SILENT_SECONDS:
        return 0.0
    process = process_of(sign)
    return silent if process and not _computes(process) else 0.0


def _computes(process: psutil.Process) -> bool:
    """Whether a process is at work at this moment."""
    try:
        running = psutil.LINUX and process.status() == psutil.STATUS_RUNNING
        return running or process.cpu_percent(interval=0.1) > 5
    except psutil.Error:
        return True


def _seconds_after_boot(process: psutil.Process) -> float:
    """When a process began, by a measure that setting the clock does not change."""
    return process.create_time() - psutil.boot_time()
