"""The workers: ``python -m engine.work RUN_DIR train|merge-fp32|merge-bf16|score``, or ``desk``.

Holds the run's lock for as long as it lives, and the device's lock while it computes. Exit code 0
only on success; a failure is an event first, and its traceback goes to the run's log. ``spare`` is
the same, and learns its run and its job later (engine.work.spare).
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

# How long an idle thread stays awake for more work. Waking one takes as long as a small operation,
# but one that stays awake for long takes the core from other programs, and then both wait
# (docs/performance.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
# Cards are counted as the driver counts them, which is what engine.hardware shows.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
# One card: the trainers would spread a batch over all of them, and train with a multiple of what
# is shown.
os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0]
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from filelock import FileLock, Timeout

from engine.errors import HoneError
from engine.hardware import detect_device
from engine.process.limits import hold_to_files
from engine.runs import disk_space, report
from engine.store import events as ev
from engine.store.files import keep_private
from engine.store.run_dir import RunDir
from engine.work.heartbeat import SignWriter
from engine.work.spare import Libraries, wait_for_job

LESS_MEMORY = "Lower the batch size or the longest example, then start again."
NICENESS = 5  # of 19: less than a third of the weight of others


def main(arguments: list[str]) -> int:
    """Do one job; the exit code."""
    hold_to_files()
    if arguments == ["desk"]:
        from engine.work.desk import serve_desk

        serve_desk()
        return 0
    if arguments == ["spare"]:
        return work_later()
    return work(RunDir(Path(arguments[0])), arguments[1])


def work_later() -> int:
    """Load what a run needs while there is none, then do the job that comes; the exit code."""
    libraries = Libraries()
    given = wait_for_job()
    if given is None:
        os._exit(0)  # at once, whatever is being loaded
    return work(RunDir(given.run), given.job, libraries.finish)


def work(run: RunDir, job: str, prepare: Callable[[], None] = lambda: None) -> int:
    """Do one job; the exit code. ``prepare`` is called once the job is taken."""
    with run.lock.acquire(timeout=10):
        if run.queued != job:  # taken out of the queue while this process was starting
            return 0
        try:
            code = _run_job(run, job, SignWriter(run.path), prepare)
            with contextlib.suppress(OSError):  # a full disk; the page makes it from the events
                report.write_report(run)
            return code
        finally:
            disk_space.release_ballast(run)


def _run_job(run: RunDir, job: str, signs: SignWriter, prepare: Callable[[], None]) -> int:
    """Do the job under the device's lock, or record why it failed; the exit code."""
    try:
        disk_space.keep_ballast(run)
        if _take_job(run, job):
            device_lock = _lock_device(run, job, signs)
            prepare()
            _dispatch(run, job)
            device_lock.release()
        return 0
    except HoneError as error:
        text, full, details = str(error), isinstance(error, disk_space.DiskFullError), ""
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a library in Rust panics with one that is no Exception
        full, details = disk_space.is_disk_full(error), traceback.format_exc()
        text = disk_space.explain_full_disk(run, error) if full else _describe_error(error)
    if full:
        _free_disk(run, job)
    with contextlib.suppress(OSError):  # where it failed before it took the job
        run.queue_mark.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the log may be on the full disk
        print(f"{details}{text}", file=sys.stderr, flush=True)
    with contextlib.suppress(OSError):  # no room even for this event: the exit code has to do
        _record_failure(run, job, text, full)
    return 1


def _record_failure(run: RunDir, job: str, text: str, full: bool) -> None:
    if job.startswith("merge-"):
        run.emit(ev.Merged(ok=False, precision=job.removeprefix("merge-"), text=text))
    elif job != "train":
        run.emit(ev.Warned(text=text))
    elif full:
        saved = run.view().saved
        run.emit(ev.Paused(step=saved[-1].step if saved else 0, why=text))
    else:
        run.emit(ev.Failed(text=text))


def _take_job(run: RunDir, job: str) -> bool:
    """Take the job; False where it was taken out of the queue at this very moment."""
    # Said before the mark goes, so that nobody sees a run that neither waits nor works.
    if job == "train":
        run.emit(ev.Phase(text="Starting the training process.", stage="start"))
    try:
        run.queue_mark.unlink()
    except FileNotFoundError:
        if job == "train":
            run.emit(ev.Stopped(step=run.view().step, kept=False))
        return False
    if job.startswith("merge-"):
        run.emit(ev.Merging(precision=job.removeprefix("merge-")))
    return True


def _describe_error(error: BaseException) -> str:
    """A message for an unexpected error."""
    if isinstance(error, MemoryError):
        return f"The machine's memory ran out. {LESS_MEMORY}"
    if type(error).__name__ == "OutOfMemoryError":
        return f"The graphics card's memory ran out. {LESS_MEMORY}"
    if type(error).__name__ == "PanicException":
        return (
            "A library gave up on this model's tokenizer or on the data "
            f"({str(error)[:200]}). Choose another model."
        )
    if isinstance(error, OSError):
        return f"A file could not be used: {error.strerror}."
    return f"An unexpected error ended the work ({type(error).__name__}). The log has the details."


def _free_disk(run: RunDir, job: str) -> None:
    """Free disk space: the ballast, and what was cut off while it was written."""
    disk_space.release_ballast(run)
    if job == "train":
        from engine.work.train import checkpoints

        checkpoints.remove_partial(run)
    elif job.startswith("merge-"):
        shutil.rmtree(run.path / "merged" / f".{job.removeprefix('merge-')}", ignore_errors=True)


def _lock_device(run: RunDir, job: str, signs: SignWriter) -> FileLock:
    """Wait for the device's lock: no two processes of a workspace compute on one device at once."""
    lock = FileLock(run.root / "locks" / f"{detect_device().kind}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if job == "train":
            run.emit(ev.Phase(text="Waiting for another run on this machine.", stage="wait"))
        with signs.waiting():
            lock.acquire()
    return lock


def _dispatch(run: RunDir, job: str) -> None:
    # Imported here: torch takes seconds, and the lock and the first event should not wait for it.
    if job == "train":
        from engine.work.train.train import train

        gc.freeze()  # what was imported stays: no collection need look through it
        train(run)
    elif job == "score":
        from engine.work.evaluate.score import score_run

        score_run(run)
    else:
        from engine.work.merge import merge_run

        merge_run(run, job.removeprefix("merge-"))


def _lower_priority() -> None:
    """Let the page and other programs come first; a worker alone still has all the machine."""
    if hasattr(os, "nice"):  # not on Windows
        os.nice(NICENESS)
    # Linux on a desktop weighs sessions, and a worker has its own.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICENESS))


if __name__ == "__main__":
    keep_private()
    if sys.argv[1:] != ["desk"]:
        _lower_priority()
    sys.exit(main(sys.argv[1:]))
