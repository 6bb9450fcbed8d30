"""What the supervisor says of workers that end: killed, crashed, out of memory, left by another."""

from __future__ import annotations

import subprocess
import time

import pytest

from engine.process import exit_status
from engine.process.run import ProcessBackend
from engine.runs.engine import Engine
from engine.runs.step_down import current_layout
from engine.spec import run as specs
from engine.store import events as ev
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for
from tests.fake_backend import FakeBackend

SPEC = specs.make_spec({"data": {"source": "sample:pirate"}})


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
@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("how", "words"), [("end", "You ended its process"), ("limit", "It was stopped after")]
)
def test_why_a_scoring_was_ended_is_said(home, how: str, words: str) -> None:
    engine = Engine(home, FakeBackend(), supervise=False)
    run = engine.start(SPEC)
    run.queue_mark.unlink()
    run.emit(ev.Scoring())
    run.stop_mark.write_text(how)
    engine.supervisor._explain_end(run, "score", -9, no_memory=False)
    assert words in run.view().score_problem and not run.view().scoring


def test_a_merge_that_is_killed_is_said(home) -> None:
    engine = Engine(home, Dies(-9, merging=True))
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().merged)
    assert run.view().merged["bf16"].ok is False and not run.view().merging
    engine.close()


def test_a_leftover_that_cannot_be_removed_stops_no_queue(home, monkeypatch) -> None:
    def refuse(_: object) -> None:
        raise PermissionError("a folder of somebody else's")

    monkeypatch.setattr("engine.store.workspace.Store.remove_leftovers", refuse)
    engine = Engine(home, FakeBackend(steps=2))
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().ended and idle(run))
    assert run.state() == RunState.FINISHED
    engine.close()


def test_what_is_done_while_nothing_works_is_not_done_during_a_run(home) -> None:
    """And where it fails, the queue goes on."""
    engine, seen = Engine(home, FakeBackend(steps=60)), []

    def rest() -> None:
        seen.append(engine.supervisor.at_work or any(run.alive for run in engine.store.all_runs()))
        raise OSError

    engine.supervisor.rest = rest
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().ended and idle(run))
    before = len(seen)
    wait_for(run, lambda _: len(seen) > before)
    assert not any(seen)
    engine.start(SPEC)
    wait_for(run, lambda _: len([one for one in engine.store.all_runs() if one.view().ended]) == 2)
    engine.close()


def test_a_worker_waits_for_the_next_run_once_somebody_has_looked_at_a_model(home) -> None:
    engine, tended = Engine(home, supervise=False), []
    assert engine.spare is None and engine.spare_memory == 0, "the command line needs none"
    engine.keep_spare()
    assert engine.spare and engine.spare_memory == 0
    engine.spare.tend = lambda: tended.append(True)
    engine.supervisor.rest()
    assert not tended
    engine.desk._child = object()
    engine.supervisor.rest()
    assert tended
