"""The Train tab while a run trains, and what it and the Runs tab show afterwards."""

from __future__ import annotations

import pytest

from engine.coach import coach, expected
from engine.runs import report
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState, RunView, fold_events
from engine.text import format_time_range, is_within_range, rounded_range
from ui.context import Context
from ui.runs import report as report_view
from ui.runs.table import runs_table
from ui.train import live, live_parts


def started(trainable: int = 10) -> ev.Started:
    return ev.Started(
        pid=1, device="CPU", precision="fp32", trainable=trainable, total=100, steps=2, epochs=1,
        rows=8, held_out=2, tokens=800, learned=300, cut=0,
    )  # fmt: skip


def estimated(memory_gb: float = 1.0) -> ev.Estimated:
    return ev.Estimated(trainable=10, memory_gb=memory_gb, seconds_low=40, seconds_high=80)


def step(number: int = 1) -> ev.Step:
    return ev.Step(step=number, epoch=1, loss=1, lr=1e-3, tokens=100, seconds=57.3, memory_gb=1.1)


def test_estimated_and_real_stand_side_by_side() -> None:
    done = ev.Finished(step=2, seconds=57.3, memory_gb=1, checks_seconds=20)
    view = fold_events([estimated(), started(), step(), done])
    checks = list(expected.check_estimates(view, RunState.FINISHED))
    assert [tuple(one.model_dump().values()) for one in checks] == [
        ("Trained weights", "10", "10", True),
        ("Peak memory", "1.0 GB", "1.1 GB", True),
        ("Time", "40 to 80 s", "57 s", True),
        ("Time in checks and samples", "up to 30 s", "20 s (35 %)", True),
    ]
    stopped = fold_events([estimated(), started(), step(), ev.Stopped(step=1, kept=True)])
    checks = list(expected.check_estimates(stopped, RunState.STOPPED))
    assert len(checks) == 2, "a run that ended early says nothing of the time"
    assert not list(expected.check_estimates(RunView(), RunState.FINISHED))
    slow = done.model_copy(update={"seconds": 99})
    view = fold_events([estimated(3.0), started(11), step(), slow])
    checks = list(expected.check_estimates(view, RunState.FINISHED))
    assert [one.good for one in checks] == [False, True, False, True], "less memory is no harm"
    short = estimated(0.9)
    view = fold_events([short, started(), step()])
    assert not list(expected.check_estimates(view, RunState.STOPPED))[1].good


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(3.2, 7.6, "3 to 8 s"), (41, 79, "40 to 80 s"), (80, 200, "1.3 to 3.5 min"),
     (57, 57, "57 s"), (26, 88, "25 to 90 s"), (400, 900, "6 to 15 min"),
     (6000, 9000, "1.6 to 2.5 h"), (2, 40, "2 to 40 s"), (100, 5000, "1.6 to 84 min")],
)  # fmt: skip
def test_a_range_of_time_is_round(low: float, high: float, words: str) -> None:
    assert format_time_range(low, high) == words
    least, most = rounded_range(low, high)
    assert least <= low and high <= most, "all of it is shown"


@pytest.mark.parametrize(("seconds", "good"), [(5.9, False), (6, True), (13, True), (13.1, False)])
def test_a_time_is_judged_by_the_range_that_was_shown(seconds: float, good: bool) -> None:
    assert format_time_range(6.4, 12.6) == "6 to 13 s"
    assert is_within_range(seconds, 6.4, 12.6) == good


def test_the_panel_shows_stepping_down_and_the_estimate(ctx: Context, finished: RunDir) -> None:
    down = ev.SteppedDown(
        batch=4, accumulation=4, checkpointing=False, why="16 examples at once need more. <b>"
    )
    for event in (down, estimated(), step(21)):
        finished.emit(event)
    answer = live.poll_run(ctx, {"run": finished.id})
    assert "It goes on with 4 examples at once, 4 batches added up" in answer["warnings"][0]
    assert [name for name, *_ in answer["outcome"]] == ["Trained weights", "Peak memory", "Time"]
    assert ["Batch", "4 × 4"] in [entry[:2] for entry in answer["settings"]]
    shown = report_view.report_page(report.make_report(finished))
    assert "Expected and actual" in shown and "4 examples at once" in shown and "<b>" not in shown


def test_proving_is_said_while_it_lasts(ctx: Context, finished: RunDir) -> None:
    proving = ev.Proving(batch=8, accumulation=2, checkpointing=False, length=190)
    view = fold_events([ev.Phase(text="Proving."), proving])
    sentence = coach.describe_run(view, RunState.PREPARING).model_dump()
    assert "190 tokens" in sentence["text"] and "8 examples at once" in sentence["text"]


def test_accuracy_is_shown_where_it_is_measured() -> None:
    first = ev.Evaluated(step=0, loss=0.7, seconds=0)
    second = ev.Evaluated(step=2, loss=0.4, seconds=3, accuracy=0.92)
    view = fold_events([started(), first, second])
    assert "right on 92 %" in live_parts.held_out_figure(view)[1]
    sentence = coach.describe_run(view, RunState.TRAINING).model_dump()
    assert "It is right on 92 % of them." in sentence["text"]


@pytest.mark.slow
def test_runs_are_listed_with_their_method(ctx: Context, finished: RunDir) -> None:
    assert '["16",16,' in runs_table(ctx.engine.store.all_runs()).text, "its rank"
