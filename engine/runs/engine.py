"""Engine: the queue, the thread that supervises, and what a page or the command line may ask for.

The queue is on disk (engine.store.run_queue), and "running" is the worker's lock; so an app that was killed finds
everything again. Workers live in a session of their own and outlive the app.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from engine import hardware
from engine.data.prepare import Prepared
from engine.data.rows import read_rows
from engine.errors import RunError, SpecError
from engine.model import local
from engine.process import exit_status, oneshot
from engine.process.desk import Desk
from engine.process.run import DYING, Backend, ProcessBackend
from engine.runs import disk_space, warm_start
from engine.runs.step_down import step_down
from engine.spec import run as specs
from engine.spec.run import DataSpec, RunSpec
from engine.store import events as ev
from engine.store.files import write_whole
from engine.store.run_dir import RunDir
from engine.store.run_queue import Move, Queue, Waiting
from engine.store.run_view import State
from engine.store.workspace import Store

LOG = logging.getLogger("hone")
POLL = 0.2  # seconds
START_GB = 0.2  # room that a small run's checkpoints and log need


class Engine:
    """All that can be done with runs. One thread works through the queue of this machine's device.

    Of several engines on one workspace (the app, the command line) one supervises at a time; the others'
    wishes reach it through the queue on disk. ``supervise=False`` only looks and asks.
    """

    def __init__(
        self,
        home: Path,
        backend: Backend | None = None,
        model_roots: Sequence[Path] = (),
        supervise: bool = True,
    ) -> None:
        self.store = Store(home)
        self._queue = Queue(self.store)
        self.backend = backend or ProcessBackend()
        self.model_roots = (self.store.models, *model_roots)
        self.device = hardware.device()
        self.desk = Desk(self.store, self._busy)
        self._wake = threading.Event()
        self._closed = False
        self.at_work = ""  # the run whose worker is waited for, until it is said how that ended
        if supervise:
            threading.Thread(target=self._supervise, daemon=True).start()

    def start(self, spec: RunSpec) -> RunDir:
        """Make a run and put it in the queue; raises HoneError for what can be known to be wrong now."""
        local.folder(spec.model.source)
        hardware.require_disk(self.store.home, START_GB, "a run")
        prepared = self.prepare(spec.data)
        prepared.require_usable()
        if not spec.name:
            spec = spec.model_copy(update={"name": prepared.name.rsplit(".", 1)[0][:80]})
        if spec.model.start:
            warm_start.require_fit(self.store, spec, prepared.shape, prepared.labels)
        run = self.store.create_run(
            spec, prepared.train_file, prepared.held_out_file, prepared.about(), self._copy_start
        )
        self._enqueue(run, "train")
        return run

    def _copy_start(self, run: RunDir) -> None:
        if other := run.spec.model.start:
            warm_start.copy(warm_start.origin(self.store, other), run.start)

    def prepare(self, spec: DataSpec, tell: Callable[[str], None] = lambda _: None) -> Prepared:
        """The rows that a run with this DataSpec would learn from, and what is noticed; raises DataError."""
        return oneshot.prepared(self.store, spec, tell)

    def stop(self, run_id: str) -> None:
        """Stop after the step it is in, and keep what it has learned; a waiting job is taken out of the queue."""
        self._end(run_id, "keep")

    def cancel(self, run_id: str) -> None:
        """Stop without saving; checkpoints saved before stay. A waiting job is taken out of the queue."""
        self._end(run_id, "cancel")

    def pause(self, run_id: str) -> None:
        """Save after the step it is in and wait for ``resume``; a waiting run leaves the queue."""
        self._end(run_id, "pause")

    def resume(self, run_id: str) -> None:
        """Put a run that ended early back in the queue; raises RunError for any other."""
        run = self.store.run(run_id)
        with self._queue.changing():  # another job of the same run may just have been put in
            if not run.state().can_continue or run.queued or run.alive:
                working = " Another job of it works or waits." if run.state().can_continue else ""
                raise RunError(
                    f"'{run.meta['name']}' cannot be continued: it is {run.state().value}.{working}"
                )
            began = run.view().started
            disk_space.require(run, began.trainable if began else 0)
            self._enqueue(run, "train")

    def extend(self, run_id: str, epochs: float) -> None:
        """Let a finished run go on for more epochs, from its newest checkpoint; raises HoneError where it cannot."""
        with self._queue.changing():  # of two who press the button at once, one extends it
            run = self.store.run(run_id)
            name, state = run.meta["name"], run.state()
            if state != State.FINISHED or run.queued or run.alive:
                raise RunError(
                    f"'{name}' cannot be trained for more epochs now: it is {state.value}. "
                    + ("Continue it first." if state.can_continue else "Wait until it is done.")
                )
            if not any(run.checkpoints.glob("checkpoint-*")):
                raise RunError(
                    f"The checkpoints of '{name}' are gone, so it cannot go on. Train on from its adapter."
                )
            if not epochs > 0:
                raise SpecError(f"More epochs: must be more than 0; it is {epochs}.")
            values, began = run.spec.model_dump(), run.view().started
            # Not what the settings say: an app that was killed in here may have changed them and no more.
            values["optim"]["epochs"] = (
                began.epochs if began else values["optim"]["epochs"]
            ) + epochs
            spec = specs.make(values)
            hardware.require_disk(self.store.home, START_GB, "a run")
            run.set_spec(spec)
            run.emit(ev.Extended(epochs=spec.optim.epochs))
            self._enqueue(run, "train")

    def merge(self, run_id: str, precision: str) -> None:
        """Put a merge in the queue; its result is an event of the run."""
        run = self.store.run(run_id)
        if precision not in ("fp32", "bf16"):
            raise RunError(f"'{precision}' is not a precision. Choose fp32 or bf16.")
        if not run.has_result:
            raise RunError("This run has not saved anything yet, so there is nothing to merge.")
        if run.alive or run.queued:
            raise RunError(
                "This run is still working or waiting. Wait until it is done, then merge."
            )
        self._enqueue(run, f"merge-{precision}")

    def score(self, run_id: str) -> None:
        """Put the scoring of base and tuned model on the held-out rows in the queue; its result is an event."""
        run = self.store.run(run_id)
        if not run.has_result:
            raise RunError("This run has not saved anything yet, so there is nothing to score.")
        if not len(read_rows(run.held_out_file)):
            raise RunError(
                "This run has no held-out examples, so there is nothing new to score it on. "
                "Choose a held-out share on the Data tab and train again."
            )
        if run.alive or run.queued:
            raise RunError(
                "This run is still working or waiting. Wait until it is done, then score it."
            )
        run.emit(ev.Scoring())  # said here: the worker needs seconds before it can
        self._enqueue(run, "score")

    def delete(self, run_id: str) -> None:
        """Remove a run and its files; raises RunError while it works."""
        self.desk.free()
        self.store.delete_run(run_id)

    def queue(self) -> list[Waiting]:
        """What waits, the next one first."""
        return self._queue.waiting()

    def move(self, run_id: str, where: Move) -> None:
        """Change a waiting job's place in the queue; raises RunError where it does not wait."""
        self._queue.move(run_id, where)

    def live(self) -> list[RunDir]:
        """Runs that work, then those that wait in their order."""
        working = [run for run in self.store.all_runs() if run.alive]
        ids = {run.id for run in working}
        return working + [one.run for one in self.queue() if one.run.id not in ids]

    def close(self) -> None:
        """Leave; workers go on."""
        self._closed = True
        self._wake.set()
        self.desk.close()

    def _enqueue(self, run: RunDir, job: str) -> None:
        run.stop_mark.unlink(missing_ok=True)
        self._queue.add(run, job)
        self._wake.set()

    def _end(self, run_id: str, how: str) -> None:
        run = self.store.run(run_id)
        if run.alive:
            write_whole(run.stop_mark, how)
        elif job := run.queued:
            # Whoever takes the mark away decides: a worker that has taken it meanwhile sees the stop mark instead.
            write_whole(run.stop_mark, how)
            try:
                run.queue_mark.unlink()
            except FileNotFoundError:
                return
            run.stop_mark.unlink(missing_ok=True)
            if job == "score":
                run.emit(ev.Warned(text="It was taken out of the queue before it began."))
            elif (
                job == "train" and run.view().ended is None
            ):  # else it is again what it was before it waited
                step = run.view().step
                run.emit(
                    ev.Paused(step=step) if how == "pause" else ev.Stopped(step=step, kept=False)
                )
        else:
            raise RunError(f"'{run.meta['name']}' is not running: it is {run.state().value}.")

    def _busy(self) -> str:
        return next((str(run.meta["name"]) for run in self.store.all_runs() if run.alive), "")

    def _supervise(self) -> None:
        """Wait for workers that an earlier app left, then do what is queued, in its order."""
        first = FileLock(self.store.locks / "supervisor.lock")
        while not self._closed:
            try:
                first.acquire(timeout=1)
                break
            except Timeout:
                continue
        self.store.sweep()
        for run in self.store.all_runs():
            if run.alive:
                self.at_work = run.id
                self._outlast(run)
                self.at_work = ""
        while not self._closed:
            try:
                following = next((one.run for one in self.queue() if not one.run.alive), None)
                if following:
                    self.at_work = following.id
                    self._work(following)
                    continue
            except (
                Exception
            ):  # a run was cancelled or deleted meanwhile, or worse; the queue must go on
                LOG.exception("the queue stumbled")
            finally:
                self.at_work = ""
            self._wake.wait(timeout=1)
            self._wake.clear()
        first.release()

    def _outlast(self, run: RunDir) -> None:
        """Wait for a worker that an earlier app left; only the system and its log tell how it ended."""
        said, counts = _bytes(run.log), deque([hardware.memory_kills()], maxlen=round(DYING / POLL))
        while run.alive:
            if self._closed:
                return
            counts.append(hardware.memory_kills())
            time.sleep(POLL)
        try:
            if exit_status.for_memory(
                run, exit_status.KILLED, hardware.memory_kills() - counts[0], said
            ):
                self._explain(
                    run, "" if run.view().interlude else "train", exit_status.KILLED, no_memory=True
                )
        except Exception:  # it was deleted meanwhile, or worse; the queue must go on
            LOG.exception("what an earlier app left stumbled")

    def _work(self, run: RunDir) -> None:
        mark, job, kills = run.queue_mark.stat().st_mtime_ns, run.queued, hardware.memory_kills()
        said = _bytes(run.log)
        try:
            self.desk.free()  # the desk and a run do not fit into the same memory, nor compute at once
            code = self.backend.work(run, job) if run.queued == job else 0
        except OSError as error:
            self._say(run, job, exit_status.not_started(error))
            raise
        finally:
            # The mark is still there where the worker died before its first breath; a newer one is a new wish.
            if run.queue_mark.exists() and run.queue_mark.stat().st_mtime_ns == mark:
                run.queue_mark.unlink()
        if code:
            kills = hardware.memory_kills() - max(kills, getattr(self.backend, "kills", 0))
            self._explain(run, job, code, exit_status.for_memory(run, code, kills, said))

    def _explain(self, run: RunDir, job: str, code: int, no_memory: bool) -> None:
        """Say how a worker ended that could not say so itself; one that was killed for memory goes on with less."""
        view = run.view()
        ended = job == "train" and run.state(view) == State.INTERRUPTED
        if no_memory and ended and not run.stop_mark.exists() and step_down(run):
            self._enqueue(run, "train")
            return
        if view.merging:
            self._say(run, f"merge-{view.merging}", exit_status.merging(code, no_memory))
        elif ended:
            self._say(run, job, exit_status.training(code, no_memory, run.stop_mark.exists()))

    def _say(self, run: RunDir, job: str, text: str) -> None:
        if job.startswith("merge-"):
            run.emit(ev.Merged(ok=False, precision=job.removeprefix("merge-"), text=text))
        else:
            run.emit(ev.Warned(text=text))


def _bytes(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
