"""What is known of this machine's speed: earlier runs, and what the desk measured, each remembered."""

from __future__ import annotations

import threading
from pathlib import Path

from engine.errors import HoneError
from engine.estimate import duration
from engine.estimate.duration import Job, Pace, Seconds, Shown
from engine.hardware import Machine
from engine.model.info import ModelInfo
from engine.runs.engine import Engine
from engine.spec.batch import Fit
from engine.spec.method import MethodSpec

LOOKED_AT, ENOUGH = 30, 3  # newest runs that are looked at; runs that are enough
ROUND = 32  # lengths are measured in steps of this


class Foresight:
    """Tells how long runs would take; safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._paces: dict[tuple[object, ...], Pace | None] = {}
        self._shown: dict[tuple[Path, int], Shown | None] = {}
        self._lock = threading.Lock()

    def seconds(self, job: Job, machine: Machine, fit: Fit, measure: bool = True) -> Seconds | None:
        """A range; None where nothing is known yet, and with ``measure`` where it cannot be measured now."""
        if found := duration.typical(self._past(job.info, job.spec.method, machine)):
            return duration.past(found, job, fit.checkpointing)
        pace = self._pace(job, machine, fit, measure)
        return duration.measured(pace, job, fit.batch, fit.checkpointing) if pace else None

    def _past(self, info: ModelInfo, method: MethodSpec, machine: Machine) -> list[Shown]:
        """What the newest runs of this model with a method of the same kind showed."""
        found: list[Shown] = []
        for run in list(self.engine.store.all_runs())[:LOOKED_AT]:
            if len(found) == ENOUGH or not run.readable or run.alive:
                continue
            spec = run.spec
            if (
                spec.model.source != info.source
                or spec.method.kind != method.kind
                or not run.events_file.is_file()
            ):
                continue
            key = (run.path, run.events_file.stat().st_size)
            if key not in self._shown:
                view = run.view()
                here = view.started is not None and (view.started.device == "CPU") == (
                    machine.device == "cpu"
                )
                same = (
                    here
                    and view.started is not None
                    and view.started.precision == machine.precision
                )
                self._shown[key] = duration.shown(info, spec, view) if same else None
            if shown := self._shown[key]:
                found.append(shown)
        return found

    def _pace(self, job: Job, machine: Machine, fit: Fit, measure: bool) -> Pace | None:
        info, method = job.info, job.spec.method
        limit, flat = job.spec.data.max_length, info.task == "write" and not job.preference
        wide = job.lengths.mean(limit) if flat else job.lengths.widest(fit.batch, limit)
        length = min(512, max(ROUND, round(wide / ROUND) * ROUND), info.context or 512)
        batch = min(16, fit.batch)
        where = (machine.device, machine.precision, machine.autocast)
        key = (info.source, info.task, method.kind, *where, batch, length, flat)
        with self._lock:  # two questions of one page wait for one answer
            if key in self._paces or not measure:
                return self._paces.get(key)
            if self.engine.live():
                return None  # a run uses the machine, and the measurement would disturb it and be wrong
            try:
                self._paces[key] = self.engine.desk.pace(
                    info.source, info.task, method, machine, batch, length, flat
                )
            except HoneError:
                self._paces[key] = None
            return self._paces[key]
