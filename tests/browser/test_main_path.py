"""The main job on the real engine, as a person does it: from a sample to a merged model on disk."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

from tests.browser.conftest import OpenPage, Serve, go, picture, reload

MINUTE = 60_000  # milliseconds


def shown_step(page: Any) -> int:
    """The step that the panel shows."""
    found = re.search(r"Step ([\d,]+)", page.locator("#live .figures .step").inner_text())
    return int(found.group(1).replace(",", "")) if found else 0


def drawn_points(page: Any) -> int:
    """Points of the training curve that are drawn."""
    return page.evaluate("document.querySelector('#live .chart').data?.[0]?.x.length ?? 0")


def until_state(page: Any, state: str, minutes: float = 1) -> None:
    page.wait_for_function(
        f"document.querySelector('#live .run-state').textContent === '{state}'",
        timeout=minutes * MINUTE,
    )


def press_button(page: Any, label: str) -> None:
    page.locator("#live .run-buttons button", has_text=label).click()


def test_from_a_sample_to_a_merged_model(open_page: OpenPage, serve: Serve, home: Path) -> None:
    url = serve(home)
    page = open_page(url)
    sees_the_data(page)
    sees_the_model(page)
    trains_and_watches(page)
    reloads_stops_and_continues(page)
    compares(page)
    merges_and_downloads(page)
    names_and_deletes(page, home)


def sees_the_data(page: Any) -> None:
    page.locator("#preview [data-learned=true]").nth(2).wait_for(timeout=MINUTE)
    page.locator("#data-facts", has_text="a row, longest").wait_for(timeout=MINUTE)
    picture(page, "1-data")
    first = page.locator("#preview").inner_text()
    page.get_by_role("button", name="Next rows").click()
    page.wait_for_function(
        "document.querySelector('#preview').innerText.includes('In order: 4 to 6')"
    )
    assert page.locator("#preview").inner_text() != first
    page.get_by_role("button", name="Next: choose a model").click()


def sees_the_model(page: Any) -> None:
    page.locator("#model-map button", has_text="q_proj").wait_for(timeout=MINUTE)
    picture(page, "2-model")
    page.get_by_role("button", name="Next: train it").click()


def trains_and_watches(page: Any) -> None:
    page.locator("#train-facts", has_text="weights").wait_for()
    # The other figures change by themselves.
    weights = "document.querySelector('#train-facts dd').innerText"
    before = page.evaluate(weights)
    page.locator("#group label", has_text="Attention").click()
    page.wait_for_function(f"(b) => {weights} !== b", arg=before)
    page.locator("#group label", has_text="All linear").click()
    page.wait_for_function(f"(b) => {weights} === b", arg=before)
    page.locator("#field-optim-epochs input").fill("2")
    page.locator("#start").click()
    page.wait_for_function(
        "(document.querySelector('#live .chart').data?.[0]?.x.length ?? 0) > 3", timeout=MINUTE
    )
    drawn = drawn_points(page)
    page.wait_for_function(
        "(n) => document.querySelector('#live .chart').data[0].x.length > n",
        arg=drawn,
        timeout=MINUTE,
    )
    page.locator("#live .hero .when", has_text="After step").wait_for(timeout=MINUTE)
    hero = page.locator("#live .hero").bounding_box()
    assert hero["y"] + hero["height"] < 900, "what it says now is in sight"
    # What trains does not wait any more.
    page.locator("#train-queue button").wait_for(state="hidden")
    picture(page, "3-train-live")


def reloads_stops_and_continues(page: Any) -> None:
    seen = shown_step(page)
    reload(page)
    page.wait_for_function(
        "document.querySelector('#live .step')?.textContent.startsWith('Step')", timeout=30_000
    )
    assert page.locator("#live .run-state").inner_text() == "Training" and shown_step(page) >= seen
    press_button(page, "Stop and keep")
    until_state(page, "Stopped and kept")
    stopped = shown_step(page)
    press_button(page, "Continue")
    until_state(page, "Training")
    until_state(page, "Finished", minutes=4)
    assert shown_step(page) > stopped
    assert page.evaluate(
        "(x => x.every((v, i) => v === i + 1))(document.querySelector('#live .chart').data[0].x)"
    )
    picture(page, "4-train-finished")


def compares(page: Any) -> None:
    press_button(page, "Compare with the base model")
    page.locator("#chips button").first.click()
    replies = [page.locator(f"#{side}-pane .bot.message").last for side in ("base", "tuned")]
    replies[1].wait_for()
    # The button comes back at the end.
    page.get_by_role("button", name="Send", exact=True).wait_for(timeout=MINUTE)
    base, tuned = (reply.inner_text().strip() for reply in replies)
    assert base and tuned and base != tuned
    picture(page, "5-compare")


def merges_and_downloads(page: Any) -> None:
    go(page, "Export")
    page.locator("#merge").click()
    page.locator("#export-merged", has_text="replies are the same").wait_for(timeout=2 * MINUTE)
    picture(page, "6-export")
    for button, holds in (
        ("#take-adapter", "adapter_model.safetensors"),
        ("#take-merged", "model.safetensors"),
    ):
        with page.expect_download() as caught:
            page.locator(button).click()
        with zipfile.ZipFile(caught.value.path()) as archive:
            assert any(name.endswith("/" + holds) for name in archive.namelist())


def names_and_deletes(page: Any, home: Path) -> None:
    go(page, "Runs")
    page.locator("[data-run]").first.click()
    page.locator("#run-name input").fill("My <b>pirate</b>")
    page.locator("#run-note textarea").fill("talks well")
    page.locator("#run-tags input").press_sequentially("keep")
    page.keyboard.press("Enter")
    page.locator("#runs-table", has_text="My <b>pirate</b>").wait_for()
    page.locator("#runs-table .tag", has_text="keep").wait_for()
    picture(page, "7-runs")
    page.locator("#delete-run").click()
    page.locator("#delete-run-sure", has_text="This frees").wait_for()
    assert len(list((home / "runs").glob("2*"))) == 1
    page.locator("#delete-run-yes").click()
    page.locator("#runs-table", has_text="No runs yet").wait_for()
    assert not list((home / "runs").glob("2*"))
