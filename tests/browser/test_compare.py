"""The Compare tab as a person sees it: a text to a run that chooses labels, and an empty tab."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.browser.conftest import OpenPage, Serve, go, picture
from tests.engine.work.train.labelled_runs import coloured, learn

BARS = "[...document.querySelectorAll('.chances td i')].map(e => e.getBoundingClientRect().width)"


def violations(page: Any) -> list[str]:
    """What keeps people out, with the first place of each; and a page that is too wide."""
    from axe_playwright_python.sync_playwright import Axe

    page.mouse.move(0, 0)
    page.wait_for_timeout(300)  # Gradio's colours fade
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    found = Axe().run(page).response["violations"]
    first = [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]
    return first + ["too wide"] * wide


def test_a_text_gets_labels(open_page: OpenPage, serve: Serve, tmp_path: Path) -> None:
    learn(tmp_path, coloured(60), data={"goal": "multilabel"}, optim={"epochs": 2})
    url = serve(tmp_path / "workspace")
    page = open_page(url)
    go(page, "Compare")
    page.locator("#label-examples button").first.click()
    page.locator("#label-answer h3", has_text="It chooses").wait_for(timeout=60_000)
    assert re.search("Right:|Wrong:", page.locator("#label-answer").inner_text())
    assert not page.locator("#message").is_visible() and not page.locator("#base-pane").is_visible()
    widths = page.evaluate(BARS)
    assert widths == sorted(widths, reverse=True) and len(widths) == 3 and widths[0] > 0
    picture(page, "compare-labels-1280-light")
    assert violations(page) == []
    phone = open_page(url, 390, 844, dark=True)
    go(phone, "Compare")
    phone.locator("#label-text textarea").fill("words of my own")
    phone.locator("#choose-label").click()
    phone.locator("#label-answer h3").wait_for(timeout=60_000)
    assert not re.search("Right:|Wrong:", phone.locator("#label-answer").inner_text())
    picture(phone, "compare-labels-390-dark")
    assert violations(phone) == []


def test_an_empty_tab_leads_on(open_page: OpenPage, serve: Serve, home: Path) -> None:
    page = open_page(serve(home), 390, 844)
    go(page, "Compare")
    page.locator("#compare-train").wait_for()
    assert page.get_by_role("button", name="Send", exact=True).is_disabled()
    assert not page.locator("#base-pane").is_visible()
    assert violations(page) == []
    go(page, "Export")
    page.locator("#export-train").click()
    page.locator("#start").wait_for()


def test_on_a_phone_the_message_comes_first(
    open_page: OpenPage, serve: Serve, trained: tuple[Any, Any]
) -> None:
    page = open_page(serve(trained[0].store.home), 390, 844)
    go(page, "Compare")
    page.locator("#chips button").first.wait_for()
    message, base = (page.locator(one).bounding_box() for one in ("#message", "#base-pane"))
    assert message["y"] < base["y"] and base["height"] < 150, "an empty box is small"
