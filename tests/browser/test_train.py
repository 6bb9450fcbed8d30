"""The Train tab as a person uses it: recipes, methods, own recipes; a page that comes to rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser.conftest import OpenPage, Serve, go, picture, unfold

WAIT = 60_000  # milliseconds


def choose_option(page: Any, field: str, option: str) -> None:
    page.locator(f"{field} input").click()
    page.get_by_role("option", name=option).first.click()


def choose_recipe(page: Any, name: str) -> None:
    choose_option(page, "#recipe", name)


def wait_for_facts(page: Any, words: str) -> None:
    """Until the card with the Start button says this."""
    page.locator("#start-card", has_text=words).wait_for(timeout=WAIT)


def open_more(page: Any) -> None:
    """Open the fold with all settings but the three that matter most."""
    unfold(page, "#more")


def shown_rank(page: Any) -> str:
    return page.locator("#field-method-rank input[type=number]").input_value()


def shown_recipe(page: Any) -> str:
    found: str = page.locator("#recipe input").input_value()
    return found


def test_settings_follow_recipes_methods_and_data(
    open_page: OpenPage, serve: Serve, home: Path
) -> None:
    page = open_page(serve(home))
    go(page, "Train")
    wait_for_facts(page, "measured on this machine")
    picture(page, "train-before")
    open_more(page)
    choose_recipe(page, "Quick try")
    wait_for_facts(page, "44 steps")
    assert shown_rank(page) == "8"
    choose_option(page, "#field-method-kind", "All weights")
    wait_for_facts(page, "(100 %)")
    assert not page.locator("#field-method-rank").is_visible()
    assert shown_recipe(page) == "My own settings", "chosen by hand"
    page.wait_for_function(
        "document.querySelector('#field-optim-learning_rate input').value === '0.0002'"
    )
    choose_option(page, "#field-method-kind", "LoRA")
    page.locator("#field-method-rank").wait_for()
    assert shown_rank(page) == "8", "what was hidden was not reset"
    go(page, "Data")
    choose_option(page, "#field-data-source", "reviews")
    page.locator("#goal-choice label", has_text="Choose one of 2 labels").wait_for()
    go(page, "Train")
    wait_for_facts(page, "choose one of 2 labels")
    picture(page, "train-classifier")
    comes_to_rest(page)


def test_what_comes_late_does_not_undo_what_was_chosen(
    open_page: OpenPage, serve: Serve, home: Path
) -> None:
    page = open_page(serve(home))
    go(page, "Train")
    wait_for_facts(page, "measured on this machine")
    open_more(page)
    choose_recipe(page, "Quick try")
    wait_for_facts(page, "44 steps")
    go(page, "Data")
    falls_quiet(page)
    waiting: list[Any] = []
    late = [True]
    page.route(
        "**/queue/join*", lambda route: waiting.append(route) if late[0] else route.continue_()
    )
    go(page, "Train")  # all that follows from the recipe is asked for once more
    page.wait_for_timeout(500)
    late[0] = False
    assert waiting
    choose_option(page, "#field-method-kind", "All weights")
    wait_for_facts(page, "(100 %)")
    page.wait_for_function(
        "document.querySelector('#field-optim-learning_rate input').value === '0.0002'"
    )
    for one in waiting:
        one.continue_()
    falls_quiet(page)
    assert page.locator("#field-optim-learning_rate input").input_value() == "0.0002"
    assert shown_recipe(page) == "My own settings"
    assert not page.locator("#field-method-rank").is_visible()
    assert "follows the method" in page.locator("#recipe-note").inner_text()
    late[0] = True
    waiting.clear()
    for recipe in ("Quick try", "Recommended"):  # faster than the answer
        choose_recipe(page, recipe)
    page.wait_for_timeout(300)
    late[0] = False
    assert waiting
    for one in waiting:
        one.continue_()
    number = "#field-method-rank input[type=number]"
    page.wait_for_function(f"document.querySelector('{number}')?.value === '16'", timeout=WAIT)
    falls_quiet(page)
    assert shown_rank(page) == "16" and shown_recipe(page) == "Recommended"


def comes_to_rest(page: Any) -> None:
    """Handlers that want the latest of a change can call each other without end in Gradio 6.31."""
    asked: list[str] = []
    page.wait_for_timeout(4000)
    page.on(
        "request",
        lambda request: asked.append(request.url) if "queue/join" in request.url else None,
    )
    page.wait_for_timeout(3000)
    assert not asked


def falls_quiet(page: Any) -> None:
    """Until nothing was asked for two seconds."""
    asked: list[str] = []
    page.on(
        "request",
        lambda request: asked.append(request.url) if "queue/join" in request.url else None,
    )
    for _ in range(20):
        before = len(asked)
        page.wait_for_timeout(2000)
        if len(asked) == before:
            return
    raise AssertionError("it goes on and on")


def test_own_recipes_are_kept_taken_and_brought(
    open_page: OpenPage, serve: Serve, home: Path
) -> None:
    page = open_page(serve(home))
    go(page, "Train")
    wait_for_facts(page, "weights")
    unfold(page, "#my-recipes")
    page.locator("#recipe-name :is(input, textarea)").fill("My <b>first</b>")
    page.locator("#save-recipe").click()
    page.wait_for_function(
        "document.querySelector('#own-recipe input').value === 'My <b>first</b>'", timeout=WAIT
    )
    with page.expect_download() as caught:
        page.locator("#take-recipe").click()
    text = Path(caught.value.path()).read_text(encoding="utf-8")
    assert "method.rank: 16" in text
    other = home / "other.yaml"
    other.write_text(
        text.replace("first", "other").replace("rank: 16", "rank: 5"), encoding="utf-8"
    )
    with page.expect_file_chooser() as chooser:
        page.locator("#bring-recipe").click()
    chooser.value.set_files(other)
    page.wait_for_function(
        "document.querySelector('#field-method-rank input[type=number]').value === '5'",
        timeout=WAIT,
    )
    picture(page, "train-recipes")


def test_a_list_stays_whole_while_it_is_open(open_page: OpenPage, serve: Serve, home: Path) -> None:
    page = open_page(serve(home))
    waiting: list[Any] = []
    late = [True]
    page.route(
        "**/queue/join*", lambda route: waiting.append(route) if late[0] else route.continue_()
    )
    go(page, "Train")
    open_more(page)
    page.locator("#field-method-kind input").click()
    option = page.get_by_role("option", name="All weights")
    option.wait_for()
    late[0] = False
    for one in waiting:
        one.continue_()
    wait_for_facts(page, "measured on this machine")
    option.first.click()
    wait_for_facts(page, "(100 %)")
