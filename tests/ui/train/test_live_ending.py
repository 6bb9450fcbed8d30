"""A worker that hangs or does not obey: what the page says, and that its button ends it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from engine.coach.rules import find_sign
from engine.errors import RunError
from engine.process import exit_status
from engine.store import heartbeat
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for
from tests.hung_backend import Hangs
from tests.ui.fakes import shown
from ui.context import Context
from ui.runs import queue
from ui.train import live, tab


@pytest.fixture
def hung(ctx: Context, values: dict[str, Any]) -> Iterator[RunDir]:
    """A run that hangs in its tenth step."""
    backend = ctx.engine.supervisor.backend = Hangs()
    run = ctx.engine.store.run(tab.start_run(ctx, *shown(values), **values))
    wait_for(run, lambda run: heartbeat.read_sign(run.path), 20)
    yield run
    if backend.worker and backend.worker.poll() is None:
        backend.worker.kill()


def test_a_hung_run_is_said_and_ended_by_the_button(
    ctx: Context, hung: RunDir, values: dict[str, Any]
) -> None:
    answer = live.poll_run(ctx, {"run": hung.id})
    said, buttons = answer["sentence"], [event for event, *_ in answer["buttons"]]
    assert said["title"] == "No sign of life for 40 s" and said["tone"] == "bad"
    assert "Everything up to step 5 of 20 is kept." in said["text"]
    assert answer["label"] == "No sign of life" and answer["progress"]["left"] == ""
    assert find_sign(hung.view()).message.title not in said["title"], "not that it learns well"
    assert buttons[0] == "end_run" and answer["buttons"][0][1] == "End it now"
    behind = ctx.engine.store.run(tab.start_run(ctx, *shown(values), **values))
    assert behind.state() == RunState.QUEUED
    live.act_on_run(ctx, "end_now", hung.id)
    wait_for(hung, lambda run: run.state() == RunState.INTERRUPTED and run.view().warnings, 20)
    after = live.poll_run(ctx, {"run": hung.id})
    assert exit_status.ENDED_AT_REQUEST in after["sentence"]["text"]
    assert "step 5 of 20 is kept. Press Continue" in after["sentence"]["text"]
    wait_for(behind, lambda run: heartbeat.read_sign(run.path), 20)  # the queue goes on
    ctx.engine.end_now(behind.id)
    wait_for(behind, idle, 20)
    ctx.engine.resume(hung.id)
    wait_for(hung, lambda run: run.state() == RunState.FINISHED, 20)


@pytest.mark.parametrize(
    ("age", "offered"), [(0, False), (5, False), (15, True), (4000, True), (-4000, True)]
)
def test_force_is_offered_after_a_stop_that_was_not_obeyed(
    ctx: Context, hung: RunDir, monkeypatch: pytest.MonkeyPatch, age: int, offered: bool
) -> None:
    """Also where the clock was set back meanwhile."""
    monkeypatch.setattr(heartbeat, "silent_seconds", lambda _: 0.0)  # it computes
    ctx.engine.stop(hung.id)
    asked = time.time() - age
    os.utime(hung.stop_mark, (asked, asked))
    answer = live.poll_run(ctx, {"run": hung.id})
    assert answer["label"] == "Stopping…" and answer["sentence"]["title"] == "Stopping"
    assert answer["buttons"] == ([["end_run", "End it now"]] if offered else [])
    assert ("End it now" in answer["sentence"]["text"]) == offered
    ctx.engine.end_now(hung.id)
    wait_for(hung, idle, 20)


def test_a_merge_that_hangs_is_ended_in_the_queue(ctx: Context, finished: RunDir) -> None:
    backend = ctx.engine.supervisor.backend = Hangs()
    finished.events_file.write_text(
        "".join(
            line
            for line in finished.events_file.read_text().splitlines(keepends=True)
            if '"kind":"started"' not in line
        )
    )
    ctx.engine.merge(finished.id, "bf16")
    wait_for(finished, lambda run: heartbeat.read_sign(run.path), 20)
    shown = queue.refresh_queue(ctx, "", "")[0]
    assert "No sign of life" in shown and f'data-do="end" data-name="{finished.id}"' in shown
    queue.change_queue(ctx, "end", finished.id)
    wait_for(finished, lambda run: run.view().merged and idle(run), 20)
    assert finished.view().merged["bf16"].text == exit_status.ENDED_AT_REQUEST
    assert "No sign" not in str(queue.refresh_queue(ctx, "", "")[0]) and backend.worker


def test_nothing_is_ended_that_does_not_work(ctx: Context, finished: RunDir) -> None:
    with pytest.raises(RunError, match="is not running: it is finished"):
        ctx.engine.end_now(finished.id)
    (finished.path / heartbeat.NAME).unlink(missing_ok=True)
    with finished.lock.acquire(), pytest.raises(RunError, match="cannot be found on this machine"):
        ctx.engine.end_now(finished.id)


def test_a_sign_of_life_ends_the_alarm(ctx: Context, hung: RunDir) -> None:
    answer = live.poll_run(ctx, {"run": hung.id})
    assert answer["label"] == "No sign of life"
    sign = heartbeat.read_sign(hung.path)
    assert sign
    heartbeat.write_sign(hung.path, sign._replace(at=time.monotonic()))
    answer = live.poll_run(ctx, {"run": hung.id})
    assert answer["label"] == "Training" and answer["buttons"][0][0] == "stop_run"
    ctx.engine.end_now(hung.id)
    wait_for(hung, idle, 20)
