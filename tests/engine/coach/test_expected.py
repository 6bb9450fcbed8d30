"""What is said of a run is what happened: why it ended, what is kept, how long it took."""

from __future__ import annotations

import sys
import time

import pytest

from engine.coach import coach, expected
from engine.process.child import Child
from engine.process.desk import DESK_FAILURES
from engine.runs import report
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState, fold_events
from tests.conftest import idle, wait_for
from tests.engine.store.test_run_view import DONE, checked, started, step
from tests.fake_backend import FakeBackend
from ui import charts
from ui.train import live

SPEC = specs.make_spec({"data": {"source": "sample:pirate"}})
PHASE = ev.Phase(text="Loading the model.")
KILLED = ev.Warned(text="It was killed.")
ESTIMATED = ev.Estimated(trainable=1, memory_gb=1, seconds_low=1, seconds_high=9)


def saved(number: int, best: bool = True) -> ev.Saved:
    return ev.Saved(step=number, best=best)


@pytest.fixture
def run(home) -> RunDir:
    """One that nobody works on."""
    made = Engine(home, supervise=False).start(SPEC)
    made.queue_mark.unlink()
    return made


def emit_all(run: RunDir, *events: ev.Event) -> None:
    for event in events:
        run.emit(event)


# How it ended


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (
            [ev.Warned(text="3 rows are left out."), PHASE, started(), step(1)],
            "ended without a message",
        ),
        ([started(), step(1), KILLED], "It was killed."),
        ([started(), step(1), KILLED, ev.Scoring(), ev.Warned(text="No.")], "It was killed."),
        ([started(), step(1), KILLED, PHASE], "ended without a message"),
        (
            [ev.Warned(text="A checkpoint is damaged."), started(resumed_from=1), step(2)],
            "ended without a message",
        ),
    ],
)
def test_why_a_run_was_interrupted_is_what_was_said_of_that(events, why: str) -> None:
    assert coach.describe_run(fold_events(events), RunState.INTERRUPTED).text.startswith(
        (why, f"The training process {why}")
    )


@pytest.mark.slow
def test_a_process_that_cannot_be_started_is_said(home, monkeypatch) -> None:
    def full(*_) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(FakeBackend, "work", full)
    engine = Engine(home, FakeBackend())
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.view().warnings and idle(run))
    said = coach.describe_run(run.view(), run.state())
    assert said.title == "Interrupted"
    assert "could not be started (Resource temporarily unavailable)" in said.text
    monkeypatch.undo()
    engine.resume(run.id)
    wait_for(run, lambda run: run.state() == RunState.FINISHED)
    monkeypatch.setattr(FakeBackend, "work", full)
    engine.merge(run.id, "fp32")
    wait_for(run, lambda run: run.view().merged and idle(run))
    assert "could not be started" in run.view().merged["fp32"].text
    assert run.state() == RunState.FINISHED
    engine.score(run.id)
    wait_for(run, lambda run: run.view().score_problem and idle(run))
    assert "could not be started" in run.view().score_problem and run.state() == RunState.FINISHED
    engine.close()


@pytest.mark.slow
def test_a_process_that_holds_the_model_and_has_just_ended_keeps_no_run_waiting(home) -> None:
    desk = Engine(home, supervise=False).desk
    deaf = "import os, time; os.close(0); print(); time.sleep(60)"
    child = Child((sys.executable, "-c", deaf), desk.store.home / "desk.log", DESK_FAILURES)
    time.sleep(1)  # from here on, what is written to it comes back as a broken pipe
    desk._child = child
    desk._with_weights.add("chat")  # else there would be nothing to free
    desk.free_memory()
    assert not child.alive and desk._child is None


def test_one_that_is_not_what_the_queue_expects_does_not_stop_the_queue(home, monkeypatch) -> None:
    monkeypatch.setattr(FakeBackend, "work", lambda *_: 1 / 0)
    engine = Engine(home, FakeBackend(steps=2))
    first = engine.start(SPEC)
    wait_for(first, lambda run: not run.queued)
    monkeypatch.undo()
    second = engine.start(SPEC)
    wait_for(second, lambda run: run.state() == RunState.FINISHED)
    engine.close()


def test_a_run_that_was_interrupted_and_then_scored_is_not_training(run) -> None:
    emit_all(run, PHASE, started(), step(1), saved(1), ev.Scoring())
    with run.lock.acquire():
        emit_all(run, ev.Perplexity(what="the answers", base=2, tuned=1, tokens=4, rows=2, of=2))
        assert run.state() == RunState.INTERRUPTED
        report.write_report(run)
        emit_all(run, PHASE)
        assert run.state() == RunState.PREPARING
    assert "perplexity" in (run.path / report.REPORT_FILE).read_text().lower()


# Which version is kept


def test_a_better_version_that_was_never_saved_is_not_called_kept(run) -> None:
    events = [started(), checked(0, 4.0), step(1), checked(1, 3.0), saved(1), step(2)]
    emit_all(run, *events, checked(2, 2.0))
    view = run.view()
    assert view.best and view.best.step == 2 and view.kept and view.kept.step == 1
    assert report.make_report(run).best_step == 1
    assert live.poll_answer(run, view, RunState.INTERRUPTED, {})["best"] == 1
    emit_all(run, saved(2, best=False), step(3), saved(3, best=False))
    assert run.view().kept == view.kept
    emit_all(run, started(resumed_from=0))
    assert run.view().kept is None


def test_only_a_run_with_a_result_is_offered_for_comparing() -> None:
    events = [started(), step(1), saved(1, best=False), ev.Paused(step=1)]
    offered = live.run_buttons(fold_events(events), RunState.PAUSED) + live.run_buttons(
        fold_events([*events, saved(1)]), RunState.PAUSED
    )
    assert [event for event, *_ in offered] == ["continue_run", "continue_run", "compare_run"]


# What the user asked


def test_a_wish_that_could_not_be_written_is_not_shown_as_one(run) -> None:
    emit_all(run, started(), step(1))
    run.stop_mark.write_text("")  # the disk was full
    assert live.poll_answer(run, run.view(), RunState.TRAINING, {})["buttons"]
    run.stop_mark.write_text("pause")
    shown = live.poll_answer(run, run.view(), RunState.TRAINING, {})
    assert not shown["buttons"] and shown["label"] == "Pausing…"


@pytest.mark.slow
def test_a_check_that_stopping_brought_does_not_use_up_the_patience(run) -> None:
    from engine.work.train.callback import CheckSchedule, RunCallback

    way = [started(), checked(2, 1.0), step(4), checked(4, 1.5), step(5), checked(5, 1.4)]
    emit_all(run, *way, ev.Stopped(step=5, kept=True))
    found = RunCallback(run, CheckSchedule(2, 300, 2), lambda _: started(), list)
    found.restore(5)
    assert found.checks_without_gain == 1 and not found.exhausted
    emit_all(run, started(resumed_from=5), step(6), checked(6, 1.3))
    found = RunCallback(run, CheckSchedule(2, 300, 2), lambda _: started(), list)
    found.restore(6)
    assert found.exhausted


@pytest.mark.slow
def test_the_early_checks_of_a_long_run_do_not_use_up_the_patience(run) -> None:
    from engine.work.train.callback import CheckSchedule, RunCallback

    rising = [checked(at, 1 + at / 100) for at in (0, 25, 50, 100)]
    emit_all(run, started(), *rising, step(100))
    found = RunCallback(run, CheckSchedule(100, 300, 2), lambda _: started(), list)
    found.restore(100)
    assert found.schedule.early == [25, 50] and found.checks_without_gain == 1


def test_an_app_that_died_while_it_made_a_run_longer_made_it_no_longer(home) -> None:
    engine = Engine(home, FakeBackend(steps=2))
    run = engine.start(SPEC)
    wait_for(run, lambda run: run.state() == RunState.FINISHED and idle(run))
    values = run.spec.model_dump()
    had = values["optim"]["epochs"]
    values["optim"]["epochs"] += 1
    run.set_spec(specs.make_spec(values))  # and here it died
    made = report.make_report(run)
    (passes,) = (one.value for one in made.settings if one.label == "Passes")
    assert passes == f"{had:g} epochs" and "extend" not in made.command
    engine.extend(run.id, 1)
    assert run.spec.optim.epochs == run.view().started.epochs == had + 1
    engine.close()


def test_what_a_deletion_left_is_removed_by_the_next_app(home, run) -> None:
    left = run.path.with_name(f".deleted-{run.id}")
    run.path.rename(left)
    engine = Engine(home, FakeBackend())
    wait_for(run, lambda _: not left.exists(), 10)
    engine.close()


# Time and memory


def test_the_share_of_checks_is_of_the_time_with_the_last_check() -> None:
    done = ev.Finished(step=1, seconds=6.0, memory_gb=1, checks_seconds=4.0)
    figures = {
        line.what: line.real
        for line in expected.check_estimates(
            fold_events([started(), ESTIMATED, step(1), done]), RunState.FINISHED
        )
    }
    assert figures["Time in checks and samples"] == "4 s (67 %)" and figures["Time"] == "6 s"


@pytest.mark.slow
def test_time_goes_on_from_the_checkpoint_with_the_check_that_came_before_it(run) -> None:
    from engine.work.train.callback import CheckSchedule, RunCallback

    emit_all(run, started(), step(3), ev.Saved(step=3, best=True, checks_seconds=4.0, seconds=11.0))
    found = RunCallback(run, CheckSchedule(1, 300, None), lambda _: started(), list)
    found.restore(3)
    assert (found.earlier_seconds, found.checks_seconds) == (11.0, 4.0)


def test_the_peak_of_memory_is_that_of_the_layout_that_it_ended_with() -> None:
    less = ev.SteppedDown(batch=1, accumulation=8, checkpointing=False, why="x")
    wide = step(1).model_copy(update={"memory_gb": 9.0})
    assert fold_events([started(), wide]).memory_gb == 9.0
    ended = fold_events([started(), ESTIMATED, wide, less, ev.Failed(text="x")])
    assert [line.what for line in expected.check_estimates(ended, RunState.FAILED)] == [
        "Trained weights"
    ]
    assert fold_events([started(), wide, less, started(), step(1), DONE]).memory_gb == 1.0


def test_a_curve_of_one_step_has_each_number_once() -> None:
    both = charts.loss_curves_svg([(0.0, 3.0), (1.0, 2.0)], [], [], None)
    for drawn in both.split("<svg")[1:]:  # wide and narrow
        assert drawn.count(">0</text>") == 1 and drawn.count(">1</text>") == 1
