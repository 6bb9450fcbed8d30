"""Disk space of a run: what its checkpoints take, what is free, and what to say on a full disk.

A small file (the ballast) is removed when the disk is full, so that the reason can be written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from engine.errors import RunError
from engine.estimate.memory import OPTIMIZER_BYTES
from engine.hardware import GB
from engine.store.files import bytes_below
from engine.store.run_dir import RunDir

# At most: what a checkpoint holds beside weights and optimizer states, and the events that follow.
CHECKPOINT_EXTRA_BYTES = 2**20
CHECKPOINTS_KEPT = 2  # whole checkpoints that stay
BALLAST_BYTES = 64 * 1024
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
# How libraries say it; torch.save gives no reason while it writes and when it closes the file.
DISK_FULL_WORDS = (
    "No space left on device",
    "enforce fail at inline_container.cc",
    "basic_ios::clear: iostream error",
)


class DiskFullError(RunError):
    """The volume of a run is full; the run can go on once there is room."""


def free_bytes(folder: Path) -> int:
    """Bytes that may be written on the volume of a folder."""
    return int(psutil.disk_usage(str(folder)).free)


def checkpoint_size(run: RunDir, trainable: int) -> int:
    """Bytes of the next checkpoint: as the last one, or estimated from the trainable weights."""
    sizes = [bytes_below(folder) for folder in run.checkpoints.glob("checkpoint-*")]
    each_weight = 4 + OPTIMIZER_BYTES[run.spec.optim.optimizer]
    return max(sizes, default=trainable * each_weight + CHECKPOINT_EXTRA_BYTES)


def require_room(run: RunDir, trainable: int, before_start: bool = False) -> None:
    """Raise DiskFullError unless the next checkpoint has room, or all of them before a start.

    The result shares its weights with a checkpoint (a link), and is a copy where links cannot be.
    """
    missing = 1
    if before_start:
        missing = CHECKPOINTS_KEPT + 1 - sum(1 for _ in run.checkpoints.glob("checkpoint-*"))
    if text := _describe_shortage(run, max(1, missing) * checkpoint_size(run, trainable)):
        raise DiskFullError(text)


def explain_full_disk(run: RunDir, error: BaseException) -> str:
    """Why a run is paused, where a write failed although there seemed to be room."""
    began = run.view().started
    if text := _describe_shortage(run, checkpoint_size(run, began.trainable if began else 0)):
        return text
    files = (one.filename for one in _error_chain(error) if isinstance(one, OSError))
    name = next(filter(None, files), "")
    which = f" that holds {name}" if name else ""
    return (
        f"The disk{which} is full, or your share of it is used up. Make room, then press Continue."
    )


def _describe_shortage(run: RunDir, size: int) -> str:
    """What to tell the user where so many bytes have no room; empty where they have."""
    needed, there = size + BALLAST_BYTES, free_bytes(run.path)
    if there >= needed:
        return ""
    return (
        f"The disk is full: about {_in_gb(needed)} are needed for the next checkpoint and "
        f"{_in_gb(there)} are free. Make room (delete old runs on the Runs tab), then press "
        "Continue."
    )


def _in_gb(size: int) -> str:
    """Bytes always in GB, so that two sizes can be compared."""
    return f"{size / GB:.1f} GB" if size >= GB else f"{size / GB:.3f} GB"


def is_disk_full(error: BaseException) -> bool:
    """Whether an error comes from a full disk, be it in the words of a library."""
    return any(
        (isinstance(one, OSError) and one.errno in DISK_FULL_ERRNOS)
        or any(words in str(one) for words in DISK_FULL_WORDS)
        for one in _error_chain(error)
    )


def keep_ballast(run: RunDir) -> None:
    """Occupy a little room; with random bytes, since some file systems store no zeros."""
    if not run.ballast.is_file() or run.ballast.stat().st_size < BALLAST_BYTES:
        with run.ballast.open("wb") as file:
            file.write(os.urandom(BALLAST_BYTES))
            file.flush()
            os.fsync(file.fileno())


def release_ballast(run: RunDir) -> None:
    """Give the room back, for the last events."""
    run.ballast.unlink(missing_ok=True)


def _error_chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
