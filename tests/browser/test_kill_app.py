"""kill -9 of the app and of the worker, five times each, seen through the page of the next app."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store.run_view import RunState
from engine.store.workspace import Store
from tests.browser.conftest import app
from tests.conftest import SMALL, wait_for

TIMES = 5
LONG = SMALL | {
    "name": "Long run",
    "optim": SMALL["optim"] | {"epochs": 6},
    "sampling": {"checks": 30, "max_new_tokens": 4},
}
# 56 steps of four rows: it is started again five times, and works on for a moment only.
LIGHT = LONG | {
    "optim": SMALL["optim"] | {"epochs": 0.5, "batch_size": 4},
    "sampling": LONG["sampling"] | {"checks": 14},
}
STEP_ABOVE = """step => parseInt(document.querySelector('#live .step').textContent
    .replaceAll(',', '').slice('Step '.length)) > step"""
STATE_IS = "state => document.querySelector('#live .run-state').textContent === state"


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that is allowed to lose its app."""
    opened = browser.new_page()
    yield opened
    opened.close()


@contextmanager
def held(pid: int) -> Iterator[None]:
    """Meanwhile a process stands still: an app and a page take longer to open than a run's rest."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def open_run(page: Any, url: str) -> tuple[str, int]:
    """What the page says of the run: its state, and the step it is at."""
    page.goto(url)
    page.wait_for_function(
        "document.querySelector('#live .step')?.textContent.startsWith('Step')", timeout=30_000
    )
    step = int(
        re.search(r"Step ([\d,]+)", page.locator("#live .step").inner_text())
        .group(1)
        .replace(",", "")
    )
    return page.locator("#live .run-state").inner_text(), step


def test_the_next_app_shows_the_run_of_the_killed_one(page, home) -> None:
    asking = Engine(home, supervise=False)
    run = asking.start(specs.make_spec(LIGHT))
    with app(home):
        wait_for(run, lambda run: run.view().step >= 2)
    last = run.view().step
    for _ in range(TIMES):
        with ExitStack() as standing:
            standing.enter_context(held(run.view().started.pid))
            with app(home) as (url, _):
                state, step = open_run(page, url)
                standing.close()
                name = page.locator("#live .run-name").inner_text()
                assert state == "Training" and name == "Long run" and step >= last
                page.wait_for_function(STEP_ABOVE, arg=step)
                last = step
    with app(home):
        wait_for(run, lambda run: run.state() == RunState.FINISHED, 300)
    view = run.view()
    assert view.attempt == 1, "it was never started again"
    assert list(view.steps) == list(range(1, view.total_steps + 1))


@pytest.mark.usefixtures("kills_apart")
def test_after_a_power_cut_the_next_app_opens_with_the_interrupted_run(page, home) -> None:
    asking = Engine(home, supervise=False)
    run = asking.start(specs.make_spec(LONG))
    with app(home):
        wait_for(run, lambda run: run.view().step >= 2)
    os.kill(run.view().started.pid, signal.SIGKILL)
    with app(home) as (url, _):
        state, step = open_run(page, url)
        assert state == "Interrupted" and step == run.view().step
        page.locator("#live .run-buttons button", has_text="Continue").click()
        wait_for(run, lambda run: run.view().attempt == 2)
        asking.stop(run.id)
        wait_for(run, lambda run: run.state() == RunState.STOPPED)


def test_a_page_that_outlives_its_app_begins_anew(page, home) -> None:
    """A page whose app is gone must not stay and answer with Gradio's jargon."""
    with app(home) as (url, _):
        page.goto(url)
        page.locator("#preview .turn").first.wait_for(timeout=60_000)
        page.evaluate("window.old = true")
        page.wait_for_timeout(4000)  # until it has heard of this app
        port = url.rsplit(":", 1)[1]
    with app(home, "--port", port):
        page.wait_for_function("window.old === undefined", timeout=30_000)
        page.locator("#preview .turn").first.wait_for(timeout=60_000)


@pytest.mark.usefixtures("kills_apart")
def test_a_killed_worker_is_shown_within_5_seconds_and_continue_finishes_it(page, home) -> None:
    run = Engine(home, supervise=False).start(specs.make_spec(LIGHT))
    with app(home) as (url, _):
        for attempt in range(1, TIMES + 1):
            done = run.view().step
            wait_for(run, lambda run: run.view().attempt == attempt and run.view().step > done)  # noqa: B023
            if attempt == 1:
                open_run(page, url)
            page.wait_for_function(STATE_IS, arg="Training")
            os.kill(run.view().started.pid, signal.SIGKILL)
            killed = time.monotonic()
            page.wait_for_function(STATE_IS, arg="Interrupted")
            assert time.monotonic() - killed < 5
            page.locator("#live .run-buttons button", has_text="Continue").click()
        wait_for(run, lambda run: run.state() == RunState.FINISHED, 300)
    view = run.view()
    assert view.attempt == TIMES + 1
    assert list(view.steps) == list(range(1, view.total_steps + 1)), "no step twice, none missing"
    assert Store(home).run(run.id).adapter.is_dir()
