"""Room on the disk of a run: how much its checkpoints take, how much is free, and how a full disk is told.

What waits in a small file (the ballast) is given back when the disk is full, so that this can be written down.
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
from engine.store.run_dir import RunDir

SMALL = (
    2**20
)  # bytes of a checkpoint beside weights and states, and of the events until the next one: at most
KEPT = 2  # whole checkpoints that stay
BALLAST = 64 * 1024  # bytes
FULL = (errno.ENOSPC, errno.EDQUOT)
# torch.save does not say why a write failed: while it writes, and when it closes the file.
SILENT = ("enforce fail at inline_container.cc", "basic_ios::clear: iostream error")


class DiskFullError(RunError):
    """The volume of a run is full; the run can go on once there is room."""


def free(folder: Path) -> int:
    """Bytes that may be written on the volume of a folder."""
    return int(psutil.disk_usage(str(folder)).free)


def checkpoint_size(run: RunDir, trainable: int) -> int:
    """Bytes of the next checkpoint: those of the last one, or what the number of trained weights says."""
    sizes = [_size(folder) for folder in run.checkpoints.glob("checkpoint-*")]
    return max(sizes, default=trainable * (4 + OPTIMIZER_BYTES[run.spec.optim.optimizer]) + SMALL)


def require(run: RunDir, trainable: int, before_start: bool = False) -> None:
    """Raise DiskFullError unless the next checkpoint has room; before a start, all that will stand beside each other.

    The weights of the result are those of a checkpoint (a link), and a copy where links cannot be.
    """
    each, missing = checkpoint_size(run, trainable), 1
    if before_start:
        missing = KEPT + 1 - sum(1 for _ in run.checkpoints.glob("checkpoint-*"))
    needed, there = max(1, missing) * each + BALLAST, free(run.path)
    if there < needed:
        raise DiskFullError(words(needed, there))


def last_words(run: RunDir, error: BaseException) -> str:
    """Why a run is paused, where a write failed although there seemed to be room."""
    began = run.view().started
    needed, there = checkpoint_size(run, began.trainable if began else 0) + BALLAST, free(run.path)
    if there < needed:
        return words(needed, there)
    name = next(
        (one.filename for one in _causes(error) if isinstance(one, OSError) and one.filename), ""
    )
    which = f" that holds {name}" if name else ""
    return (
        f"The disk{which} is full, or your share of it is used up. Make room, then press Continue."
    )


def words(needed: int, there: int) -> str:
    """What to tell the user."""
    return (
        f"The disk is full: about {size(needed)} are needed for the next checkpoint and {size(there)} are free. "
        "Make room (delete old runs on the Runs tab), then press Continue."
    )


def size(count: int) -> str:
    """Bytes in words; always in GB, so that two can be compared."""
    return f"{count / GB:.{1 if count >= GB else 3}f} GB"


def is_full(error: BaseException) -> bool:
    """Whether an error comes from a full disk, directly or by way of a library that says it in its own words."""
    return any(
        (isinstance(one, OSError) and one.errno in FULL)
        or "No space left on device" in str(one)
        or any(words in str(one) for words in SILENT)
        for one in _causes(error)
    )


def keep_ballast(run: RunDir) -> None:
    """Take a little room, to be given back for the last words; random, since some file systems store no zeros."""
    if not run.ballast.is_file() or run.ballast.stat().st_size < BALLAST:
        with run.ballast.open("wb") as file:
            file.write(os.urandom(BALLAST))
            file.flush()
            os.fsync(file.fileno())


def release_ballast(run: RunDir) -> None:
    run.ballast.unlink(missing_ok=True)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _size(folder: Path) -> int:
    return sum(
        file.stat().st_size for file in folder.rglob("*") if file.is_file()
    )  # none, where it is no folder
