"""One figure, one source: what the page says of a thing in one place it says in all others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from engine.runs.engine import Engine
from engine.store.run_dir import RunDir
from engine.text import format_drop, format_loss, format_rate
from tests.browser.conftest import OpenPage, app, go

WAIT = 30_000  # milliseconds
TIME_KNOWN = re.compile("on this machine|from earlier runs")


@pytest.fixture(scope="module")
def url(trained: tuple[Engine, RunDir]) -> Any:
    with app(trained[0].store.home) as (url, _):
        yield url


def numbers(page: Any, selector: str) -> str:
    return str(page.locator(selector).first.inner_text())


def test_figures_of_a_plan_are_the_same_on_both_tabs(open_page: OpenPage, url: str) -> None:
    page = open_page(url)
    go(page, "Train")
    # The estimates follow once the rows are counted.
    page.locator("#train-facts", has_text=TIME_KNOWN).wait_for(timeout=WAIT)
    facts = numbers(page, "#train-facts")
    weights = re.search(r"([\d,]+) of ([\d,]+)\s+weights", facts)
    memory = re.search(r"about ([\d.]+ [GM]B); ([\d.]+ [GM]B) free", facts)
    rows = re.search(r"^([\d,]+) of", numbers(page, "#start-head p"))
    assert weights and memory and rows
    go(page, "Model")
    page.locator("#model-verdict .status").wait_for(timeout=WAIT)
    assert f"about {memory[1]} of" in numbers(page, "#model-verdict")
    assert weights[1] in numbers(page, "#model-map .sum-count")
    assert memory[1] in numbers(page, "#model-memory .bar-row[data-now=true]")
    go(page, "Data")
    page.locator("#data-facts .tiles").wait_for(timeout=WAIT)
    assert rows[1] == numbers(page, "#data-facts .tile b")


def test_figures_of_a_run_are_the_same_on_all_tabs(
    open_page: OpenPage, url: str, trained: tuple[Engine, RunDir]
) -> None:
    run = trained[1]
    view = run.view()
    kept, first = view.kept, view.first_loss
    assert kept and first and view.start_loss is not None
    best, drop = format_loss(kept.loss), format_drop(first, kept.loss)
    page = open_page(url)
    go(page, "Train")
    page.locator("#live .tiles").wait_for(timeout=WAIT)
    held, train = (numbers(page, f"#live [data-tile={name}]") for name in ("held", "train"))
    assert f"before training {format_loss(first)}" in held and f"best {best}" in held
    assert f"started at {format_loss(view.start_loss)}" in train
    assert format_rate(max(view.lrs)) in numbers(page, "#live [data-tile=rate]")
    verdict = numbers(page, "#live .status")
    assert drop in verdict and f"from {format_loss(first)} to {best}" in verdict
    told = re.search(r"training loss ([\d.]+) at the start", verdict)
    assert not told or told[1] == format_loss(view.start_loss)
    settings = numbers(page, "#live .settings")
    assert f"{run.spec.optim.learning_rate:g}" in settings
    go(page, "Runs")
    row = page.locator("#runs-table tr", has=page.locator(f"[data-run='{run.id}']"))
    row.wait_for(timeout=WAIT)
    assert best in row.inner_text() and drop in row.inner_text()
    page.locator(f"[data-run='{run.id}']").click()
    page.locator("#run-report .status").wait_for(timeout=WAIT)
    report = numbers(page, "#run-report")
    assert f"from {format_loss(first)} to {best}" in report and drop in report
    go(page, "Export")
    page.locator("#export-adapter", has_text=best).wait_for(timeout=WAIT)
