"""Every tab, light and dark, on a desk and on a phone: nothing sticks out, nobody is shut out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.runs.engine import Engine
from engine.store.run_dir import RunDir
from tests.browser.conftest import OpenPage, app, go, picture, reload

TABS = ("Data", "Model", "Train", "Compare", "Export", "Runs")
# Opened in the first theme, and switched to the other on each tab.
SIZES = {"desk": (1280, 900, ("light", "dark")), "phone": (390, 844, ("dark", "light"))}
READY = {  # what a tab shows once all of it is there
    "Data": "#lengths .length-bars",
    "Model": "#model-memory .bars",
    "Train": "#live .chart .main-svg",
    "Compare": "#chips button",
    "Export": "#export-adapter .card",
    "Runs": "#runs-table [data-run]",
}
COUNT_FRAMES = """window.framesAsked = 0; const ask = window.requestAnimationFrame.bind(window);
    window.requestAnimationFrame = (done) => { window.framesAsked += 1; return ask(done); };"""


@pytest.fixture(scope="module")
def url(trained: tuple[Engine, RunDir]) -> Iterator[str]:
    with app(trained[0].store.home) as (url, _):
        yield url


@pytest.mark.parametrize("size", SIZES)
def test_every_tab(open_page: OpenPage, url: str, size: str) -> None:
    problems: list[str] = []
    width, height, themes = SIZES[size]
    page = open_page(url, width, height, themes[0] == "dark")
    for tab in TABS:
        go(page, tab)
        page.locator(READY[tab]).first.wait_for(timeout=60_000)
        if tab == "Runs":
            page.locator("[data-run]").first.click()
            page.locator("#run-card").wait_for()
        if tab == "Train":  # a rule of another tab that fits here by its name would squeeze them
            assert page.locator("#live .hero .pair").bounding_box()["height"] > 50
            assert page.locator("#live .figures").bounding_box()["height"] < 80
        if tab == "Model":  # so would one that has the name of its bars
            assert page.locator("#model-memory .bar-row").first.bounding_box()["width"] > 250
        for theme in themes:
            problems += look_at(page, f"{size}-{theme}-{tab.lower()}")
            page.locator(".theme").click()
            page.wait_for_timeout(300)  # Gradio's colours fade
    assert not problems, "\n".join(problems)


def look_at(page: Any, name: str) -> list[str]:
    """What shuts people out or sticks out; and a picture for those who can look."""
    from axe_playwright_python.sync_playwright import Axe

    dark = page.evaluate("document.body.classList.contains('dark')")
    assert dark == ("dark" in name)
    picture(page, name)
    problems = serious_violations(Axe().run(page))
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        problems.append("wider than the window")
    return [f"{name}: {words}" for words in problems]


def serious_violations(results: Any) -> list[str]:
    """Violations that keep people out, with the first place of each."""
    found = results.response["violations"]
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:160]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


def test_the_theme_is_remembered_and_an_idle_page_does_nothing(
    open_page: OpenPage, url: str
) -> None:
    page = open_page(url)
    page.get_by_role("button", name="Switch to the dark theme").click()
    page.add_init_script(COUNT_FRAMES)
    reload(page)
    page.get_by_role("button", name="Switch to the light theme").wait_for()
    assert page.evaluate("document.body.classList.contains('dark')")
    page.wait_for_timeout(6000)  # what its opening needs
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for tab in TABS:  # what a tab asks for when it is opened is not idle
        go(page, tab)
        page.wait_for_timeout(2500)
        asked.clear()
        frames = page.evaluate("framesAsked")
        page.wait_for_timeout(1500)
        assert not asked, f"{tab} asks while nothing happens"
        assert 0 < page.evaluate("framesAsked") == frames, f"{tab} draws frames"
