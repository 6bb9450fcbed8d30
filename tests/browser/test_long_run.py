"""A long run: its curve comes soon, zooming shows every step, and its report downloads."""

from __future__ import annotations

from pathlib import Path

from benchmarks.page import DRAWN, make_run
from engine.runs.engine import Engine
from tests.browser.conftest import OpenPage, Serve, go, picture

STEPS = 6000
CHART = "document.querySelector('#live .chart')"
POINTS = f"{CHART}.data[0].x"


def test_a_long_run_is_thinned_and_zoomed_into(
    open_page: OpenPage, serve: Serve, home: Path
) -> None:
    engine = Engine(home, supervise=False)
    run = make_run(engine, "long", STEPS, STEPS)
    view = run.view()
    page = open_page(serve(home))
    go(page, "Train")
    page.wait_for_function(DRAWN, arg=STEPS, timeout=60_000)
    assert page.evaluate(f"{POINTS}.length") < 1500
    highest, lowest = max(view.losses), min(view.losses)
    drawn = page.evaluate(f"{CHART}.data[1].y")
    assert abs(max(drawn) - highest) < 1e-5 and abs(min(drawn) - lowest) < 1e-5, "no peak is lost"
    page.evaluate("window.Plotly = {}")  # as Gradio's own plots do
    page.evaluate(
        f"HonePlotly.then((own) => own.relayout({CHART}, {{'xaxis.range': [3000, 3200]}}))"
    )
    page.wait_for_function(f"{POINTS}.filter((x) => x > 3000 && x < 3200).length === 199")
    page.locator(".whole").click()
    page.wait_for_function(f"{POINTS}.filter((x) => x > 3000 && x < 3200).length < 100")
    assert (
        page.locator(".status-evidence").is_visible()
        and page.locator(".status-action").is_visible()
    )
    picture(page, "train-long")
    go(page, "Runs")
    page.locator("#runs-table [data-run]").first.click()
    page.locator("#run-report svg.wide").wait_for()
    picture(page, "report")
    with page.expect_download() as caught:
        page.locator("#take-report").click()
    text = Path(caught.value.path()).read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and "<svg" in text and "<script" not in text
    dark = open_page(page.url, width=390, dark=True)
    go(dark, "Train")
    dark.wait_for_function(DRAWN, arg=STEPS, timeout=60_000)
    picture(dark, "train-long-phone")
    go(dark, "Runs")
    dark.locator("#runs-table [data-run]").first.click()
    dark.locator("#run-report svg.narrow").wait_for()
    picture(dark, "report-phone")
