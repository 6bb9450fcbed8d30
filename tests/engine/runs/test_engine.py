"""Engine without torch: queue, stop, cancel, continue, restart. The fake backend does the work."""

from __future__ import annotations

import shutil
import time
from collections import namedtuple

import psutil
import pytest

from engine.__main__ import main as cli
from engine.data import datasets
from engine.errors import ModelError, RunError, SpecError
from engine.model import fingerprint
from engine.runs.engine import Engine
from engine.spec import presets
from engine.spec import run as specs
from engine.spec.spec_file import changed_spec
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for
from tests.fake_backend import FakeBackend

SPEC = specs.make_spec({"data": {"source": "sample:pirate"}})


@pytest.fixture
def make(home):
    """Engines on one workspace, closed at the end."""
    made = []

    def one(**options) -> Engine:
        engine = Engine(home, FakeBackend(**options))
        made.append(engine)
        return engine

    yield one
    for engine in made:
        engine.close()


def test_a_run_goes_from_waiting_to_finished(make) -> None:
    engine = make(steps=5)
    run = engine.start(SPEC)
    wait_for(run, idle)
    assert run.state() == RunState.FINISHED
    assert run.meta["name"] == "Pirate" and run.spec.name == "", "run again, it gets its own"
    assert run.train_file.is_file() and run.held_out_file.is_file() and run.about_file.is_file()


def test_runs_queue_in_the_order_of_their_start(make) -> None:
    engine = make(steps=10)
    first, second, third = (engine.start(SPEC) for _ in range(3))
    wait_for(first, lambda run: run.alive)
    assert second.state() == RunState.QUEUED and third.state() == RunState.QUEUED
    engine.cancel(second.id)
    assert second.state() == RunState.CANCELLED
    wait_for(third, idle)
    assert [run.state() for run in (first, second, third)] == [
        RunState.FINISHED,
        RunState.CANCELLED,
        RunState.FINISHED,
    ]
    assert first.view().ended.time < third.view().started.time


@pytest.mark.slow
def test_stop_keeps_cancel_does_not_and_both_continue(make) -> None:
    engine = make(steps=60)
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().step >= 2)
    engine.stop(run.id)
    wait_for(run, idle)
    assert run.state() == RunState.STOPPED
    engine.resume(run.id)
    wait_for(run, lambda run: run.view().attempt == 2 and run.view().step >= 4)
    engine.cancel(run.id)
    wait_for(run, idle)
    assert run.state() == RunState.CANCELLED
    engine.resume(run.id)
    wait_for(run, idle)
    assert run.state() == RunState.FINISHED
    with pytest.raises(RunError, match="finished"):
        engine.resume(run.id)
    with pytest.raises(RunError, match="not running"):
        engine.stop(run.id)


@pytest.mark.slow
def test_a_run_cancelled_while_the_desk_makes_room_never_starts(make, monkeypatch) -> None:
    engine = make()
    worked: list[str] = []
    backend = engine.supervisor.backend
    monkeypatch.setattr(backend, "work", lambda run, job: worked.append(job) or 0)
    monkeypatch.setattr(engine.desk, "free_memory", lambda: time.sleep(0.5))
    run = engine.start(SPEC)
    time.sleep(0.2)
    engine.cancel(run.id)
    time.sleep(0.6)
    assert worked == [] and run.state() == RunState.CANCELLED and not run.stop_mark.exists()


def test_a_worker_whose_run_was_taken_out_of_the_queue_does_nothing(home) -> None:
    from engine.work import __main__ as worker

    engine = Engine(home, supervise=False)
    run = engine.start(SPEC)
    engine.cancel(run.id)
    before = run.events_file.read_bytes()
    assert worker.main([str(run.path), "train"]) == 0
    assert run.events_file.read_bytes() == before and run.state() == RunState.CANCELLED


def test_a_folder_that_cannot_be_read_hides_no_other(make, home, capsys) -> None:
    engine = make(steps=3)
    run = engine.start(SPEC)
    wait_for(run, idle)
    for name, spec in (("20990101-000000-x-aaaa", "old_key: 1"), ("20990101-000000-y-bbbb", "")):
        (engine.store.runs / name).mkdir()
        (engine.store.runs / name / "spec.yaml").write_text(spec)
    (engine.store.datasets / "abc").mkdir()
    (engine.store.datasets / "abc" / "card.json").write_text("")
    assert [one.is_readable for one in engine.store.all_runs()] == [False, False, True]
    assert len(datasets.list_datasets(engine.store)) == 5
    assert cli(["runs", "--home", str(home)]) == 0 and run.id in capsys.readouterr().out
    assert cli(["show", "last", "--home", str(home)]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "{tmp}/no.yaml"], "cannot be read: No such file"),
        (["train", "{tmp}/spec.yaml/x"], "cannot be read: Not a directory"),
        (["train", "{tmp}/spec.yaml"], "there is no file 'nope.csv' beside spec.yaml"),
        (["runs", "--home", "{tmp}/spec.yaml"], "cannot be used"),
        (["show", "last"], "There is no run yet"),
        (["show", "../../etc"], "There is no run"),
        (["reply", "last", "--prompt", "  "], "--prompt: say something"),
    ],
)
def test_mistakes_on_the_command_line_are_one_sentence_and_2(
    home, tmp_path, capsys, words, said: str
) -> None:
    (tmp_path / "spec.yaml").write_text("data: {file: nope.csv}")
    words = [word.format(tmp=tmp_path) for word in words]
    assert cli([*words, *([] if "--home" in words else ["--home", str(home)])]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_the_desk_refuses_settings_that_make_no_sense(make, home) -> None:
    engine = make(steps=3)
    for temperature, longest in ((-1, 8), (float("nan"), 8), (float("inf"), 8), (0, 0), (0, 10**9)):
        with pytest.raises(SpecError, match="must be from 0 to 2"):
            next(engine.desk.chat(RunDir(home), [], [], temperature, longest))


def test_what_waits_survives_the_app(make, home) -> None:
    asking = Engine(home, FakeBackend(), supervise=False)
    run = asking.start(SPEC)
    time.sleep(0.3)
    assert run.state() == RunState.QUEUED
    make(steps=3)
    wait_for(run, idle)
    assert run.state() == RunState.FINISHED


@pytest.mark.slow
def test_only_one_of_two_engines_supervises(make) -> None:
    make(steps=3)
    second = make(steps=3)
    run = second.start(SPEC)
    wait_for(run, idle)
    assert run.view().attempt == 1 and run.state() == RunState.FINISHED


def test_what_is_wrong_is_said_before_anything_is_made(make, monkeypatch) -> None:
    engine = make()
    with pytest.raises(SpecError, match="not a folder"):
        engine.start(specs.make_spec({"model": {"source": "/nowhere"}}))
    with pytest.raises(SpecError, match="no dataset"):
        engine.start(specs.make_spec({"data": {"source": "dataset:0123456789abcdef"}}))
    usage = namedtuple("usage", "total used free percent")
    monkeypatch.setattr(psutil, "disk_usage", lambda path: usage(100, 100, 0, 100.0))
    with pytest.raises(SpecError, match="disk is too full"):
        engine.start(SPEC)
    assert list(engine.store.all_runs()) == []


def test_a_failed_run_says_why_and_can_continue(make) -> None:
    engine = make(fail="The disk is full. Make room.")
    run = engine.start(SPEC)
    wait_for(run, idle)
    assert run.state() == RunState.FAILED and run.state().can_continue
    assert run.view().ended.text == "The disk is full. Make room."


def test_nothing_saved_means_nothing_to_merge_or_score(make) -> None:
    engine = make(fail="The first step failed.")
    run = engine.start(SPEC)
    wait_for(run, idle)
    with pytest.raises(RunError, match="nothing to merge"):
        engine.merge(run.id, "fp32")
    with pytest.raises(RunError, match="not a precision"):
        engine.merge(run.id, "../../x")


def test_a_run_whose_score_waits_is_not_continued(home) -> None:
    engine = Engine(home, FakeBackend(), supervise=False)
    run = engine.start(SPEC)
    run.emit(ev.Stopped(step=1, kept=True))
    run.queue_mark.write_text("score")
    with pytest.raises(RunError, match="Another job of it is running or waiting"):
        engine.resume(run.id)
    assert run.queued == "score"


@pytest.mark.parametrize(("fail", "action"), [("It broke.", "resume"), ("", "extend")])
def test_a_run_goes_on_only_with_the_base_model_that_it_began_with(
    home, tmp_path, fail: str, action: str
) -> None:
    model = shutil.copytree(presets.POCKET_MODEL, tmp_path / "model")
    engine = Engine(home, supervise=False)
    run = engine.start(SPEC.model_copy(update={"model": specs.ModelSpec(source=str(model))}))
    FakeBackend(steps=5, seconds=0, fail=fail).work(run, "train")
    view = run.view()
    known = {"model_hash": fingerprint.hash_model(model), "resumed_from": view.step}
    run.emit(view.started.model_copy(update=known))
    run.emit(view.ended)
    goes_on = {"resume": lambda: engine.resume(run.id), "extend": lambda: engine.extend(run.id, 1)}
    config = (model / "config.json").read_text()
    (model / "config.json").write_text(config + "\n")
    with pytest.raises(RunError, match="made for another model"):
        goes_on[action]()
    (model / "config.json").write_text(config)
    model.rename(tmp_path / "moved")
    with pytest.raises(ModelError, match="is not a folder on this machine"):
        goes_on[action]()
    assert not run.queued and run.spec.optim.epochs == SPEC.optim.epochs
    (tmp_path / "moved").rename(model)
    goes_on[action]()
    assert run.queued == "train"


def test_runs_are_named_by_what_differs_and_carry_tags(make) -> None:
    engine = make(steps=2, seconds=0)
    first = engine.start(SPEC)
    again = engine.start(changed_spec(first.spec, ["method.rank=4"]))
    assert (first.name, again.name) == ("Pirate", "Pirate, rank 4")
    assert again.tags == () and again.spec.name == ""
    again.set_meta(tags=(" a  tag ", "A tag", "", "x" * 99))
    assert again.tags == ("a tag", "x" * 24)
    again.set_meta(tags="none")  # whatever somebody wrote into the file
    assert again.tags == () and again.name == "Pirate, rank 4"
