"""Marks change with what they stand for, and with nothing else."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from engine.runs.engine import Engine
from engine.spec.run import RunSpec
from engine.store import events as ev
from engine.store import heartbeat
from engine.store.changes import CHOICES, LISTS, QUEUE, RUNS, Marks, marks_of, queue_mark, run_mark
from engine.store.run_queue import RunQueue
from tests.fake_backend import FakeBackend


def changed(before: Marks, after: Marks) -> set[str]:
    return {name for name in before | after if before.get(name) != after.get(name)}


def look(engine: Engine) -> Marks:
    return marks_of(engine.store) | {QUEUE: queue_mark(RunQueue(engine.store))}


def test_each_mark_follows_its_own_thing(home: Path) -> None:
    engine = Engine(home, FakeBackend(), supervise=False)
    marks = look(engine)
    assert changed(marks, look(engine)) == set()

    run = engine.start(RunSpec())
    begun = look(engine)
    assert {RUNS, QUEUE, run_mark(run.id)} <= changed(marks, begun) and CHOICES in begun

    run.emit(ev.Phase(text="Starting the training process."))
    begun = look(engine)
    run.emit(ev.Phase(text="Reading the examples."))
    told = look(engine)
    assert changed(begun, told) == {run_mark(run.id)}, "an event is no new state"

    run.set_meta(note="mine")
    assert RUNS in changed(told, look(engine)), "the tables show its note"

    now = look(engine)
    engine.store.choices_file.write_text("{}")
    assert changed(now, now := look(engine)) == {CHOICES}
    (engine.store.recipes / "mine.yaml").write_text("")
    assert changed(now, now := look(engine)) == {LISTS}

    engine.cancel(run.id)
    assert {RUNS, QUEUE} <= changed(now, now := look(engine))
    engine.delete(run.id)
    assert {RUNS, run_mark(run.id)} <= changed(now, look(engine))
    engine.close()


def test_a_worker_that_is_killed_is_seen_although_it_writes_nothing(home: Path) -> None:
    engine = Engine(home, FakeBackend(), supervise=False)
    run = engine.start(RunSpec())
    heartbeat.write_sign(run.path, heartbeat.own_sign())
    with FileLock(run.path / "lock"):
        alive = look(engine)
        assert look(engine)[RUNS] == alive[RUNS]
    assert {RUNS, run_mark(run.id)} <= changed(alive, look(engine))
    engine.close()
