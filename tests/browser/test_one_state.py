"""What the page says is what runs: two people, two pages of one, a reload at each moment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.data.datasets import load_dataset
from engine.runs.engine import Engine
from engine.store.run_dir import RunDir
from tests.browser.conftest import OpenPage, go, reload
from tests.browser.test_train import choose_option, choose_recipe, shown_rank, shown_recipe
from tests.conftest import wait_for
from tests.fake_backend import FakeBackend
from tests.ui.access.conftest import PASSWORDS
from tests.ui.access.site import UNTIDY, Served, serving
from ui.access import accounts
from ui.access.accounts import add_account
from ui.choices import read_choices
from ui.text import STATE_LABELS

pytestmark = UNTIDY
WAIT = 20_000  # milliseconds
TOAST = "[data-testid=toast-body]"
ROWS = "question,answer\n" + "".join(f"How much is {n}?,It is {n}.\n" for n in range(40))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("state") / "workspace"
    file = home.parent / "users.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "COST", 10)
        for name in ("anna", "ben"):
            add_account(file, name, PASSWORDS[name], admin=False)
    with serving(home, "--users", str(file)) as found:
        yield found


def come_in(open_page: OpenPage, served: Served, name: str) -> Any:
    page = open_page(served.url, ready="#name")
    page.locator("#name").fill(name)
    page.locator("#password").fill(PASSWORDS[name])
    page.get_by_role("button", name="Log in").click()
    at_rest(page)
    return page


def at_rest(page: Any) -> None:
    """Until the page shows what was chosen, and the plan of it."""
    page.locator("html[data-ready] #nav").wait_for(timeout=WAIT)
    go(page, "Train")
    page.locator("#train-facts .facts, #train-facts [data-tone=bad]").first.wait_for(timeout=WAIT)


def says(page: Any) -> dict[str, Any]:
    """What the page says is chosen, and what runs."""
    data, model = page.locator("#start-head .go").all_inner_texts()
    run = page.locator("#live .run-state")
    return {
        "data": data,
        "model": model,
        "rank": shown_rank(page),
        "recipe": shown_recipe(page),
        "start": page.locator("#start").inner_text(),
        "state": run.inner_text() if run.is_visible() else "",
        "run": page.locator("#live .run-name").inner_text() if run.is_visible() else "",
    }


def truth(engine: Engine) -> dict[str, Any]:
    """What is kept, and what runs."""
    form = read_choices(engine.store).form
    assert form
    run = next(engine.store.all_runs(), None)
    return {
        "data": load_dataset(engine.store, str(form.values["data.source"])).name,
        "model": "Pocket",
        "rank": f"{form.values['method.rank']:g}",
        "recipe": form.recipe or "My own settings",
        "start": "Start another after it" if engine.live() else "Start",
        "state": STATE_LABELS[run.state()] if run else "",
        "run": str(run.meta["name"]) if run else "",
    }


def agrees(page: Any, engine: Engine, moment: str) -> None:
    """After a reload, and on the other page once it comes to the front."""
    told: dict[str, Any] = {}
    for _ in range(60):
        told, real = says(page), truth(engine)
        if told == real:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{moment}: the page says {told}, and it is {real}")


def newest(engine: Engine) -> RunDir:
    return next(engine.store.all_runs())


@pytest.mark.slow
def test_what_the_page_says_is_what_runs(
    open_page: OpenPage, served: Served, tmp_path: Path
) -> None:
    backend = served.ctx.engine.supervisor.backend
    assert isinstance(backend, FakeBackend)
    backend.steps, backend.seconds = 400, 0.05
    anna, ben = (served.ctx.engine.for_owner(name) for name in ("anna", "ben"))
    first, stranger = (come_in(open_page, served, name) for name in ("anna", "ben"))
    second = first.context.new_page()
    second.goto(served.url)
    at_rest(second)
    untouched = says(stranger)

    def check(moment: str) -> None:
        reload(first)
        at_rest(first)
        agrees(first, anna, f"reloaded, {moment}")
        second.bring_to_front()
        second.evaluate("window.dispatchEvent(new Event('focus'))")
        agrees(second, anna, f"second page, {moment}")
        first.bring_to_front()
        assert says(stranger) == untouched, moment

    moments: list[str] = []
    for moment in actions(first, anna, tmp_path):
        check(moment)
        moments.append(moment)
    assert len(moments) == 12
    assert not list(ben.store.all_runs())


def actions(page: Any, anna: Engine, folder: Path) -> Iterator[str]:
    """Twelve things that a person does, each with what the page has then to survive."""
    go(page, "Data")
    choose_option(page, "#field-data-source", "json")
    page.locator("#start-head", has_text="Json").wait_for(state="attached", timeout=WAIT)
    yield "another sample was chosen"
    file = folder / "tickets.csv"
    file.write_text(ROWS)
    go(page, "Data")
    page.locator("#upload input[type=file]").set_input_files(file)
    page.locator("#start-head", has_text="tickets.csv").wait_for(state="attached", timeout=WAIT)
    yield "a file was added"
    choose_recipe(page, "Quick try")
    page.wait_for_function(f"({shown_rank_js()})() === '8'")
    yield "a recipe was chosen"
    page.locator("#field-method-rank input[type=number]").fill("5")
    page.locator("#recipe-note", has_text="Your own settings").wait_for(timeout=WAIT)
    page.wait_for_timeout(1500)
    yield "a number was typed"
    page.locator("#group label", has_text="Attention").click()
    page.wait_for_timeout(1500)
    yield "target modules were chosen"
    page.locator("#start:enabled").click()
    started, refused = page.locator("#live .run-name", has_text="tickets"), page.locator(TOAST)
    started.or_(refused).first.wait_for(timeout=WAIT)
    assert started.is_visible(), refused.all_inner_texts()
    yield "a run was started"
    wait_for(newest(anna), lambda run: run.view().step > 3, 20)
    yield "it trains"
    page.locator("#live [data-act=pause_run]").click()
    wait_for(newest(anna), lambda run: run.state().value == "paused", 20)
    yield "it was paused"
    page.locator("#live [data-act=continue_run]").click()
    wait_for(newest(anna), lambda run: run.state().value == "training", 20)
    yield "it goes on"
    page.locator("#live [data-act=stop_run]").click()
    wait_for(newest(anna), lambda run: run.state().value == "stopped", 20)
    yield "it was stopped"
    go(page, "Data")
    choose_option(page, "#field-data-source", "support")
    page.locator("#start-head", has_text="Support").wait_for(state="attached", timeout=WAIT)
    yield "other data was chosen after a run"
    go(page, "Train")
    choose_recipe(page, "Recommended")
    page.wait_for_timeout(1500)
    yield "what is recommended was chosen again"


def shown_rank_js() -> str:
    return "() => document.querySelector('#field-method-rank input[type=number]')?.value"


def test_start_trains_what_its_card_names(open_page: OpenPage, served: Served) -> None:
    """Also where it is pressed in the very moment in which other data is chosen."""
    page = come_in(open_page, served, "ben")
    ben = served.ctx.engine.for_owner("ben")
    waiting: list[Any] = []
    late = [False]
    page.route(
        "**/queue/join*", lambda route: waiting.append(route) if late[0] else route.continue_()
    )
    go(page, "Data")
    late[0] = True
    choose_option(page, "#field-data-source", "json")
    go(page, "Train")
    card = page.locator("#start-head").inner_text()
    page.locator("#start").click()
    late[0] = False
    for one in waiting:
        one.continue_()
    page.locator(TOAST, has_text="have just changed").wait_for(timeout=WAIT)
    assert re.search("Pirate", card) and not list(ben.store.all_runs())
