"""``python -m engine.work RUN_DIR train|merge-fp32|merge-bf16|score`` and ``python -m engine.work desk``.

Holds the run's lock for as long as it lives, and the device's lock while it computes. Exit code 0 only
on success; a failure is an event first, and its traceback goes to the run's log.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path

# Idle threads that spin take the other core away from whoever shares the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from filelock import FileLock, Timeout

from engine import events as ev
from engine.errors import HoneError
from engine.hardware import device
from engine.store import RunDir


def main(arguments: list[str]) -> int:
    """Do one job; the exit code."""
    if arguments == ["desk"]:
        from engine.work.desk import serve

        serve()
        return 0
    run, job = RunDir(Path(arguments[0])), arguments[1]
    with run.lock.acquire(timeout=10):
        if run.queued != job:  # taken out of the queue while this process was starting
            return 0
        # Said before the mark goes, so that nobody sees a run that neither waits nor works.
        if job == "train":
            run.emit(ev.Phase(text="Starting the training process."))
        elif job.startswith("merge-"):
            run.emit(ev.Merging(precision=job.removeprefix("merge-")))
        try:
            run.queue_mark.unlink()
        except FileNotFoundError:  # taken out at this very moment
            run.emit(ev.Stopped(step=run.view().step, kept=False))
            return 0
        return _work(run, job)


def _work(run: RunDir, job: str) -> int:
    try:
        device_lock = _device(run, job)
        _do(run, job)
        device_lock.release()
        return 0
    except HoneError as error:
        text = str(error)
    except MemoryError:
        text = "The machine's memory ran out. Lower the batch size or the longest example, then start again."
    except OSError as error:
        traceback.print_exc()
        full = error.errno == errno.ENOSPC
        text = (
            "The disk is full. Delete old runs or make room."
            if full
            else f"A file could not be used: {error.strerror}."
        )
    except Exception as error:
        traceback.print_exc()
        if type(error).__name__ == "OutOfMemoryError":
            text = "The graphics card's memory ran out. Lower the batch size or the longest example, then start again."
        else:
            text = f"An unexpected error ended the work ({type(error).__name__}). The log has the details."
    if job.startswith("merge-"):
        run.emit(ev.Merged(ok=False, precision=job.removeprefix("merge-"), text=text))
    else:
        run.emit(ev.Failed(text=text) if job == "train" else ev.Warned(text=text))
    print(text, file=sys.stderr)
    return 1


def _device(run: RunDir, job: str) -> FileLock:
    """The device's lock, waited for: two processes of the same workspace never compute on one device at once."""
    lock = FileLock(run.path.parent.parent / "locks" / f"{device().kind}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if job == "train":
            run.emit(ev.Phase(text="Waiting for another run on this machine."))
        lock.acquire()
    return lock


def _do(run: RunDir, job: str) -> None:
    # Imported here: torch takes seconds, and the lock and the first event should not wait for it.
    if job == "train":
        from engine.work.train import train

        train(run)
    elif job == "score":
        from engine.work.score import score

        score(run)
    else:
        from engine.work.merge import merge

        merge(run, job.removeprefix("merge-"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
