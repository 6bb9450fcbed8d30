"""The queue, and runs made from an earlier one: reorder, run again with changes, train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.spec.spec_file import changed_spec
from engine.store import events as ev
from engine.store.run_dir import RunDir
from tests.browser.conftest import OpenPage, Serve, go, picture, reload, unfold
from tests.browser.test_train import (
    WAIT,
    choose_option,
    comes_to_rest,
    shown_rank,
    wait_for_facts,
)
from tests.engine.store.test_run_view import checked, started, step
from tests.fake_backend import FakeBackend

DONE = {
    "name": "done",
    "data": {"source": "sample:json", "max_length": 200},
    "method": {"rank": 4, "alpha": 12, "targets": ["q_proj", "v_proj"], "dropout": 0.1},
    "optim": {"epochs": 2, "learning_rate": 3e-4, "schedule": "linear"},
}


@pytest.fixture
def queued(home: Path) -> Any:
    """A workspace with a run that has ended and three that wait; nothing works on its queue."""
    engine = Engine(home, FakeBackend(), supervise=False)
    done = engine.start(specs.make_spec(DONE))
    assert FakeBackend(steps=6, seconds=0).work(done, "train") == 0
    for name in ("first", "second", "third"):
        engine.start(specs.make_spec({"name": name}))
    with FileLock(engine.store.locks / "supervisor.lock"):
        yield engine, done


def test_the_form_takes_over_what_was_advised(
    open_page: OpenPage, serve: Serve, home: Path
) -> None:
    engine = Engine(home, FakeBackend(), supervise=False)
    run = engine.start(specs.make_spec({"name": "too fast", "optim": {"learning_rate": 1.0}}))
    run.queue_mark.unlink()
    estimated = ev.Estimated(trainable=1, memory_gb=1, seconds_low=1, seconds_high=9)
    run.emit(estimated.model_copy(update={"advised_rate": 0.0015}))
    fast = step(1).model_copy(update={"lr": 1.0})
    done = ev.Finished(step=1, seconds=1, memory_gb=1)
    for event in (started(), checked(0, 1.0), fast, checked(1, 2.0), done):
        run.emit(event)
    with FileLock(engine.store.locks / "supervisor.lock"):  # nothing works on the queue
        page = open_page(serve(home))
        go(page, "Train")
        unfold(page, "#more")
        field = page.locator("#field-optim-learning_rate input")
        field.fill("1")
        field.blur()
        page.locator("#start-card").get_by_text("667 times the advised").wait_for(timeout=WAIT)
        page.locator("#live [data-act=advised_run]").click()
        rate = "document.querySelector('#field-optim-learning_rate input').value === '0.0015'"
        page.wait_for_function(rate, timeout=WAIT)
    assert [one.spec.optim.learning_rate for one in engine.live()] == [0.0015]
    engine.close()


def test_from_one_run_to_the_next(
    open_page: OpenPage, serve: Serve, queued: tuple[Engine, RunDir]
) -> None:
    engine, done = queued
    url = serve(engine.store.home)
    page = open_page(url)
    reorders(page, engine)
    runs_again_with_changes(page, engine, done)
    trains_on(page, done)
    for width, height, dark in ((390, 844, False), (1280, 900, True)):
        looks(
            open_page(url, width, height, dark),
            done,
            f"runs-queue-{width}-{'dark' if dark else 'light'}",
        )
    for waiting in engine.queue():  # while something waits, the page looks at the queue
        engine.cancel(waiting.run.id)
    comes_to_rest(page)


def test_a_tab_that_is_chosen_at_once_stays(
    open_page: OpenPage, serve: Serve, queued: tuple[Engine, RunDir]
) -> None:
    """While runs wait, a page opens with the Train tab, unless its user chose another meanwhile."""
    page = open_page(serve(queued[0].store.home))
    page.locator("#nav [data-tab-id=train][aria-selected=true]").wait_for()
    page.add_init_script(
        """const asked = setInterval(() => {
            const runs = document.querySelector("#nav [data-tab-id=runs]");
            if (runs) { clearInterval(asked); runs.click(); }
        }, 5);"""
    )
    reload(page)
    page.locator("#runs-table [data-run]").first.wait_for()
    page.wait_for_timeout(3000)
    assert page.locator("#nav [role=tab][aria-selected=true]").inner_text() == "Runs"


def names(engine: Engine) -> list[str]:
    return [str(one.run.meta["name"]) for one in engine.queue()]


def reorders(page: Any, engine: Engine) -> None:
    wait_for_facts(page, "weights")  # the model has been read
    page.locator("#train-queue", has_text="3 jobs wait").wait_for()
    page.locator("#train-queue button").click()
    page.get_by_role("button", name="First: third").click()
    page.locator("#queue li", has_text="1. third").wait_for()
    page.get_by_role("button", name="Down: first").click()
    page.locator("#queue li", has_text="3. first").wait_for()
    assert names(engine) == ["third", "second", "first"]
    page.get_by_role("button", name="Remove: second").click()
    page.locator("#queue li", has_text="2. first").wait_for()
    assert names(engine) == ["third", "first"]


def pick(page: Any, run: RunDir) -> None:
    go(page, "Runs")
    there = len(list(run.path.parent.glob("2*")))
    page.locator("#runs-table [data-run]").nth(
        there - 1
    ).wait_for()  # a run that is listed only now moves the others
    page.locator(f"[data-run='{run.id}']").click()
    page.locator(f"[data-picked=true] [data-run='{run.id}']").wait_for()
    page.locator("#run-card").wait_for()


def runs_again_with_changes(page: Any, engine: Engine, done: RunDir) -> None:
    pick(page, done)
    picture(page, "runs-queue-1280-light")
    page.locator("#use-settings").click()
    page.locator("#recipe-note", has_text="The settings of “done”").wait_for(timeout=WAIT)
    wait_for_facts(page, "Train Text to JSON")
    page.locator("#field-optim-epochs input").fill("1")
    page.locator("#start").click()
    page.wait_for_function(
        "document.querySelector('#train-queue').innerText.includes('3 jobs')", timeout=WAIT
    )
    made = engine.queue()[-1].run
    assert made.spec.model_dump() == changed_spec(done.spec, ["optim.epochs=1"]).model_dump()


def trains_on(page: Any, done: RunDir) -> None:
    pick(page, done)
    page.locator("#train-on").click()
    page.locator("#start-from", has_text="Starts from the adapter of “done”").wait_for(timeout=WAIT)
    go(page, "Data")
    choose_option(page, "#field-data-source", "pirate")
    go(page, "Train")
    wait_for_facts(page, "weights")
    assert shown_rank(page) == "4", "other data leaves what the adapter decides"
    picture(page, "train-on-1280-light")
    page.locator("#forget-start").click()
    page.locator("#start-from").wait_for(state="hidden")


def looks(page: Any, done: RunDir, name: str) -> None:
    pick(page, done)
    unfold(page, "#run-more")
    page.locator("#extend-run").wait_for()
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    picture(page, name)
