"""Engine: what the page and the command line may ask for: plan, start, stop, merge, score and more.

Requests are marks in a run's folder and an entry in the queue on disk, which
engine.runs.supervisor works through.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine import hardware
from engine.data.rows import read_rows
from engine.errors import RunError, SpecError
from engine.estimate.duration import TimeRange
from engine.model import fingerprint, local
from engine.process.desk import Desk
from engine.process.run import Backend, ProcessBackend
from engine.runs import disk_space, warm_start
from engine.runs.plan import START_GB, Known, Plan, find_out, make_plan
from engine.runs.speed import SpeedHistory
from engine.runs.supervisor import Supervisor
from engine.spec import run as specs
from engine.spec.run import RunSpec
from engine.store import events as ev
from engine.store.files import write_whole
from engine.store.run_dir import RunDir
from engine.store.run_queue import QueueMove, RunQueue, WaitingJob
from engine.store.run_view import RunState
from engine.store.workspace import Store


class Engine:
    """All that can be done with runs; a thread works through the queue of this machine's device.

    Of several engines on one workspace (the app, the command line) one supervises at a time; the
    others' requests reach it through the queue on disk. ``supervise=False`` only looks and asks.
    """

    def __init__(
        self,
        home: Path,
        backend: Backend | None = None,
        model_roots: Sequence[Path] = (),
        supervise: bool = True,
    ) -> None:
        self.store = Store(home)
        self.model_roots = (self.store.models, *model_roots)
        self.device = hardware.detect_device()
        self.desk = Desk(self.store, self._running_name)
        self._queue = RunQueue(self.store)
        self._speeds = SpeedHistory(self.store)
        self.supervisor = Supervisor(
            self.store, self._queue, backend or ProcessBackend(), lambda: self.desk.free_memory()
        )
        if supervise:
            self.supervisor.start()

    def close(self) -> None:
        """Stop supervising and end the desk; workers go on."""
        self.supervisor.close()
        self.desk.close()

    # --- before a run ---

    def plan(self, spec: RunSpec, known: Known | None = None) -> Plan:
        """What a run would do and everything that is wrong with it; nothing is queued.

        Without ``known`` the desk inspects the model and counts the tokens, which takes seconds.
        """
        if known is None:
            known = find_out(self.store, spec, self.desk)
        plan = make_plan(self.store, self.desk, spec, known)
        return plan._replace(seconds=self.estimate_time(plan))

    def estimate_time(self, plan: Plan, measure: bool = False) -> TimeRange | None:
        """How long a run takes; None if unknown. ``measure`` lets the desk try for a second."""
        workload, case, forecast = plan.workload, plan.case, plan.forecast
        if workload is None or case is None or forecast is None or forecast.fit is None:
            return None
        # While a run uses the machine, the measurement would disturb it and be wrong.
        desk = self.desk if measure and not self.live() else None
        return self._speeds.estimate(workload, case.machine, forecast.fit, desk)

    # --- a run ---

    def start(self, spec: RunSpec) -> RunDir:
        """Queue a new run without inspecting its model; raises SpecError for all problems."""
        return self.start_plan(self.plan(spec, find_out(self.store, spec)))

    def start_plan(self, plan: Plan) -> RunDir:
        """Queue a new run as it was planned; raises SpecError for all problems."""
        plan.require()
        spec, prepared = plan.spec, plan.prepared
        assert prepared
        if not spec.name:
            spec = spec.model_copy(update={"name": prepared.name.rsplit(".", 1)[0][:80]})
        run = self.store.create_run(
            spec, prepared.train_file, prepared.held_out_file, prepared.summary(), self._copy_start
        )
        self.supervisor.enqueue(run, "train")
        return run

    def _copy_start(self, run: RunDir) -> None:
        if other := run.spec.model.start:
            warm_start.copy_result(warm_start.origin_run(self.store, other), run.start)

    def stop(self, run_id: str) -> None:
        """Stop after the current step and keep the result; a waiting job leaves the queue."""
        self._request_end(run_id, "keep")

    def cancel(self, run_id: str) -> None:
        """Stop without saving; earlier checkpoints stay. A waiting job leaves the queue."""
        self._request_end(run_id, "cancel")

    def pause(self, run_id: str) -> None:
        """Save after the current step and wait for ``resume``; a waiting run leaves the queue."""
        self._request_end(run_id, "pause")

    def resume(self, run_id: str) -> None:
        """Put a run that ended early back in the queue; raises HoneError where it cannot go on."""
        run = self.store.run(run_id)
        if run.state().can_continue:
            _require_base(run)  # reads much of a large model, so nobody waits for the lock
        with self._queue.hold_lock():  # another job of the same run may just have been put in
            if not run.state().can_continue or run.queued or run.alive:
                working = " Another job of it works or waits." if run.state().can_continue else ""
                raise RunError(
                    f"'{run.meta['name']}' cannot be continued: it is {run.state().value}.{working}"
                )
            began = run.view().started
            disk_space.require_room(run, began.trainable if began else 0)
            self.supervisor.enqueue(run, "train")

    def extend(self, run_id: str, epochs: float) -> None:
        """Train a finished run for more epochs, from its newest checkpoint; raises HoneError."""
        run = self.store.run(run_id)
        _require_extendable(run, epochs)
        _require_base(run)
        with self._queue.hold_lock():  # of two who press the button at once, one extends it
            _require_extendable(run, epochs)
            values, began = run.spec.model_dump(), run.view().started
            # An app that was killed in here may have changed the settings and no more, so the
            # epochs that the worker reported count.
            before = began.epochs if began else values["optim"]["epochs"]
            values["optim"]["epochs"] = before + epochs
            spec = specs.make_spec(values)
            hardware.require_disk(self.store.home, START_GB, "a run")
            run.set_spec(spec)
            run.emit(ev.Extended(epochs=spec.optim.epochs))
            self.supervisor.enqueue(run, "train")

    def merge(self, run_id: str, precision: str) -> None:
        """Put a merge in the queue; its result is an event of the run."""
        run = self.store.run(run_id)
        if precision not in ("fp32", "bf16"):
            raise RunError(f"'{precision}' is not a precision. Choose fp32 or bf16.")
        _require_result(run, "merge")
        self.supervisor.enqueue(run, f"merge-{precision}")

    def score(self, run_id: str) -> None:
        """Queue scoring both models on the held-out rows; the result is an event of the run."""
        run = self.store.run(run_id)
        _require_result(run, "score", "score it")
        if not len(read_rows(run.held_out_file)):
            raise RunError(
                "This run has no held-out examples, so there is nothing new to score it on. "
                "Choose a held-out share on the Data tab and train again."
            )
        run.emit(ev.Scoring())  # said here: the worker needs seconds before it can
        self.supervisor.enqueue(run, "score")

    def delete(self, run_id: str) -> None:
        """Remove a run and its files; raises RunError while it works."""
        self.desk.free_memory()
        self.store.delete_run(run_id)

    # --- the queue ---

    def queue(self) -> list[WaitingJob]:
        """What waits, the next one first."""
        return self._queue.waiting_jobs()

    def move(self, run_id: str, where: QueueMove) -> None:
        """Change a waiting job's place in the queue; raises RunError where it does not wait."""
        self._queue.move(run_id, where)

    def live(self) -> list[RunDir]:
        """Runs that work, then those that wait in their order."""
        working = [run for run in self.store.all_runs() if run.alive]
        ids = {run.id for run in working}
        return working + [one.run for one in self.queue() if one.run.id not in ids]

    def _running_name(self) -> str:
        return next((str(run.meta["name"]) for run in self.store.all_runs() if run.alive), "")

    def _request_end(self, run_id: str, how: str) -> None:
        """Make a worker end ("keep", "cancel" or "pause"), or take a waiting job off the queue."""
        run = self.store.run(run_id)
        job, alive = run.queued, run.alive
        if not alive and not job:
            raise RunError(f"'{run.meta['name']}' is not running: it is {run.state().value}.")
        write_whole(run.stop_mark, how)
        if alive:
            return
        # Whoever takes the queue mark away decides: a worker that has just done so sees the stop
        # mark.
        try:
            run.queue_mark.unlink()
        except FileNotFoundError:
            return
        run.stop_mark.unlink(missing_ok=True)
        view = run.view()
        if job == "score":
            run.emit(ev.Warned(text="It was taken out of the queue before it began."))
        elif job == "train" and view.ended is None:  # a run that had ended before is what it was
            cancelled = ev.Stopped(step=view.step, kept=False)
            run.emit(ev.Paused(step=view.step) if how == "pause" else cancelled)


def _require_result(run: RunDir, verb: str, then: str = "") -> None:
    if not run.has_result:
        raise RunError(f"This run has not saved anything yet, so there is nothing to {verb}.")
    if run.alive or run.queued:
        raise RunError(
            f"This run is still working or waiting. Wait until it is done, then {then or verb}."
        )


def _require_base(run: RunDir) -> None:
    """Raise HoneError where the base model is gone, or is not the one that the run began with."""
    began, folder = run.view().started, local.checked_folder(run.spec.model.source)
    fingerprint.require_same_base(began.model_hash if began else "", folder)


def _require_extendable(run: RunDir, epochs: float) -> None:
    name, state = run.meta["name"], run.state()
    if state != RunState.FINISHED or run.queued or run.alive:
        next_step = "Continue it first." if state.can_continue else "Wait until it is done."
        raise RunError(
            f"'{name}' cannot be trained for more epochs now: it is {state.value}. {next_step}"
        )
    if not any(run.checkpoints.glob("checkpoint-*")):
        raise RunError(
            f"The checkpoints of '{name}' are gone, so it cannot go on. Train on from its adapter."
        )
    if not epochs > 0:
        raise SpecError(f"More epochs: must be more than 0; it is {epochs}.")
