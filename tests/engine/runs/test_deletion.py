"""Deleting data and everything: no word of it stays; forgetting owners who do not come back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.data import datasets, edit, ingest
from engine.data.upload import Upload
from engine.errors import DataError, RunError
from engine.process import oneshot
from engine.runs import deletion, recipes
from engine.runs.engine import Engine
from engine.runs.supervisor import Forgetter
from engine.spec import run as specs
from engine.spec.limits import DEMO
from engine.spec.run import DataSpec
from engine.store.run_dir import RunDir
from tests.conftest import wait_for
from tests.fake_backend import FakeBackend
from tests.ui.fakes import FakeDesk

WORD = "Xylophone"  # stands in every row


@pytest.fixture(params=["", "ada"])
def engine(home: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine of a local workspace, then one of one user of several."""
    root = Engine(home, FakeBackend(steps=2000, seconds=0.01))
    root.desk = FakeDesk()  # type: ignore[assignment]
    yield root.for_owner(request.param)
    root.close()


def add_rows(engine: Engine, tmp_path: Path, name: str = "rows.jsonl") -> str:
    file = tmp_path / name
    rows = (f'{{"prompt": "{WORD} {at} {name}", "completion": "A {at}."}}\n' for at in range(12))
    file.write_text("".join(rows))
    source = ingest.ingest_files(engine.store, [Upload(file, name)])
    file.unlink()
    return source


def train(engine: Engine, source: str) -> RunDir:
    run = engine.start(specs.make_spec({"name": "a run", "data": {"source": source}}))
    engine.store.tmp.mkdir(parents=True, exist_ok=True)
    (engine.store.tmp / "rows.csv").write_text(WORD)
    (engine.store.tokens / "key").mkdir(parents=True, exist_ok=True)
    (engine.store.tokens / "key" / "tokens.arrow").write_text(WORD)
    return run


def files_with_the_word(engine: Engine) -> list[Path]:
    found = (path for path in engine.store.root.rglob("*") if path.is_file())
    return [path for path in found if WORD.encode() in path.read_bytes()]


def test_data_is_deleted_with_all_that_was_made_of_it(engine: Engine, tmp_path: Path) -> None:
    source, other = add_rows(engine, tmp_path), add_rows(engine, tmp_path, "other.jsonl")
    data = DataSpec(source=source)
    prepared = oneshot.prepare_rows(engine.store, data)
    edited = edit.save_edited_rows(engine.store, prepared, {1: None}, [], source)
    run = train(engine, source)
    use = deletion.find_use(engine.store, source)
    assert [one.id for one in use.runs] == [run.id] and use.bytes > 0
    assert [one.source for one in use.edits] == [edited]
    deletion.delete_dataset(engine, source)
    left = {path.relative_to(engine.store.home).parts[:2] for path in files_with_the_word(engine)}
    kept = {("datasets", one.partition(":")[2]) for one in (other, edited)}
    assert left == kept | {("runs", run.id)}, "the run holds a copy of its own"
    with pytest.raises(DataError, match="There is no dataset"):
        datasets.load_dataset(engine.store, source)
    deletion.delete_dataset(engine, edited, with_runs=True)
    deletion.delete_dataset(engine, other)
    assert [path.parent.name for path in files_with_the_word(engine)] == ["data"] * 2


def test_runs_of_the_data_are_ended_and_deleted_where_that_is_asked_for(
    engine: Engine, tmp_path: Path
) -> None:
    source = add_rows(engine, tmp_path)
    works = train(engine, source)
    held = engine.start(specs.make_spec({"data": {"held_out_source": source}}))
    wait_for(works, lambda run: run.alive, 20)
    deletion.delete_dataset(engine, source, with_runs=True)
    assert not works.path.exists() and not held.path.exists() and not engine.live()
    assert not files_with_the_word(engine)


@pytest.mark.parametrize("source", ["sample:pirate", "dataset:nothing", "dataset:../../etc", "x"])
def test_samples_and_what_is_not_there_cannot_be_deleted(engine: Engine, source: str) -> None:
    with pytest.raises(DataError, match=r"cannot be deleted|no dataset"):
        deletion.delete_dataset(engine, source)


def test_everything_that_is_mine_is_deleted_and_nothing_else(
    engine: Engine, tmp_path: Path
) -> None:
    store, spec = engine.store, specs.make_spec({})
    other = engine.for_owner("bob")
    theirs = other.start(spec)
    (store.models / "mine").mkdir()
    (store.models / "mine" / "config.json").write_text("{}")
    source = add_rows(engine, tmp_path)
    works, waits = train(engine, source), train(engine, source)
    recipes.store_recipe(store, recipes.recipe_from_spec(spec, WORD))
    (store.runs / "damaged").mkdir()
    (store.runs / "damaged" / "spec.yaml").write_text(WORD)
    (store.datasets / ".draft-0123").mkdir()
    (store.datasets / ".draft-0123" / "rows.arrow").write_text(WORD)
    found = deletion.delete_everything(engine)
    assert (found.runs, found.datasets, found.recipes) == (3, 1, 1) and found.bytes > 0
    assert not files_with_the_word(engine) and not works.path.exists() and not waits.path.exists()
    assert not list(store.all_runs()) and not engine.queue()
    assert theirs.path.is_dir() and (store.models / "mine" / "config.json").is_file()
    assert deletion.count_belongings(store)[:3] == (0, 0, 0)
    again = train(engine, add_rows(engine, tmp_path))
    other.cancel(theirs.id)
    wait_for(again, lambda run: run.alive, 20)  # the queue goes on


def test_a_run_that_does_not_end_is_not_half_deleted(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "END_SECONDS", 0.2)
    source = add_rows(engine, tmp_path)
    engine.supervisor.close()
    run = train(engine, source)
    with run.lock.acquire(), pytest.raises(RunError, match="does not stop, so nothing was deleted"):
        deletion.delete_everything(engine)
    assert run.spec_file.is_file() and datasets.load_dataset(engine.store, source).rows == 12


def test_several_are_deleted_and_those_that_work_or_wait_only_where_that_is_asked(
    engine: Engine, tmp_path: Path
) -> None:
    source = add_rows(engine, tmp_path)
    works, waits, stays = (train(engine, source) for _ in range(3))
    wait_for(works, lambda run: run.alive, 20)
    with pytest.raises(RunError, match="working or waiting now"):
        deletion.delete_runs(engine, [waits.id])
    with pytest.raises(RunError, match="There is no run"):
        deletion.delete_runs(engine, [works.id, "../../etc"], stop=True)
    assert works.alive and waits.queued, "all of them or none"
    names = [works.name, waits.name]
    assert deletion.delete_runs(engine, [works.id, waits.id, works.id], stop=True) == names
    assert not works.path.exists() and not waits.path.exists() and stays.path.is_dir()
    assert [run.id for run in engine.live()] == [stays.id]


def test_a_run_of_another_is_not_deleted_with_ones_own(engine: Engine, tmp_path: Path) -> None:
    theirs = engine.for_owner("bob").start(specs.make_spec({}))
    with pytest.raises(RunError, match="There is no run"):
        deletion.delete_runs(engine, [theirs.id], stop=True)
    assert theirs.queued and theirs.path.is_dir()


# --- forgetting ---


@pytest.fixture
def demo(home: Path) -> Iterator[Engine]:
    root = Engine(home, FakeBackend(), limits=DEMO, supervise=False)
    yield root
    root.close()


def make_visitor(demo: Engine, name: str, hours_away: float) -> Engine:
    engine = demo.for_owner(name)
    engine.cancel(engine.start(specs.make_spec({})).id)
    engine.store.touch_owner()
    at = time.time() - 3600 * hours_away
    os.utime(engine.store.home / "seen", (at, at))
    return engine


def test_who_was_away_for_two_hours_is_forgotten_whole(demo: Engine) -> None:
    gone, there = make_visitor(demo, "gone", 2.1), make_visitor(demo, "there", 1.9)
    waits, works = make_visitor(demo, "waits", 3), make_visitor(demo, "works", 3)
    waits.start(specs.make_spec({}))
    own = demo.start(specs.make_spec({}))
    forgetter = Forgetter(demo.store)
    (run,) = works.store.all_runs()
    with run.lock.acquire():
        assert forgetter.remove_unseen() == ["gone"]
    assert not gone.store.home.exists() and there.store.home.is_dir() and own.path.is_dir()
    assert forgetter.remove_unseen() == ["works"] and not gone.queue()


@pytest.mark.parametrize("hours", [-5, 30])
def test_a_clock_that_jumps_costs_nobody_his_work(
    demo: Engine, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    visitor, forgetter = make_visitor(demo, "ada", 1.0), Forgetter(demo.store)
    assert forgetter.remove_unseen() == []
    now, steady = time.time() + 3600 * hours, time.monotonic()
    monkeypatch.setattr(time, "time", lambda: now)
    assert forgetter.remove_unseen() == []
    visitor.store.touch_owner()  # a sign of life, by the new clock
    assert forgetter.remove_unseen() == []
    monkeypatch.setattr(time, "monotonic", lambda: steady + 3600 * 1.9)
    assert forgetter.remove_unseen() == []
    monkeypatch.setattr(time, "monotonic", lambda: steady + 3600 * 2.1)
    assert forgetter.remove_unseen() == ["ada"]


def test_a_sign_of_life_costs_next_to_nothing(demo: Engine) -> None:
    visitor = make_visitor(demo, "ada", 1.0)
    visitor.store.touch_owner()
    first = visitor.store.last_seen()
    assert time.time() - first < 10
    visitor.store.touch_owner()
    assert visitor.store.last_seen() == first, "at most once a minute"


def test_the_supervisor_forgets(home: Path) -> None:
    asking = Engine(home, FakeBackend(), limits=DEMO, supervise=False)
    gone = make_visitor(asking, "gone", 5)
    engine = Engine(home, FakeBackend(), limits=DEMO)
    end = time.monotonic() + 30
    while gone.store.home.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not gone.store.home.exists()
    engine.close()


def test_deleting_nothing_cuts_nobody_s_reply_short(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_desk = Engine(home, FakeBackend(), supervise=False)
    freed: list[bool] = []
    monkeypatch.setattr(with_desk.desk, "free_memory", lambda: freed.append(True))
    with pytest.raises(RunError, match="There is no run"):
        with_desk.delete("")
    deletion.delete_everything(with_desk)
    assert not freed
    with_desk.close()


def test_a_small_file_of_many_words_is_prepared_in_a_process_of_its_own(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size of the rows counts, not that of the file that they came in."""
    engine = Engine(home, FakeBackend(), supervise=False)
    source = add_rows(engine, tmp_path)
    rows = datasets.load_dataset(engine.store, source).folder / "rows.arrow"
    asked: list[str] = []
    monkeypatch.setattr(oneshot, "SMALL_BYTES", rows.stat().st_size - 1)

    def ask(store: object, op: str, *_: object, **__: object) -> None:
        asked.append(op)
        raise DataError("asked")

    monkeypatch.setattr(oneshot, "ask_oneshot", ask)
    with pytest.raises(DataError, match="asked"):
        oneshot.prepare_rows(engine.store, DataSpec(source=source))
    assert asked == ["prepare_dataset"]
    engine.close()
