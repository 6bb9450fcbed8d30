"""How long runs take on this machine: from earlier runs, else as the desk measured it."""

from __future__ import annotations

import threading
import time
from itertools import islice
from pathlib import Path

from engine.errors import HoneError
from engine.estimate import duration
from engine.estimate.duration import BatchShape, MeasuredSpeed, PastSpeed, TimeRange, Workload
from engine.estimate.stages import Stage, stages_of
from engine.hardware import Machine
from engine.model.info import ModelInfo
from engine.process.desk import Desk
from engine.spec.batch import BatchLayout
from engine.spec.objective import LABEL_OBJECTIVES
from engine.store.events import Started
from engine.store.run_dir import RunDir
from engine.store.workspace import Store

NEWEST_RUNS, RUNS_ENOUGH = 30, 3  # how many runs are looked at, and how many suffice
ALIKE_TIMES = 2  # how many times as long the rows of a like run may be, or as short
LENGTH_STEP = 32  # tokens; lengths are measured in steps of this
MOST_TOKENS, MOST_EXAMPLES = 512, 16  # of a batch that is measured


class SpeedHistory:
    """Estimates how long runs take; safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._measured: dict[tuple[object, ...], MeasuredSpeed | None] = {}
        self._past: dict[tuple[Path, int], PastSpeed | None] = {}
        self._lock = threading.Lock()

    def estimate(
        self, workload: Workload, machine: Machine, layout: BatchLayout, desk: Desk | None = None
    ) -> TimeRange | None:
        """The time range; None where nothing is known. ``desk`` measures what is not known yet."""
        earlier = self._earlier_runs(workload, machine)
        if found := duration.median_speed(earlier):
            return duration.estimate_from_past(found, workload, layout.checkpointing)
        measured = self._measured_speed(workload, machine, layout, desk)
        if measured is None:
            return None
        return duration.estimate_from_measurement(
            measured, workload, layout.batch, layout.checkpointing
        )

    def _earlier_runs(self, workload: Workload, machine: Machine) -> list[PastSpeed]:
        """What the newest runs like this one showed: of its model, kind of method and rows."""
        info, method = workload.info, workload.spec.method
        found: list[PastSpeed] = []
        for run in self.store.every_run("events.jsonl")[:NEWEST_RUNS]:
            if len(found) == RUNS_ENOUGH:
                break
            if not run.is_readable or run.alive or not run.events_file.is_file():
                continue
            spec = run.spec
            if spec.model.source != info.source or spec.method.kind != method.kind:
                continue
            if not _is_alike(run.view().started, workload):
                continue
            key = (run.path, run.events_file.stat().st_size)
            if key not in self._past:
                self._past[key] = _past_speed(run, info, machine)
            if speed := self._past[key]:
                found.append(speed)
        return found

    def _measured_speed(
        self, workload: Workload, machine: Machine, layout: BatchLayout, desk: Desk | None
    ) -> MeasuredSpeed | None:
        info, method, limit = workload.info, workload.spec.method, workload.spec.data.max_length
        packed, lengths = info.task == "write" and not workload.preference, workload.lengths
        wide = lengths.mean(limit) if packed else lengths.mean_padded(layout.batch, limit)
        rounded = max(LENGTH_STEP, round(wide / LENGTH_STEP) * LENGTH_STEP)
        length = min(MOST_TOKENS, rounded, info.context or MOST_TOKENS)
        where = (machine.device, machine.precision, machine.autocast)
        shape = BatchShape(min(MOST_EXAMPLES, layout.batch), length, packed)
        key = (info.source, info.task, method.kind, *where, *shape)
        with self._lock:  # two questions of one page wait for one answer
            if key not in self._measured and desk:
                try:
                    self._measured[key] = desk.measure_speed(
                        info.source, info.task, method, machine, shape
                    )
                except HoneError:
                    self._measured[key] = None
            return self._measured.get(key)


def _is_alike(began: Started | None, job: Workload) -> bool:
    """Whether a run learned the same kind of thing from rows of about the same length.

    Rows of five tokens take far longer by their arithmetic than rows of five hundred.
    """
    if began is None or not began.rows:
        return False
    writes, length = began.goal not in LABEL_OBJECTIVES, began.tokens / began.rows
    most = ALIKE_TIMES * job.mean_length
    return writes == (job.info.task == "write") and job.mean_length / ALIKE_TIMES <= length <= most


def _past_speed(run: RunDir, info: ModelInfo, machine: Machine) -> PastSpeed | None:
    """What a run showed; None where it ran on another device or in another precision."""
    view = run.view()
    if view.started is None or view.started.precision != machine.precision:
        return None
    if (view.started.device == "CPU") != (machine.device == "cpu"):
        return None
    return duration.speed_of_run(info, run.spec, view)


def stages_of_run(store: Store, run: RunDir) -> list[Stage]:
    """The stages of a run until it trains, with what they took in others of its model."""
    same = (
        other.view()
        for other in store.every_run("events.jsonl")[:NEWEST_RUNS]
        if other.path != run.path
        and other.is_readable
        and other.spec.model.source == run.spec.model.source
        and "train" in other.view().stages
    )
    earlier = list(islice(same, RUNS_ENOUGH))
    return stages_of(run.view(), earlier, time.time() if run.is_busy else None)
