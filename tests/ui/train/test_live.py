"""The live panel's answers: what is new, and nothing twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState, RunView, fold_events
from tests.conftest import wait_for
from tests.fake_backend import FakeBackend
from tests.ui.fakes import shown
from ui.context import Context
from ui.train import live, live_parts, tab


def ask(ctx: Context, cursor: dict[str, object]) -> dict[str, object]:
    answer = live.poll_run(ctx, cursor)
    json.dumps(answer, allow_nan=False)  # it goes over the wire
    return answer


def test_an_empty_workspace_has_an_answer(ctx: Context) -> None:
    answer = ask(ctx, {"run": ""})
    assert answer == {"run": ""}


def test_a_cursor_gets_only_what_is_new(ctx: Context, finished: RunDir) -> None:
    whole = ask(ctx, {"run": ""})
    assert whole["run"] == finished.id and whole["from"] == 0 and len(whole["steps"]) == 20
    assert whole["settings"] and whole["samples"]
    cursor = {"run": finished.id, "attempt": whole["attempt"], "index": whole["next"]}
    cursor["samples"] = whole["sampled"]
    rest = ask(ctx, cursor)
    assert rest["steps"] == [] and not {"samples", "settings", "log"} & rest.keys()
    assert ask(ctx, cursor | {"attempt": 99})["from"] == 0
    assert "log" in ask(ctx, cursor | {"log": True})


def test_a_deleted_run_gives_way_to_another(ctx: Context, finished: RunDir) -> None:
    assert ask(ctx, {"run": "gone"})["run"] == finished.id


def test_a_bug_does_not_look_like_a_lost_connection(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "shown_run", lambda *_: 1 / 0)
    assert "app.log" in ask(ctx, {"run": ""})["problem"]


@pytest.mark.slow
def test_stop_then_continue(ctx: Context, values: dict[str, Any]) -> None:
    backend = ctx.engine.supervisor.backend
    assert isinstance(backend, FakeBackend)
    backend.steps, backend.seconds = 100, 0.02
    run = ctx.engine.store.run(tab.start_run(ctx, *shown(values), **values))
    wait_for(run, lambda run: run.view().step > 2, 20)
    answer = ask(ctx, {"run": run.id})
    buttons = [event for event, *_ in answer["buttons"]]
    assert answer["live"] and buttons == ["stop_run", "pause_run", "cancel_run"]
    live.act_on_run(ctx, "stop", run.id)
    wait_for(run, lambda run: run.state() == RunState.STOPPED and not run.queued, 20)
    answer = ask(ctx, {"run": run.id})
    buttons = [event for event, *_ in answer["buttons"]]
    assert not answer["live"] and buttons == ["compare_run", "continue_run"]
    live.act_on_run(ctx, "resume", run.id)
    wait_for(run, lambda run: run.state() == RunState.FINISHED, 20)
    answer = ask(ctx, {"run": run.id})
    assert answer["steps"] == sorted(set(answer["steps"])) and answer["progress"]["percent"] == 100


def test_a_long_run_comes_in_pieces(
    ctx: Context, finished: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POINTS_PER_ANSWER", 8)
    cursor, steps = {"run": finished.id, "attempt": -1, "index": 0}, []
    while True:
        answer = ask(ctx, cursor)
        steps += answer["steps"]
        cursor |= {"attempt": answer["attempt"], "index": answer["next"]}
        if not answer["more"]:
            break
    assert steps == list(range(1, 21))


def test_a_loss_that_is_no_number_is_a_gap() -> None:
    assert live_parts.finite_or_none(float("nan")) is None and live_parts.finite_or_none(1.5) == 1.5


def test_figures_before_anything_is_known() -> None:
    assert live_parts.figures_of(RunView())["train"] == ["–", ""]
    view = fold_events([ev.Evaluated(step=0, loss=3.0, seconds=0)])
    assert "before training 3.000" in live_parts.held_out_figure(view)[1]


def test_tokens_and_time_for_a_step_are_of_the_same_steps(finished: RunDir) -> None:
    began, seconds = finished.view().started, [0.0]
    assert began
    for step in range(40):  # the second half is four times as slow
        seconds.append(seconds[-1] + (1 if step < 20 else 4))
    taken = [ev.Step(step=at, epoch=1, loss=1, lr=0.1, tokens=100 * at, seconds=seconds[at],
                     memory_gb=1) for at in range(1, 41)]  # fmt: skip
    speed, pace = live_parts.figures_of(fold_events([began, *taken]))["speed"]
    assert speed == "25 tokens/s" and pace.startswith("4.0 s a step")


def test_at_the_end_the_right_answers_are_those_of_the_version_that_is_kept(
    finished: RunDir,
) -> None:
    began = finished.view().started
    assert began
    began = began.model_copy(update={"held_out": 6})
    checks = [ev.Evaluated(step=step, loss=loss, seconds=1, accuracy=right / 6)
              for step, loss, right in ((0, 2.0, 1), (5, 1.0, 1), (10, 3.0, 2))]  # fmt: skip
    first, best, last = checks
    saved = [ev.Saved(step=step, best=step == 5) for step in (5, 10)]
    way = [began, first, best, saved[0], last, saved[1]]
    assert live_parts.figures_of(fold_events(way))["right"][1].startswith("2 of 6")
    ended = fold_events([*way, ev.Finished(step=10, seconds=9, memory_gb=1)])
    assert live_parts.figures_of(ended)["right"] == [
        "17 %", "1 of 6 held-out rows; 1 before training; kept from step 5",
    ]  # fmt: skip


def test_first_and_newest_reply_stand_together() -> None:
    asked = [ev.Sampled(step=step, prompt="Who?", reply=str(step)) for step in (0, 5, 10)]
    [found] = live_parts.samples_by_prompt(fold_events(asked))
    when = [reply["when"] for reply in found["replies"]]
    assert when == ["Before training", "After step 5", "After step 10"]


def test_a_run_that_waits_leads_to_the_one_that_works(ctx: Context, values: dict[str, Any]) -> None:
    backend = ctx.engine.supervisor.backend
    assert isinstance(backend, FakeBackend)
    backend.steps, backend.seconds = 200, 0.05
    first = ctx.engine.store.run(tab.start_run(ctx, *shown(values), **values))
    wait_for(first, lambda run: run.view().step > 1, 20)
    second = ctx.engine.store.run(tab.start_run(ctx, *shown(values), **values))
    assert ask(ctx, {"run": second.id})["other"] == [first.id, first.name]
    assert ask(ctx, {"run": first.id})["other"] == []
    ctx.engine.cancel(first.id)
    wait_for(second, lambda run: run.view().step > 1, 20)
    assert ask(ctx, {"run": first.id})["other"] == [second.id, second.name]
    assert ask(ctx, {"run": second.id})["other"] == []
    ctx.engine.cancel(second.id)
