"""A damaged run folder breaks nothing but itself: not the list of runs, not the queue, no page."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store import events as ev
from engine.store.run_dir import RunDir
from tests.conftest import idle, wait_for
from tests.fake_backend import FakeBackend
from tests.ui.fakes import FakeDesk
from ui.compare.run_list import refresh_runs
from ui.context import Context
from ui.runs import queue
from ui.runs.table import runs_table
from ui.train import live

SPEC = specs.make_spec({"data": {"source": "sample:pirate"}})
BINARY = b"\xff\xfe\x00train"


def as_folder(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.mkdir()


def with_meta(run: RunDir, **changes: object) -> None:
    (run.path / "meta.json").write_text(json.dumps(run.meta | changes))


DAMAGES: dict[str, Callable[[RunDir], object]] = {
    "queued is a folder": lambda run: as_folder(run.queue_mark),
    "queued is binary": lambda run: run.queue_mark.write_bytes(BINARY),
    "queued is no job": lambda run: run.queue_mark.write_text("format the disk"),
    "queued is empty": lambda run: run.queue_mark.write_text(""),
    "queued leads nowhere": lambda run: run.queue_mark.symlink_to(run.path / "gone"),
    "stop is a folder": lambda run: as_folder(run.stop_mark),
    "events are a folder": lambda run: as_folder(run.events_file),
    "events are binary": lambda run: run.events_file.write_bytes(BINARY * 100),
    "events are of nobody": lambda run: run.events_file.write_text('{"kind": "step"}\n[]\n1\n'),
    "settings are a folder": lambda run: as_folder(run.spec_file),
    "settings are binary": lambda run: run.spec_file.write_bytes(BINARY),
    "meta is a folder": lambda run: as_folder(run.path / "meta.json"),
    "meta is binary": lambda run: (run.path / "meta.json").write_bytes(BINARY),
    "meta is a list": lambda run: (run.path / "meta.json").write_text("[1]"),
    "meta is nested": lambda run: (run.path / "meta.json").write_text("[" * 100_000),
    "no name": lambda run: (run.path / "meta.json").write_text("{}"),
    "a name that is a list": lambda run: with_meta(run, name=[1]),
    "no time": lambda run: with_meta(run, created="yesterday"),
    "a time that nobody has": lambda run: with_meta(run, created=1e300),
    "the lock is a folder": lambda run: as_folder(run.path / "lock"),
    "the adapter is a file": lambda run: run.adapter.write_bytes(b""),
    "data is a file": lambda run: run.data.rename(run.path / "d") and run.data.write_bytes(b""),
    "the log is a folder": lambda run: as_folder(run.log),
}


@pytest.fixture
def runs(home: Path) -> tuple[Engine, dict[str, RunDir], RunDir]:
    """An engine with one run that has ended for each damage, and one that stays whole."""
    engine = Engine(home, FakeBackend(), supervise=False)
    engine.desk = FakeDesk()  # type: ignore[assignment]
    whole = engine.start(SPEC)
    engine.cancel(whole.id)
    copies = (engine.store.runs / f"20990101-000000-{at:04}" for at in range(len(DAMAGES)))
    damaged = {
        damage: RunDir(Path(shutil.copytree(whole.path, copy)))
        for damage, copy in zip(DAMAGES, copies, strict=True)
    }
    return engine, damaged, whole


def test_the_others_are_listed_and_wait_and_work(
    runs: tuple[Engine, dict[str, RunDir], RunDir], home: Path
) -> None:
    asking, damaged, whole = runs
    for damage, run in damaged.items():
        DAMAGES[damage](run)
        for _ in range(2):  # the second time from what was kept
            table = json.loads(runs_table([run, whole]).text)
            rows = [row["id"] for row in table["rows"]]
            assert whole.id in rows, damage
            if run.spec_file.is_file():
                assert (run.id in rows) != (run.id in table["damaged"]), damage
    asking.resume(whole.id)
    assert [one.run.id for one in asking.queue()] == [whole.id]
    assert [run.id for run in asking.live()] == [whole.id]
    asking.move(whole.id, "first")
    assert asking.plan(SPEC).problems == ()
    ctx = Context(asking)
    assert queue.refresh_queue(ctx, "", "")[0].count("<li>") == 1
    assert refresh_runs(ctx)["choices"] == []
    assert live.poll_run(ctx, {})["run"] == whole.id
    for damage, run in damaged.items():
        answer = live.poll_run(ctx, {"run": run.id, "log": True})
        assert "mistake in Hone" not in str(answer), (damage, answer)
    engine = Engine(home, FakeBackend(steps=2, seconds=0))
    wait_for(whole, lambda run: idle(run) and run.state().value == "finished", 20)
    engine.close()


@pytest.mark.slow
def test_a_waiting_run_that_cannot_be_worked_on_does_not_keep_the_others_waiting(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = Engine(home, FakeBackend(), supervise=False)
    bad, good = asking.start(SPEC), asking.start(SPEC)

    class Stumbles(FakeBackend):
        def work(self, run: RunDir, job: str) -> int:
            if run.id == bad.id:
                as_folder(run.queue_mark)  # can neither be read nor removed
                raise PermissionError(13, "Permission denied")
            return super().work(run, job)

    engine = Engine(home, Stumbles(steps=2, seconds=0))
    wait_for(good, lambda run: idle(run) and run.state().value == "finished", 20)
    engine.close()


def test_a_folder_that_may_not_be_looked_into_is_passed_over(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = Engine(home, FakeBackend(), supervise=False)
    bad, good = asking.start(SPEC), asking.start(SPEC)
    asking.cancel(good.id)
    stat = os.stat

    def refuse(path: Any, **options: Any) -> os.stat_result:
        if not isinstance(path, int) and f"{bad.id}{os.sep}" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refuse)  # what the administrator is never told
    asking.resume(good.id)
    assert [one.run.id for one in asking.queue()] == [good.id]
    assert good.id in runs_table(asking.store.all_runs()).text


def test_a_mark_that_is_written_anew_is_tried_again(home: Path) -> None:
    engine = Engine(home, FakeBackend(steps=2, seconds=0), supervise=False)
    run = engine.start(SPEC)
    engine.supervisor._failed[run.path] = run.queue_mark.stat().st_mtime_ns
    assert not engine.supervisor._work_on_next() and run.queued
    engine.cancel(run.id)
    run.emit(ev.Stopped(step=0, kept=True))
    engine.resume(run.id)
    assert engine.supervisor._work_on_next() and run.state().value == "finished"


def test_a_look_at_a_run_that_is_just_deleted_does_not_make_its_folder_anew(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(home, FakeBackend(), supervise=False)
    run = engine.start(SPEC)
    shutil.rmtree(run.path)
    with monkeypatch.context() as patch:  # it was there a moment ago
        patch.setattr(type(run.path), "is_dir", lambda _: True)
        assert not run.alive
    assert not run.path.exists()
    engine.close()
