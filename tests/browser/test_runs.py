"""The table of runs in a browser: sorted, searched, picked by keys, several deleted at once."""

from __future__ import annotations

from typing import Any

import pytest

from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.spec.spec_file import changed_spec
from engine.store.run_dir import RunDir
from tests.browser.conftest import OpenPage, Serve, go, picture, reload
from tests.fake_backend import FakeBackend

SPEC = specs.make_spec({"data": {"source": "sample:json"}})
NAMES = "#runs-table [data-run]"
SLOW_NETWORK = """() => { const now = window.fetch; window.fetch = async (...asked) => {
    await new Promise((go) => setTimeout(go, 500)); return now(...asked); }; }"""
RATES = ("0.0005", "0.02", "0.001")  # of the runs, the first first


@pytest.fixture
def runs(home: Any) -> list[RunDir]:
    """Three runs that have ended, the first of them made for fewer steps."""
    engine = Engine(home, FakeBackend(), supervise=False)
    made = []
    for at, rate in enumerate(RATES):
        run = engine.start(changed_spec(SPEC, [f"optim.learning_rate={rate}"]))
        assert FakeBackend(steps=5 + 5 * at, seconds=0).work(run, "train") == 0
        made.append(run)
    made[1].set_meta(tags=("paper",), note="<i>fast</i>")
    engine.close()
    return made


def names(page: Any) -> list[str]:
    return [one.strip() for one in page.locator(NAMES).all_inner_texts()]


def test_they_are_sorted_found_and_picked(
    open_page: OpenPage, serve: Serve, runs: list[RunDir]
) -> None:
    first, second, third = (run.name for run in runs)
    url = serve(runs[0].home)
    page = open_page(url)
    go(page, "Runs")
    page.locator(NAMES).first.wait_for()
    assert names(page) == [third, second, first], "the newest first"
    header = page.locator("#runs-table th[data-key=rate]")
    header.get_by_role("button").click()
    assert names(page) == [second, third, first]
    assert header.get_attribute("aria-sort") == "descending"
    header.get_by_role("button").click()
    assert names(page) == [first, third, second]
    page.locator("#runs-table summary").click()
    page.locator(".columns-list input[name=method]").check()
    page.keyboard.press("Escape")
    picture(page, "runs-1280-light")
    reload(page)
    go(page, "Runs")
    page.locator("#runs-table th[data-key=method]").wait_for()
    assert names(page) == [first, third, second], "order and columns are remembered"
    search = page.get_by_role("searchbox", name="Search runs by name")
    search.fill("fast PAPER")
    assert names(page) == [second] and "1 of 3 runs" in page.locator(".runs-count").inner_text()
    search.fill("nothing like that")
    page.get_by_role("button", name="Show all runs").click()
    page.get_by_role("combobox", name="Tag").select_option("paper")
    assert names(page) == [second]
    page.get_by_role("combobox", name="Tag").select_option("")
    # A row is the link, and the arrow keys move.
    page.locator("#runs-table tbody tr").first.locator("td").last.click()
    page.locator(f"#run-meta [data-shown='{runs[0].id}']").wait_for()
    page.locator(NAMES).first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(f"#run-meta [data-shown='{runs[2].id}']").wait_for()
    assert page.locator(f"[data-picked=true] [data-run='{runs[2].id}']").count() == 1
    # Several changes at once, none of which gets lost; and the last of two quick picks counts.
    page.locator("#run-name input").fill("mine")
    page.locator("#run-note textarea").fill("a note")
    page.locator("#run-tags input").fill("one")
    page.keyboard.press("Enter")
    page.locator("#run-tags input").fill("two")
    page.keyboard.press("Enter")
    page.locator("#run-tags .tag", has_text="two").wait_for()
    page.wait_for_function("document.querySelector('#run-note textarea').value === 'a note'")
    assert (runs[2].name, runs[2].meta["note"], runs[2].tags) == ("mine", "a note", ("one", "two"))
    page.evaluate(SLOW_NETWORK)
    for run in (runs[0], runs[1]):
        page.locator(f"[data-run='{run.id}']").click()
    page.locator(f"#run-meta [data-shown='{runs[1].id}']").wait_for()
    dark = open_page(url, 390, 844, dark=True)
    go(dark, "Runs")
    dark.locator(NAMES).first.click()
    dark.locator("#run-report svg.narrow").wait_for()
    dark.locator("#runs-table tbody .tick input").first.click()
    dark.locator(".runs-bar", has_text="1 chosen").wait_for()
    size = "parseFloat(getComputedStyle(s.querySelector('text')).fontSize)"
    scale = "s.getBoundingClientRect().width / s.viewBox.baseVal.width"
    shown = (
        f"(() => {{ const s = document.querySelector('svg.narrow'); return {size} * {scale} }})()"
    )
    assert dark.evaluate(shown) >= 11, "nobody reads smaller words"
    assert not dark.evaluate("document.documentElement.scrollWidth > innerWidth")
    picture(dark, "runs-390-dark")


def test_several_are_deleted_and_an_empty_table_leads_on(
    open_page: OpenPage, serve: Serve, runs: list[RunDir]
) -> None:
    page = open_page(serve(runs[0].home))
    go(page, "Runs")
    page.locator(NAMES).first.click()
    page.locator("#run-card").wait_for()
    page.locator("#delete-run").click()
    page.locator("#delete-run-sure", has_text="This frees").wait_for()
    page.wait_for_function("document.activeElement.closest('#delete-run-sure')")
    box = page.locator("#delete-run-sure").bounding_box()
    assert box["y"] - page.locator("#delete-run").bounding_box()["y"] < 100, "beside its button"
    assert box["y"] + box["height"] <= 900, "on the screen"
    page.keyboard.press("Escape")
    page.locator("#delete-run-sure").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.id") == "delete-run"
    page.keyboard.press("Enter")  # the same question once more
    page.wait_for_function("document.activeElement.closest('#delete-run-sure')")
    page.locator("#delete-run-no").click()
    page.locator("#delete-run-sure").wait_for(state="hidden")
    page.get_by_role("checkbox", name="Choose all shown runs").check()
    page.locator("#tag-chosen").click()
    page.keyboard.type("old")
    page.keyboard.press("Enter")
    page.locator("#runs-table .tag", has_text="old").nth(2).wait_for()
    assert all("old" in run.tags for run in runs)
    page.locator("#delete-chosen").click()
    page.locator("#delete-chosen-sure", has_text="with their adapters").wait_for()
    page.locator("#delete-chosen-yes").click()
    page.locator(".runs-empty").wait_for()
    page.locator("#run-card").wait_for(state="hidden")
    assert not any(run.path.exists() for run in runs)
    picture(page, "runs-empty")
    page.get_by_role("button", name="Start the first run").click()
    page.locator("#nav [data-tab-id=train][aria-selected=true]").wait_for()
