"""Supervisor: the thread that starts a worker for each queued job and records how it ended.

The queue is on disk (engine.store.run_queue) and "running" is the worker's lock, so an app that
was killed finds everything again. Workers live in a session of their own and outlive the app.
A second thread removes owners who do not come back, where the limits say so.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from engine import hardware
from engine.errors import LOG, HoneError
from engine.process import exit_status
from engine.process.run import DYING_SECONDS, Backend
from engine.runs.quota import describe_time_limit, limited_time
from engine.runs.step_down import step_down
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.store.run_queue import RunQueue
from engine.store.run_view import RunState
from engine.store.workspace import Store

ORPHAN_POLL_SECONDS = 0.2
FORGET_POLL_SECONDS = 60.0


class Supervisor:
    """Works through a workspace's queue, one job at a time; of several supervisors one works."""

    def __init__(
        self,
        store: Store,
        queue: RunQueue,
        backend: Backend,
        free_memory: Callable[[], None],
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        self.store, self.queue, self.backend = store, queue, backend
        self.free_memory = free_memory  # called before a worker starts
        self.rest = rest  # called every second while nothing works
        self.at_work = ""  # id of the run whose worker is waited for, until its end is on record
        self._wake = threading.Event()
        self._closed = False
        self._failed: dict[Path, int] = {}  # runs that cannot be worked on -> time of the mark

    def start(self) -> None:
        """Begin in a thread of its own."""
        threading.Thread(target=self._work_through_queue, daemon=True).start()
        if self.store.limits.forgets:
            threading.Thread(target=self._forget_owners, daemon=True).start()

    def close(self) -> None:
        """Stop supervising; workers go on."""
        self._closed = True
        self._wake.set()

    def _forget_owners(self) -> None:
        """Remove owners who do not come back, for as long as the app is there."""
        forgetter = Forgetter(self.store)
        while not self._closed:
            try:
                forgetter.remove_unseen()
            except (OSError, HoneError):  # somebody else has removed a folder meanwhile
                LOG.exception("owners who do not come back could not be removed")
            time.sleep(FORGET_POLL_SECONDS)

    def enqueue(self, run: RunDir, job: str) -> None:
        """Put a job at the end of the queue."""
        run.stop_mark.unlink(missing_ok=True)
        self.queue.add(run, job)
        self._wake.set()

    def _work_through_queue(self) -> None:
        """Wait for workers that an earlier app left, then do what is queued, in its order."""
        first = FileLock(self.store.locks / "supervisor.lock")
        try:
            first.acquire(cancel_check=lambda: self._closed)
        except Timeout:  # closed while another supervised
            return
        try:
            self._take_over()
        except Exception:  # a folder that cannot be read; the queue must not stand still for it
            LOG.exception("what an earlier app left could not be looked through")
        while not self._closed:
            if not self._work_on_next():
                self._rest()
                self._wake.wait(timeout=1)
                self._wake.clear()
        first.release()

    def _rest(self) -> None:
        try:
            self.rest()
        except Exception:  # nothing that is done in a quiet moment is worth the queue
            LOG.exception("what is done while nothing works failed")

    def _take_over(self) -> None:
        """Finish what an earlier app left: deletions, and workers that still work."""
        self.store.remove_leftovers()
        for run in self.store.every_run("lock"):
            if run.alive:
                self.at_work = run.id
                self._wait_for_orphan(run)
                self.at_work = ""

    def _work_on_next(self) -> bool:
        """Do the next job; False where none waits, or where it could not be done."""
        run: RunDir | None = None
        try:
            waiting = (one.run for one in self.queue.waiting_jobs())
            if run := next((run for run in waiting if self._is_free(run)), None):
                self.at_work = run.id
                self.queue.note_turn(run.owner)
                self._run_job(run)
            return run is not None
        except Exception:  # a run was cancelled or deleted meanwhile, or worse; the queue goes on
            LOG.exception("a job of the queue failed")
            if run is not None:  # the others must not wait for one whose folder is damaged
                self._failed[run.path] = _time_of_mark(run)
            return False
        finally:
            self.at_work = ""

    def _is_free(self, run: RunDir) -> bool:
        """Whether a waiting run can be worked on."""
        return not run.alive and self._failed.get(run.path) != _time_of_mark(run)

    def _run_job(self, run: RunDir) -> None:
        mark, job = run.queue_mark.stat().st_mtime_ns, run.queued
        kills, log_size = hardware.count_memory_kills(), _file_size(run.log)
        try:
            # The desk and a run do not fit into the same memory, nor compute at once.
            self.free_memory()
            with limited_time(run, job, self.store.limits):
                code = self.backend.work(run, job) if run.queued == job else 0
        except OSError as error:
            _record_problem(run, job, exit_status.describe_start_failure(error))
            raise
        finally:
            # The mark is still there where the worker died at once; a newer one is a new request.
            if run.queue_mark.exists() and run.queue_mark.stat().st_mtime_ns == mark:
                run.queue_mark.unlink()
        if code:
            kills = hardware.count_memory_kills() - max(kills, getattr(self.backend, "kills", 0))
            no_memory = exit_status.ended_for_memory(run, code, kills, log_size)
            self._explain_end(run, job, code, no_memory)

    def _wait_for_orphan(self, run: RunDir) -> None:
        """Wait for a worker that an earlier app left, and explain its end from its log."""
        log_size, polls = _file_size(run.log), round(DYING_SECONDS / ORPHAN_POLL_SECONDS)
        counts = deque([hardware.count_memory_kills()], maxlen=polls)
        job = "" if run.view().interlude else "train"
        with limited_time(run, job, self.store.limits):
            while run.alive:
                if self._closed:
                    return
                counts.append(hardware.count_memory_kills())
                time.sleep(ORPHAN_POLL_SECONDS)
        try:
            kills, code = hardware.count_memory_kills() - counts[0], exit_status.KILLED_CODE
            no_memory = exit_status.ended_for_memory(run, code, kills, log_size)
            if no_memory or run.end_request in ("end", "limit"):
                self._explain_end(run, job, code, no_memory)
        except Exception:  # the run was deleted meanwhile, or worse; the queue goes on
            LOG.exception("the end of a worker of an earlier app could not be explained")

    def _explain_end(self, run: RunDir, job: str, code: int, no_memory: bool) -> None:
        """Record why a worker ended; after a kill for memory, queue it with a smaller layout."""
        reasons = {"end": exit_status.ENDED_AT_REQUEST}
        reasons["limit"] = describe_time_limit(self.store.limits)
        view, said = run.view(), reasons.get(run.end_request, "")
        ended = job == "train" and run.state(view) == RunState.INTERRUPTED
        if no_memory and ended and not run.stop_mark.exists() and step_down(run):
            self.enqueue(run, "train")
        elif view.merging:
            text = exit_status.describe_merge_end(code, no_memory)
            _record_problem(run, f"merge-{view.merging}", said or text)
        elif view.scoring and said:
            _record_problem(run, job, said)
        elif ended:
            text = exit_status.describe_training_end(code, no_memory, run.stop_mark.exists())
            _record_problem(run, job, said or text)


class Forgetter:
    """Looks now and then for owners who have not come back.

    How long somebody has been away is counted by a clock that nobody sets: the machine's own may
    jump, and that must cost no visitor his work.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._seen: dict[str, tuple[float, float]] = {}  # owner -> time of the mark, steady time

    def remove_unseen(self) -> list[str]:
        """Remove whoever was away for too long and has no run that works or waits."""
        gone = []
        for owner in self.store.all_owners():
            own = self.store.for_owner(owner)
            if self._seconds_away(own) < 3600 * self.store.limits.forget_hours:
                continue
            if any(run.is_busy for run in own.all_runs()):
                continue
            try:
                own.remove_owner()
            except OSError:
                LOG.exception("an owner's files could not be removed")
                continue
            del self._seen[owner]
            gone.append(owner)
        return gone

    def _seconds_away(self, own: Store) -> float:
        marked, now = own.last_seen(), time.monotonic()
        known = self._seen.get(own.owner)
        if known is None:  # from before this process
            self._seen[own.owner] = (marked, now - max(0.0, time.time() - marked))
        elif known[0] != marked:
            self._seen[own.owner] = (marked, now)
        return now - self._seen[own.owner][1]


def _record_problem(run: RunDir, job: str, text: str) -> None:
    if job.startswith("merge-"):
        run.emit(ev.Merged(ok=False, precision=job.removeprefix("merge-"), text=text))
    else:
        run.emit(ev.Warned(text=text))


def _time_of_mark(run: RunDir) -> int:
    try:
        return run.queue_mark.stat().st_mtime_ns
    except OSError:
        return 0


def _file_size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
