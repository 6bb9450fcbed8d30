"""Engine: what the page and the command line may ask for: plan, start, stop, merge, score and more.

Requests are marks in a run's folder and an entry in the queue on disk, which
engine.runs.supervisor works through.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine import hardware
from engine.data.rows import read_rows
from engine.errors import Problems, RunError
from engine.estimate.duration import TimeRange
from engine.estimate.stages import Stage
from engine.process.desk import Desk
from engine.process.limits import child_limits
from engine.process.run import Backend, ProcessBackend
from engine.process.spare import Spare
from engine.runs import disk_space, ending, quota, require, warm_start
from engine.runs.busy import BusyRun
from engine.runs.plan import START_GB, Known, Plan, earlier_runs, find_out, make_plan
from engine.runs.speed import SpeedHistory, stages_of_run
from engine.runs.supervisor import Supervisor
from engine.spec import naming
from engine.spec.limits import LOCAL, Limits
from engine.spec.run import RunSpec, make_spec
from engine.store import events as ev
from engine.store.files import close_to_others, remove_whole
from engine.store.run_dir import RunDir
from engine.store.run_queue import QueueMove, RunQueue, WaitingJob
from engine.store.workspace import Store


class Engine:
    """All that can be done with runs; a thread works through the queue of this machine's device.

    Of several engines on one workspace (the app, the command line) one supervises at a time; the
    others' requests reach it through the queue on disk. ``supervise=False`` only looks and asks.
    ``for_owner`` is the same engine as one more owner has it, who reaches his own files alone.
    """

    def __init__(
        self,
        home: Path,
        backend: Backend | None = None,
        model_roots: Sequence[Path] = (),
        supervise: bool = True,
        limits: Limits = LOCAL,
    ) -> None:
        self.store = Store(home, limits=limits)
        close_to_others(self.store.own_paths())
        self.model_roots = (self.store.models, *model_roots)
        self.device = hardware.detect_device()
        self._busy = BusyRun(self.store)
        self.desk = Desk(self.store, self._busy.why_busy)
        self._queue = RunQueue(self.store)
        self._speeds = SpeedHistory(self.store)
        self._backend = backend or ProcessBackend(child_limits(limits))
        self.spare: Spare | None = None
        self.supervisor = Supervisor(
            self.store,
            self._queue,
            self._backend,
            lambda: self.desk.free_memory(),
            self._tend_spare,
        )
        if supervise:
            self.supervisor.start()

    def for_owner(self, owner: str) -> Engine:
        """A view for another owner; desk, queue and supervisor are the same."""
        view = copy.copy(self)
        view.store = self.store.for_owner(owner)
        return view

    def close(self) -> None:
        """Stop supervising and end the desk; workers go on."""
        self.supervisor.close()
        if self.spare:
            self.spare.end(for_good=True)
        self.desk.close()

    def keep_spare(self) -> None:
        """Let a worker wait for the next run from now on, once somebody has looked at a model."""
        if isinstance(self._backend, ProcessBackend):
            self.spare = self._backend.keep_spare()

    def _tend_spare(self) -> None:
        if self.spare and self.desk.was_asked:
            self.spare.tend()

    @property
    def spare_memory(self) -> int:
        """Bytes of memory of the worker that waits for the next run; 0 where there is none."""
        return self.spare.memory if self.spare else 0

    # --- before a run ---

    def plan(self, spec: RunSpec, known: Known | None = None) -> Plan:
        """What a run would do and everything that is wrong with it; nothing is queued.

        Without ``known`` the desk inspects the model and counts the tokens, which takes seconds.
        """
        known = known or find_out(self.store, spec, self.desk)
        plan = make_plan(self.store, self.desk, spec, known)
        problems = Problems(plan.problems)
        with problems.collect():
            self._queue.require_place(self.store.owner)
        seconds = self.estimate_time(plan)
        return plan._replace(problems=tuple(problems.found), seconds=seconds)

    def estimate_time(self, plan: Plan, measure: bool = False) -> TimeRange | None:
        """How long a run takes; None if unknown. ``measure`` lets the desk try for a second."""
        workload, case, forecast = plan.workload, plan.case, plan.forecast
        if workload is None or case is None or forecast is None or forecast.fit is None:
            return None
        # While a run uses the machine, the measurement would disturb it and be wrong.
        busy = self.count_waiting() or self._busy.find()
        desk = self.desk if measure and not busy else None
        return self._speeds.estimate(workload, case.machine, forecast.fit, desk)

    def stages(self, run_id: str) -> list[Stage]:
        """What a run does before it trains, and how long that took in others of its model."""
        return stages_of_run(self.store, self.store.run(run_id))

    # --- a run ---

    def start(self, spec: RunSpec) -> RunDir:
        """Queue a new run without inspecting its model; raises SpecError for all problems."""
        return self.start_plan(self.plan(spec, find_out(self.store, spec)))

    def start_plan(self, plan: Plan) -> RunDir:
        """Queue a new run as it was planned; raises SpecError for all problems."""
        plan.require()
        spec, prepared = plan.spec, plan.prepared
        assert prepared
        files, about = (prepared.train_file, prepared.held_out_file), prepared.summary()
        name = naming.choose_name(spec, prepared.name, [*earlier_runs(self.store)])
        run = self.store.create_run(spec, *files, about, lambda new: self._complete(new, name))
        try:
            with self._place_in_queue():
                self.supervisor.enqueue(run, "train")
        except RunError:  # another page has taken the last place meanwhile
            remove_whole(run.path)
            raise
        return run

    def _complete(self, run: RunDir, name: str) -> None:
        run.set_meta(name=name)
        if other := run.spec.model.start:
            warm_start.copy_result(self.store, warm_start.origin_run(self.store, other), run)

    def stop(self, run_id: str) -> None:
        """Stop after the current step and keep the result; a waiting job leaves the queue."""
        ending.request_end(self.store.run_to_end(run_id), "keep")

    def cancel(self, run_id: str) -> None:
        """Stop without saving; earlier checkpoints stay. A waiting job leaves the queue."""
        ending.request_end(self.store.run_to_end(run_id), "cancel")

    def pause(self, run_id: str) -> None:
        """Save after the current step and wait for ``resume``; a waiting run leaves the queue."""
        ending.request_end(self.store.run_to_end(run_id), "pause")

    def end_now(self, run_id: str) -> None:
        """End a worker at once that does not obey; what came after its last checkpoint is lost."""
        ending.end_now(self.store.run_to_end(run_id))

    def resume(self, run_id: str) -> None:
        """Put a run that ended early back in the queue; raises HoneError where it cannot go on."""
        run = self.store.run(run_id)
        if run.state().can_continue:
            require.require_base(run)  # reads much of a large model, so nobody waits for the lock
        with self._place_in_queue():  # another job of the same run may just have been put in
            require.require_continuable(run)
            quota.require_time_left(run, self.store.limits)
            began = run.view().started
            disk_space.require_room(run, began.trainable if began else 0)
            self.supervisor.enqueue(run, "train")

    def extend(self, run_id: str, epochs: float) -> None:
        """Train a finished run for more epochs, from its newest checkpoint; raises HoneError."""
        run = self.store.run(run_id)
        require.require_extendable(run, epochs)
        require.require_base(run)
        with self._place_in_queue():  # of two who press the button at once, one extends it
            require.require_extendable(run, epochs)
            values, began = run.spec.model_dump(), run.view().started
            # Not those of the settings: an app may have been killed in here after it changed them.
            before = began.epochs if began else values["optim"]["epochs"]
            values["optim"]["epochs"] = before + epochs
            spec = make_spec(values)
            quota.require_more_steps(run, spec.optim.epochs, self.store.limits)
            quota.require_time_left(run, self.store.limits)
            hardware.require_disk(self.store.root, START_GB, "a run")
            run.set_spec(spec)
            run.emit(ev.Extended(epochs=spec.optim.epochs))
            self.supervisor.enqueue(run, "train")

    def merge(self, run_id: str, precision: str) -> None:
        """Put a merge in the queue; its result is an event of the run."""
        run = self.store.run(run_id)
        if precision not in ("fp32", "bf16"):
            raise RunError(f"'{precision}' is not a precision. Choose fp32 or bf16.")
        require.require_result(run, "merge")
        with self._place_in_queue():
            self.supervisor.enqueue(run, f"merge-{precision}")

    def score(self, run_id: str) -> None:
        """Queue scoring both models on the held-out rows; the result is an event of the run."""
        run = self.store.run(run_id)
        require.require_result(run, "score", "score it")
        if not len(read_rows(run.held_out_file)):
            raise RunError(
                "This run has no held-out examples, so there is nothing new to score it on. "
                "Choose a held-out share on the Data tab and train again."
            )
        with self._place_in_queue():
            run.emit(ev.Scoring())  # said here: the worker needs seconds before it can
            self.supervisor.enqueue(run, "score")

    def delete(self, run_id: str) -> None:
        """Remove a run and its files; raises RunError while it works."""
        run = self.store.run(run_id)
        if not run.is_busy:  # others' replies are cut short for nothing less
            self.desk.free_memory()
        self.store.delete_run(run.id)

    # --- the queue ---

    @contextmanager
    def _place_in_queue(self) -> Iterator[None]:
        """A block that may put one job of this owner into the queue; raises RunError."""
        with self._queue.hold_lock():
            self._queue.require_place(self.store.owner)
            yield

    def queue(self) -> list[WaitingJob]:
        """The jobs of this owner that wait, the next one first; for the owner "", all jobs."""
        jobs, owner = self._queue.waiting_jobs(), self.store.owner
        return [one for one in jobs if owner in ("", one.run.owner)]

    def count_waiting(self) -> int:
        """How many jobs of all owners wait."""
        return len(self._queue.waiting_jobs())

    def move(self, run_id: str, where: QueueMove) -> None:
        """Change a waiting job's place among one's own; raises RunError where it does not wait."""
        self._queue.move(self.store.run(run_id), where)

    def remove_from_queue(self, run_id: str) -> None:
        """Take a waiting job out of the queue; raises RunError where it does not wait."""
        run = self.store.run_to_end(run_id)
        if not run.queued:
            raise RunError(f"'{run.name}' is no longer waiting: it is {run.state().value}.")
        ending.request_end(run, "cancel")

    def live(self) -> list[RunDir]:
        """Runs of this owner that work, then those that wait in their order."""
        working = [run for run in self.store.all_runs() if run.alive]
        ids, owner = {run.id for run in working}, self.store.owner
        waiting = (one.run for one in self.queue() if one.run.owner == owner)
        return working + [run for run in waiting if run.id not in ids]

    def working_now(self) -> str:
        """What uses the device now, as this owner may know it; empty where nothing does."""
        return self._busy.name_for(self.store.owner)

    def endable_run(self) -> RunDir | None:
        """The run that works, where this owner may end it: his own; for the owner "", anybody's."""
        run = self._busy.find()
        return run if run and self.store.owner in ("", run.owner) else None
