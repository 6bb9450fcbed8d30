"""The order in which jobs wait: each owner's own order, and the owners in turn.

    queue.json    keys of runs in the order of their jobs (RunQueue.key_of)
    turns.json    the owners, whose job began longest ago first

Which runs wait is decided by their ``queued`` marks alone. A waiting run that the file does not
list (somebody copied it here, or the file is damaged) comes after the others, oldest mark first.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from filelock import FileLock, Timeout

from engine.errors import RunError
from engine.spec.limits import UNLIMITED
from engine.store.files import write_json, write_whole
from engine.store.run_dir import RunDir
from engine.store.workspace import Store
from engine.text import count_of

QueueMove = Literal["up", "down", "first"]
ANOTHER = "another user's run"
MOST_TURNS = 1000  # owners whose turn is remembered


class WaitingJob(NamedTuple):
    run: RunDir
    job: str
    place: int  # among the jobs of all owners, from 1


class RunQueue:
    """The waiting jobs of a workspace; safe to use from several threads and processes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.file, self.turns_file = store.root / "queue.json", store.root / "turns.json"
        # The thread that holds it may take it again; other threads and processes wait.
        self._lock = FileLock(store.locks / "queue.lock")

    @contextmanager
    def hold_lock(self) -> Iterator[None]:
        """A block within which nobody else changes the queue; raises RunError."""
        try:
            held = self._lock.acquire(timeout=10)
        except Timeout:
            raise RunError("The queue is being changed just now. Try again in a moment.") from None
        with held:
            yield

    def waiting_jobs(self) -> list[WaitingJob]:
        """The jobs of all owners that wait, the next one first."""
        turns = {owner: at for at, owner in enumerate(_read_names(self.turns_file))}
        earlier = Counter[str]()  # jobs of each owner
        found = []
        for run, job in self._marked_runs():
            found.append((earlier[run.owner], turns.get(run.owner, -1), run, job))
            earlier[run.owner] += 1
        found.sort(key=lambda one: one[:2])
        return [WaitingJob(run, job, place) for place, (*_, run, job) in enumerate(found, 1)]

    def _marked_runs(self) -> list[tuple[RunDir, str]]:
        """The runs that wait and their jobs, in each owner's own order."""
        listed = {key: at for at, key in enumerate(_read_names(self.file))}
        found = []
        for run in self.store.every_run("queued"):
            try:
                made, job = run.queue_mark.stat().st_mtime_ns, run.queued
            except OSError:
                continue
            if job:
                found.append((listed.get(key_of(run), len(listed)), made, run.id, run, job))
        return [(run, job) for *_, run, job in sorted(found, key=lambda one: one[:3])]

    def add(self, run: RunDir, job: str) -> None:
        """Put a job at the end of its owner's."""
        with self.hold_lock():
            # A run that works keeps its position: a worker that finds too little memory puts its
            # run back with a smaller layout.
            listed, own = _read_names(self.file), key_of(run)
            others = (one for one in self.store.every_run() if key_of(one) in listed)
            kept = {key_of(one) for one in others if one.is_busy} - {own}
            write_json(self.file, [*(key for key in listed if key in kept), own])
            write_whole(run.queue_mark, job)

    def require_place(self, owner: str) -> None:
        """Raise RunError where this owner, or all of them together, have enough jobs waiting."""
        limits = self.store.limits
        if min(limits.waiting_each, limits.waiting_all) == UNLIMITED:
            return
        waiting = self.waiting_jobs()
        own = sum(one.run.owner == owner for one in waiting)
        if own >= limits.waiting_each:
            jobs = count_of(own, "job of yours waits", "jobs of yours wait")
            raise RunError(
                f"{jobs} already. {limits.who} takes no more at a time from one user. Wait until "
                "one begins, or remove one from the queue."
            )
        if len(waiting) >= limits.waiting_all:
            raise RunError(
                f"{len(waiting)} jobs of all users wait already. {limits.who} takes no more at a "
                "time. Try again in a few minutes."
            )

    def note_turn(self, owner: str) -> None:
        """Note that a job of this owner begins: others come first now."""
        if not self.store.all_owners():
            return
        # Also of owners of whom nothing waits now: who comes back must not come before all others.
        turns = [one for one in _read_names(self.turns_file) if one != owner]
        write_json(self.turns_file, [*turns, owner][-MOST_TURNS:])

    def move(self, run: RunDir, where: QueueMove) -> None:
        """Move a waiting job among its owner's; raises RunError where it does not wait."""
        steps = {"first": -(10**6), "up": -1, "down": 1}
        if where not in steps:
            raise RunError(f"'{where}' is not a move in the queue. Choose up, down or first.")
        with self.hold_lock():
            order = [key_of(one) for one, _ in self._marked_runs() if one.owner == run.owner]
            if key_of(run) not in order:
                raise RunError(f"'{run.name}' is no longer waiting: it is {run.state()}.")
            at = order.index(key_of(run))
            order.remove(key_of(run))
            order.insert(max(0, at + steps[where]), key_of(run))
            others = [key for key in _read_names(self.file) if key not in order]
            write_json(self.file, [*others, *order])


def name_for(owner: str, run: RunDir) -> str:
    """The name under which an owner sees a run; the owner "" sees the names of all."""
    if run.owner == owner:
        return run.name
    return ANOTHER if owner else f"{run.name} ({run.owner})"


def key_of(run: RunDir) -> str:
    """A run in ``queue.json``: its id, after its owner's name and / where it has one."""
    return f"{run.owner}/{run.id}" if run.owner else run.id


def _read_names(file: Path) -> list[str]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
