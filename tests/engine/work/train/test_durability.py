"""A run is never lost: kills, pauses, a loss that is NaN, early stopping.

That other goals and methods go on as exactly: test_resume.py.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time

import pytest

from engine.coach import coach
from engine.process import exit_status
from engine.process.end import end_process
from engine.runs.engine import Engine
from engine.store import events as ev
from engine.store.run_view import RunState
from engine.work.train.callback import CheckSchedule, RunCallback
from engine.work.train.checkpoint_check import find_problem
from tests.conftest import idle, wait_for
from tests.engine.work.train import killed_runs
from tests.engine.work.train.conftest import without_end, work
from tests.engine.work.train.killed_runs import Doomed, differences, make, train
from tests.fake_backend import FakeBackend

# kill -9


@pytest.mark.usefixtures("kills_apart")
def test_kill_9_costs_at_most_what_came_after_the_last_checkpoint(runs, home, monkeypatch) -> None:
    """Mid-epoch and while a checkpoint is written, with dropout and accumulation.

    The last one hangs before: it is suspended, says nothing, and obeys only force.
    """
    monkeypatch.setattr(end_process, "__defaults__", (0.3,))
    whole, backend, draw = runs.whole(), Doomed(), random.Random(1)
    engine = Engine(home, backend)
    run, offset, partial = make(engine, sampling={"save_minutes": 0}), 0, 0
    for kill in range(3):
        for event in killed_runs.new_events(run, offset):
            if isinstance(event, ev.Step) and event.epoch > 1 + kill:
                break
        if kill % 2:
            end = time.monotonic() + 10
            while not list(run.checkpoints.glob(".saving/checkpoint-*")) and time.monotonic() < end:
                time.sleep(0.0005)
        time.sleep(draw.uniform(0, 0.02))
        if kill < 2:
            backend.kill()
        else:
            os.kill(backend.worker.pid, signal.SIGSTOP)
            engine.stop(run.id)
            time.sleep(0.5)
            assert run.alive, "it does not obey"
            engine.end_now(run.id)
            wait_for(run, lambda run: exit_status.ENDED_AT_REQUEST in run.view().warnings, 10)
        backend.worker.wait()
        killed_at, offset = run.view().step, run.events_file.stat().st_size
        partial += bool(list(run.checkpoints.glob(".saving/checkpoint-*")))
        killed_runs.go_on(engine, run)
        wait_for(run, lambda run: run.view().attempt == kill + 2)  # noqa: B023
        assert 0 <= killed_at - run.view().started.resumed_from <= 1, "it saves after every step"
    killed_runs.finish(run)
    engine.close()
    assert partial, "none was hit while it saved"
    assert not differences(run, whole)


def test_how_often_it_is_checked_changes_nothing(runs) -> None:
    run = train(runs.new(sampling={"checks": 14, "save_minutes": 0}))
    assert len(run.view().checks) == 15 and not differences(run, runs.whole())


def test_what_a_killed_worker_had_saved_and_not_said_is_made_up_for(runs) -> None:
    run = runs.copy(runs.whole(), "unsaid")
    without_end(run, lambda line: '"saved"' in line and '"step":28' in line)
    shutil.rmtree(run.adapter)
    train(run)
    assert run.state() == RunState.FINISHED and run.view().started.resumed_from == 28
    assert run.view().saved[-1].step == 28 and not run.view().warnings
    assert run.view().saved[-1].best == (run.view().best.step == 28) == run.has_result


# Pause


def test_a_paused_run_saves_and_goes_on_exactly(runs) -> None:
    run = runs.new()
    run.stop_mark.write_text("pause")
    train(run)
    view = run.view()
    assert run.state() == RunState.PAUSED and run.state().can_continue and not run.state().live
    assert view.step == 1 and [check.step for check in view.checks] == [0], "nothing is measured"
    assert view.saved[-1].step == 1 and not view.saved[-1].best, "it was not measured"
    expected = "Everything up to step 1 of 28 is kept. Press Resume to go on."
    assert coach.describe_run(view, run.state()).text == expected
    run.stop_mark.unlink()
    train(run)
    assert not differences(run, runs.whole())


def test_pause_works_while_it_waits_and_while_it_trains(home) -> None:
    engine = Engine(home, FakeBackend(steps=400))
    first, second = (engine.start(killed_runs.specs.make_spec({})) for _ in range(2))
    wait_for(first, lambda run: run.view().step >= 2)
    engine.pause(second.id)
    engine.pause(first.id)
    wait_for(first, idle)
    assert first.state() == second.state() == RunState.PAUSED
    engine.resume(first.id)
    wait_for(first, lambda run: run.view().attempt == 2)
    engine.cancel(first.id)
    wait_for(first, idle)
    engine.close()


# A loss that is no number


def test_a_loss_that_is_no_number_ends_the_run_before_its_step(runs) -> None:
    run = runs.new(sampling={"save_minutes": 0})
    with killed_runs.noted(run, {"nan": 9}):
        assert work(run) == 1
    view = run.view()
    assert run.state() == RunState.FAILED and view.step == 8 and view.saved[-1].step == 8
    expected = "At step 9 the loss was no longer a number (nan), so training was ended"
    assert view.ended.text.startswith(expected)
    assert "The learning rate (0.005) is probably too high" in view.ended.text
    assert not find_problem(run.checkpoints / "checkpoint-8") and run.has_result


# Early stopping


def test_it_stops_when_it_no_longer_improves_and_marks_the_best(runs) -> None:
    rising = {"learning_rate": 1.0, "schedule": "constant", "patience": "strict"}
    run = train(runs.new(optim=killed_runs.OPTIM | rising, sampling={"checks": 14}))
    view = run.view()
    assert run.state() == RunState.FINISHED and view.ended.early and view.step < view.total_steps
    assert view.ended.step == view.checks[-1].step and view.checks[-3].step == view.best.step
    best = [saved.step for saved in view.saved if saved.best]
    assert best[-1] == view.best.step
    said = coach.describe_run(view, run.state())
    assert said.title == f"Stopped improving at step {view.best.step}" and "is kept" in said.text
    # A worker that is killed before it can say so does not train on when it is continued.
    without_end(run)
    train(run)
    assert run.view().ended.early
    assert run.view().step == view.step == run.view().ended.step
    # More epochs give it another chance.
    run.emit(ev.Extended(epochs=run.spec.optim.epochs))
    train(run)
    assert run.view().step > view.step


# Time


def test_checks_take_a_tenth_of_the_time_at_most_once_a_run_is_long(runs) -> None:
    report = RunCallback(runs.whole(), CheckSchedule(1, 300, None), lambda _: None, list)
    cases = ((60, 29, True), (60, 31, False), (1000, 89, True), (1000, 92, False))
    for seconds, checks, due in cases:
        report.earlier_seconds, report.checks_seconds = seconds, checks
        assert report._can_afford_check() == due
    assert 0 < runs.whole().view().ended.checks_seconds < runs.whole().view().ended.seconds


# How a worker ended


@pytest.mark.parametrize(
    ("code", "memory", "words"),
    [
        (-9, True, "because memory ran out"),
        (-9, False, "killed by the system (signal 9)"),
        (-11, False, "crashed (signal 11, SIGSEGV)"),
        (-6, False, "crashed (signal 6, SIGABRT)"),
        (-15, False, "asked to end"),
        (3, False, "exit code 3"),
    ],
)
def test_the_ends_of_a_worker_are_distinguished(code, memory, words) -> None:
    assert words in exit_status.describe_training_end(code, memory)
