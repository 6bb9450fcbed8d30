"""The order in which runs wait, kept as a list of ids in a small file: marks made together may share a time.

Which runs wait is said by their ``queued`` marks alone. One that waits and stands not in the file (somebody copied
it here, or the file is damaged) comes after those that do, oldest mark first.
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
        # One that a thread may take again while it holds it; other threads and processes wait.
        self._lock = FileLock(store.locks / "queue.lock")

    def hold_lock(self) -> AbstractContextManager[object]:
        """Nobody else changes the queue within it."""
        return self._lock.acquire(timeout=10)

    def waiting_jobs(self) -> list[WaitingJob]:
        """What waits, the next one first."""
        listed = {run_id: at for at, run_id in enumerate(self._read_order())}
        found = []
        for run in self.store.all_runs():
            try:
                made, job = run.queue_mark.stat().st_mtime_ns, run.queued
            except FileNotFoundError:
                continue
            found.append((listed.get(run.id, len(listed)), made, run.id, job))
        return [
            WaitingJob(RunDir(self.store.runs / run_id), job)
            for *_, run_id, job in sorted(found)
            if job
        ]

    def add(self, run: RunDir, job: str) -> None:
        """Put a job at the end."""
        with self.hold_lock():
            # One that works keeps its place: a worker that finds too little memory puts its run back for less.
            listed = self._read_order()
            others = (one for one in self.store.all_runs() if one.id in listed and one.id != run.id)
            matter = {one.id for one in others if one.queued or one.alive}
            self._write_order([*(one for one in listed if one in matter), run.id])
            write_whole(run.queue_mark, job)

    def move(self, run_id: str, where: QueueMove) -> None:
        """Change a waiting job's place; raises RunError where it does not wait."""
        with self.hold_lock():
            run = self.store.run(run_id)
            order = [one.run.id for one in self.waiting_jobs()]
            if run_id not in order:
                raise RunError(
                    f"'{run.meta['name']}' does not wait any more: it is {run.state().value}."
                )
            at = order.index(run_id)
            order.remove(run_id)
            steps = {"first": -at, "up": -1, "down": 1}
            if where not in steps:
                raise RunError(
                    f"'{where}' is not a way to move in the queue. Choose up, down or first."
                )
            order.insert(max(0, at + steps[where]), run_id)
            self._write_order([*(one for one in self._read_order() if one not in order), *order])

    def _read_order(self) -> list[str]:
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []

    def _write_order(self, ids: list[str]) -> None:
        write_json(self.file, ids)
