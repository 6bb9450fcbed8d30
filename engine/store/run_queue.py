"""The order in which runs wait, as a list of ids in ``queue.json``.

Which runs wait is decided by their ``queued`` marks alone. A waiting run that the file does not
list (somebody copied it here, or the file is damaged) comes after the others, oldest mark first.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple

from filelock import FileLock

from engine.errors import RunError
from engine.store.files import write_json, write_whole
from engine.store.run_dir import RunDir
from engine.store.workspace import Store

QueueMove = Literal["up", "down", "first"]


class WaitingJob(NamedTuple):
    """A job that waits."""

    run: RunDir
    job: str


class RunQueue:
    """The waiting jobs of a workspace; safe to use from several threads and processes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.file = store.home / "queue.json"
        # The thread that holds it may take it again; other threads and processes wait.
        self._lock = FileLock(store.locks / "queue.lock")

    def hold_lock(self) -> AbstractContextManager[object]:
        """A block within which nobody else changes the queue."""
        return self._lock.acquire(timeout=10)

    def waiting_jobs(self) -> list[WaitingJob]:
        """The jobs that wait, the next one first."""
        listed = {run_id: at for at, run_id in enumerate(self._read_order())}
        found = []
        for run in self.store.all_runs():
            try:
                made, job = run.queue_mark.stat().st_mtime_ns, run.queued
            except FileNotFoundError:
                continue
            if job:
                found.append((listed.get(run.id, len(listed)), made, run.id, WaitingJob(run, job)))
        return [waiting for *_, waiting in sorted(found)]

    def add(self, run: RunDir, job: str) -> None:
        """Put a job at the end."""
        with self.hold_lock():
            # A run that works keeps its position: a worker that finds too little memory puts its
            # run back with a smaller layout.
            listed = self._read_order()
            others = (one for one in self.store.all_runs() if one.id in listed and one.id != run.id)
            kept = {one.id for one in others if one.queued or one.alive}
            write_json(self.file, [*(one for one in listed if one in kept), run.id])
            write_whole(run.queue_mark, job)

    def move(self, run_id: str, where: QueueMove) -> None:
        """Move a waiting job in the queue; raises RunError where it does not wait."""
        with self.hold_lock():
            run = self.store.run(run_id)
            order = [one.run.id for one in self.waiting_jobs()]
            if run_id not in order:
                raise RunError(f"'{run.meta['name']}' is no longer waiting: it is {run.state()}.")
            at = order.index(run_id)
            order.remove(run_id)
            steps = {"first": -at, "up": -1, "down": 1}
            if where not in steps:
                raise RunError(f"'{where}' is not a move in the queue. Choose up, down or first.")
            order.insert(max(0, at + steps[where]), run_id)
            others = [one for one in self._read_order() if one not in order]
            write_json(self.file, [*others, *order])

    def _read_order(self) -> list[str]:
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
