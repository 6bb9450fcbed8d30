"""Engine without torch: queue, stop, cancel, continue, restart. The fake backend does the work."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import namedtuple

import psutil
import pytest

from engine.__main__ import main as cli
from engine.data import datasets
from engine.errors import ModelError, RunError, SpecError
from engine.model import fingerprint
from engine.process import exit_status
from engine.process.run import ProcessBackend
from engine.runs.engine import Engine
from engine.runs.step_down import current_layout
from engine.spec import presets
from engine.spec import run as specs
from engine.store import events as ev
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
    assert run.spec.name == run.meta["name"] != ""
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


def test_the_desk_refuses_settings_that_make_no_sense(make) -> None:
    engine = make(steps=3)
    for temperature, longest in ((-1, 8), (float("nan"), 8), (float("inf"), 8), (0, 0), (0, 10**9)):
        with pytest.raises(SpecError, match="must be from 0 to 2"):
            next(engine.desk.chat("x", [], [], temperature, longest))


def test_what_waits_survives_the_app(make, home) -> None:
    asking = Engine(home, FakeBackend(), supervise=False)
    run = asking.start(SPEC)
    time.sleep(0.3)
    assert run.state() == RunState.QUEUED
    make(steps=3)
    wait_for(run, idle)
    assert run.state() == RunState.FINISHED


def test_only_one_of_two_engines_supervises(make) -> None:
    make(steps=3)
    second = make(steps=3)
    run = second.start(SPEC)
    wait_for(run, idle)
    assert run.view().attempt == 1 and run.state() == RunState.FINISHED


class Dies:
    """A worker that the system kills."""

    def __init__(self, code: int, merging: bool = False) -> None:
        self.code, self.merging = code, merging

    def work(self, run, job: str) -> int:
        if self.merging:
            run.emit(ev.Merging(precision="bf16"))
        return self.code


@pytest.mark.parametrize(
    ("code", "words"), [(-9, "killed by the system"), (-15, "asked to end"), (3, "exit code 3")]
)
def test_a_worker_that_cannot_say_why_it_ended(home, code: int, words: str) -> None:
    engine = Engine(home, Dies(code))
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().warnings and idle(run))
    assert run.state() == RunState.INTERRUPTED
    assert words in run.view().warnings[0]
    engine.close()


class Starved(FakeBackend):
    """Workers that die for want of memory until few enough examples are in it at once."""

    def __init__(self, code: int, fits: int, stop: bool = False, words: str = "") -> None:
        super().__init__(steps=3)
        self.code, self.fits, self.stop, self.words = code, fits, stop, words

    def work(self, run, job: str) -> int:
        if current_layout(run).batch <= self.fits:
            return super().work(run, job)
        run.queue_mark.unlink()
        run.log.write_text(self.words)
        if self.stop:
            run.stop_mark.write_text("keep")
        return self.code


@pytest.fixture
def kills(monkeypatch):
    """The system says that it killed for memory, each time that it is asked."""
    counter = iter(range(1000))
    monkeypatch.setattr("engine.hardware.count_memory_kills", lambda: next(counter))


def test_a_worker_that_is_killed_for_memory_goes_on_with_less(home, kills) -> None:
    engine = Engine(home, Starved(-9, fits=4))
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().ended and idle(run))
    effective = SPEC.optim.batch_size * SPEC.optim.accumulation
    assert run.state() == RunState.FINISHED and run.view().layout == (4, effective // 4, False)
    assert not run.view().warnings
    engine.close()


class Dying:
    """A worker's process that is looked at 20 times until it is gone, killed."""

    looks = 0

    def wait(self, timeout: float) -> int:
        self.looks += 1
        if self.looks < 20:
            raise subprocess.TimeoutExpired("worker", timeout)
        return -9


@pytest.mark.parametrize(("counted", "for_memory"), [(18, True), (16, True), (5, False)])
def test_the_system_counts_a_kill_some_time_before_the_worker_is_gone(
    home, monkeypatch, counted, for_memory
) -> None:
    """A kill that is counted long before the end was of another process."""
    worker = Dying()
    monkeypatch.setattr(ProcessBackend, "start", lambda *_: worker)
    monkeypatch.setattr("engine.hardware.count_memory_kills", lambda: int(worker.looks >= counted))
    engine = Engine(home, ProcessBackend())
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().warnings or run.view().stepped, 20)
    assert bool(run.view().stepped) == for_memory
    engine.close()


@pytest.mark.parametrize(
    ("counted", "words", "for_memory"), [(1, "", True), (0, "std::bad_alloc", True), (0, "", False)]
)
def test_a_worker_that_an_earlier_app_left_is_explained_too(
    home, monkeypatch, counted, words, for_memory
) -> None:
    """The app was killed and restarted during a run; then memory ran out, or did not."""
    run = Engine(home, supervise=False).start(SPEC)
    run.queue_mark.unlink()
    run.emit(ev.Phase(text="Loading the model."))
    found = []
    monkeypatch.setattr("engine.hardware.count_memory_kills", lambda: sum(found))
    run.log.write_text("std::bad_alloc of an attempt before")
    with run.lock.acquire():
        engine = Engine(home, FakeBackend(steps=3))
        time.sleep(0.6)
        assert engine.supervisor.at_work == run.id and run.state() == RunState.PREPARING
        found.append(counted)
        with run.log.open("a") as log:
            log.write(words)
    wait_for(run, lambda run: not engine.supervisor.at_work and idle(run))
    assert run.state() == (RunState.FINISHED if for_memory else RunState.INTERRUPTED)
    assert len(run.view().stepped) == for_memory and not run.view().warnings
    engine.close()


def test_one_that_never_fits_ends_with_what_would_help(home, kills) -> None:
    engine = Engine(home, Starved(-9, fits=0))
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().warnings and idle(run))
    assert run.state() == RunState.INTERRUPTED and run.view().layout == (1, 8, True)
    assert "no smaller layout left" in run.view().warnings[0] and "4-bit" in run.view().warnings[0]
    engine.close()


@pytest.mark.parametrize(
    ("code", "words", "steps"), [(-6, "terminate: std::bad_alloc", 1), (-6, "assertion", 0)]
)
def test_a_library_that_runs_out_of_memory_is_distinguished_from_a_crash(
    home, code: int, words: str, steps
) -> None:
    engine = Engine(home, Starved(code, fits=4, words=words))
    run = engine.start(SPEC)
    wait_for(run, lambda run: (run.view().ended or run.view().warnings) and idle(run))
    assert len(run.view().stepped) == steps
    assert run.state() == (RunState.FINISHED if steps else RunState.INTERRUPTED)
    engine.close()


class StarvedMerge(FakeBackend):
    """Training is cut short; the merge dies for want of memory."""

    def work(self, run, job: str) -> int:
        run.queue_mark.unlink()
        if job == "train":
            run.adapter.mkdir(exist_ok=True)
            (run.adapter / "adapter_model.safetensors").write_bytes(b"fake")
            (run.adapter / "adapter_config.json").write_text("{}")
            run.emit(ev.Saved(step=1, best=True))
            return 3
        run.emit(ev.Merging(precision="fp32"))
        run.log.write_text("std::bad_alloc")
        return -6


def test_what_an_attempt_before_said_of_memory_is_not_said_of_this_one(home) -> None:
    run = Engine(home, supervise=False).start(SPEC)
    run.log.write_text("terminate: std::bad_alloc")
    said = run.log.stat().st_size
    assert exit_status.ended_for_memory(run, -6, 0, log_size=0)
    assert not exit_status.ended_for_memory(run, -6, 0, said)


def test_a_merge_without_memory_starts_no_training(home) -> None:
    engine = Engine(home, StarvedMerge())
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().warnings and idle(run))
    engine.merge(run.id, "fp32")
    wait_for(run, lambda run: run.view().merged and idle(run))
    assert not run.view().merged["fp32"].ok
    assert not run.view().stepped
    assert len(run.view().warnings) == 1
    engine.close()


def test_who_asked_to_stop_is_not_overruled_by_a_kill(home, kills) -> None:
    engine = Engine(home, Starved(-9, fits=4, stop=True))
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().warnings and idle(run))
    assert run.state() == RunState.INTERRUPTED and not run.view().stepped
    assert "before the run had stopped" in run.view().warnings[0]
    engine.close()


def test_a_merge_that_is_killed_is_said(home) -> None:
    engine = Engine(home, Dies(-9, merging=True))
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().merged)
    assert run.view().merged["bf16"].ok is False and not run.view().merging
    engine.close()


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
    with pytest.raises(RunError, match="Another job of it works or waits"):
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
