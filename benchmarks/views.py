"""Every view of the page, and what is wrong with it: ``python -m benchmarks.views FOLDER``.

Six tabs at seven moments of a user's first days, light and dark, 1280 and 390 pixels wide, and the
questions that are asked before a run is deleted: 175 pictures. Each is asked for what axe finds
at any level, and whether it is wider than its window. Then what opening the page costs: the longest
block of its main thread, bytes transferred, processor seconds of the server, and an idle page.

Runs are made up (tests.fake_backend); data, models and previews are real.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

import start
from engine.process import oneshot
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.spec.objective import PROBLEM_TYPES
from engine.store import events as ev
from engine.store.files import PROJECT_FOLDER, write_json
from engine.store.head_labels import LABELS_FILE
from engine.store.run_dir import RunDir
from tests.fake_backend import FakeBackend
from ui import form
from ui.choices import FormChoices, change_choices

TABS = ("data", "model", "train", "compare", "export", "runs")
LOOKS = [(width, dark) for width in (1280, 390) for dark in (False, True)]
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run")
OPENINGS = 7  # that are measured, after two that warm the app
SETTLE_SECONDS = 2.5  # for what comes after a tab is opened
TICKETS = "text,label\n" + "".join(
    f"{text} ({n}),{label}\n"
    for n in range(40)
    for text, label in (
        ("My parcel has not arrived", "delivery"),
        ("I want my money back", "refund"),
        ("Thank you for everything", "praise"),
    )
)
UNSURE = "a,b\n" + "".join(f"How much is {n} and {n}?,It is {2 * n}.\n" for n in range(60))
LONG_TASKS = """window.longest = 0; new PerformanceObserver((list) => {
    for (const one of list.getEntries()) window.longest = Math.max(window.longest, one.duration);
}).observe({ type: 'longtask', buffered: true });"""
TRANSFERRED = """[...performance.getEntriesByType('resource'),
    ...performance.getEntriesByType('navigation')]
    .reduce((sum, one) => sum + one.transferSize, 0)"""


class Served(NamedTuple):
    """An app on a workspace of its own."""

    url: str
    process: psutil.Process


class Looked(NamedTuple):
    """A view that was looked at, and what is wrong with it."""

    name: str
    problems: list[str]


def main() -> int:
    """Make all pictures; exit code 1 where anything is wrong with one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("out", type=Path, help="a folder for the pictures")
    parser.add_argument("--only", default="", help="a moment")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    looked: list[Looked] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=start.find_browser() or None, args=list(FLAGS)
        )
        for moment, prepare in MOMENTS.items():
            if given.only in ("", moment):
                for one in look_at_moment(browser, moment, prepare, given.out):
                    print(f"{one.name}: {'; '.join(one.problems) or 'nothing wrong'}", flush=True)
                    looked.append(one)
        if not given.only:
            print(json.dumps(cost_of_opening(browser), indent=2))
        browser.close()
    wrong = [one for one in looked if one.problems]
    print(f"{len(looked)} views, {len(wrong)} with problems")
    return int(bool(wrong))


# --- moments ---


def nothing_yet(engine: Engine) -> None:
    """A page that was never opened before."""


def own_data(engine: Engine) -> None:
    """A file with labels was added."""
    choose(engine, add(engine, "tickets.csv", TICKETS))


def unsure_columns(engine: Engine) -> None:
    """A file whose columns could be either."""
    choose(engine, add(engine, "pairs.csv", UNSURE))


def at_work(engine: Engine) -> None:
    """A run trains, and another waits for it."""
    made_up(engine, 60, name="first")
    engine.start(specs.make_spec({"name": "second"}))


def finished(engine: Engine) -> None:
    """A run has ended."""
    run_to_end(engine, {})


def many_runs(engine: Engine) -> None:
    """Several runs, one with a note and tags, one interrupted, one that got worse."""
    for rate in (5e-4, 2e-3, 1e-2):
        run = run_to_end(engine, {"optim": {"learning_rate": rate}})
    run.set_meta(note="the best so far", tags=("paper", "pirate"))
    made_up(engine, 20, name="broken off")
    worse = run_to_end(engine, {"name": "too fast", "optim": {"learning_rate": 1.0}})
    worse.emit(ev.Evaluated(step=20, loss=50.0, seconds=9))


def labels(engine: Engine) -> None:
    """A run that chooses labels has ended."""
    source = add(engine, "tickets.csv", TICKETS)
    choose(engine, source)
    run = run_to_end(engine, {"data": {"source": source, "goal": "classify"}})
    kept = {"problem_type": PROBLEM_TYPES["classify"], "labels": ["delivery", "praise", "refund"]}
    write_json(run.adapter / LABELS_FILE, kept)


MOMENTS: dict[str, Callable[[Engine], None]] = {
    "first": nothing_yet,
    "own-data": own_data,
    "unsure": unsure_columns,
    "at-work": at_work,
    "finished": finished,
    "many": many_runs,
    "labels": labels,
}


def add(engine: Engine, name: str, text: str) -> str:
    """Add a file as data; its source."""
    path = engine.store.root / name
    path.write_text(text, encoding="utf-8")
    return oneshot.add_dataset_files(engine.store, [(path, name)])


def choose(engine: Engine, source: str) -> None:
    """Choose data, as on the page."""
    values = form.widget_values(specs.RunSpec(), None) | {"data.source": source}
    change_choices(engine.store, form=FormChoices(values, "Recommended", "all"))


def run_to_end(engine: Engine, values: dict[str, Any]) -> RunDir:
    """A run, made up from its first event to its last."""
    run = engine.start(specs.make_spec(values))
    FakeBackend(steps=60, seconds=0).work(run, "train")
    return run


def made_up(engine: Engine, steps: int, name: str) -> RunDir:
    """A run without its end."""
    run = run_to_end(engine, {"name": name})
    lines = run.events_file.read_text(encoding="utf-8").splitlines(keepends=True)
    run.events_file.write_text("".join(lines[:steps]), encoding="utf-8")
    return run


# --- looking ---


@contextmanager
def served(prepare: Callable[[Engine], None]) -> Iterator[Served]:
    """An app whose workspace is as somebody left it."""
    with tempfile.TemporaryDirectory(prefix="hone-") as folder:
        home = Path(folder) / "workspace"
        engine = Engine(home, FakeBackend(), supervise=False)
        prepare(engine)
        engine.close()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        words = ["app.py", "--no-browser", "--no-token", "--port", port, "--home", str(home)]
        environment = os.environ | {"PYTHONPATH": str(PROJECT_FOLDER)}
        with subprocess.Popen(
            [sys.executable, *words], cwd=PROJECT_FOLDER, env=environment, stdout=subprocess.PIPE
        ) as app:
            try:
                assert app.stdout
                app.stdout.readline()
                yield Served(f"http://127.0.0.1:{port}", psutil.Process(app.pid))
            finally:
                app.terminate()


def look_at_moment(
    browser: Browser, moment: str, prepare: Callable[[Engine], None], out: Path
) -> Iterator[Looked]:
    """All tabs at a moment, in each look; and what is asked before a run is deleted."""
    with served(prepare) as app:
        for width, dark in LOOKS:
            page = opened(browser, app.url, width, dark)
            look = f"{width}-{'dark' if dark else 'light'}"
            for tab in TABS:
                page.locator(f"#nav .tab-container [data-tab-id={tab}]").click()
                page.wait_for_timeout(1000 * SETTLE_SECONDS)
                yield look_at(page, out / f"{moment}-{tab}-{look}.png")
            if moment == "first" and look == "1280-light":
                page.keyboard.press("?")
                page.locator("dialog.keys-list").wait_for()
                yield look_at(page, out / f"keys-{look}.png")
            if moment == "many" or (moment == "finished" and width == 1280):
                page.locator("[data-run]").first.click()
                page.locator("#delete-run").click()
                page.locator("#delete-run-sure").wait_for()
                yield look_at(page, out / f"{moment}-delete-{look}.png")
            page.context.close()


def opened(browser: Browser, url: str, width: int, dark: bool) -> Page:
    """The page, once it shows what was chosen."""
    height = 900 if width > 500 else 844
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.add_init_script(LONG_TASKS)
    page.goto(url)
    page.locator("html[data-ready] #nav").wait_for()
    return page


def look_at(page: Page, path: Path) -> Looked:
    """A picture, and what is wrong."""
    page.screenshot(path=path, full_page=True)
    found = Axe().run(page).response["violations"]
    problems = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        problems.append("wider than its window")
    return Looked(path.stem, problems)


# --- cost ---


def cost_of_opening(browser: Browser) -> dict[str, Any]:
    """What a page costs that is opened, and one that is left alone; of an app that is warm."""
    with served(finished) as app:
        blocks, seconds = [], []
        for _ in range(2 + OPENINGS):
            before = processor(app.process)
            page = opened(browser, app.url, 1280, dark=False)
            page.wait_for_timeout(10_000)
            blocks.append(round(page.evaluate("window.longest")))
            seconds.append(round(processor(app.process) - before, 2))
            transferred = round(page.evaluate(TRANSFERRED) / 1000)
            page.context.close()
        found = {
            "longest block (ms), each time": blocks[2:],
            "longest block (ms), median": statistics.median(blocks[2:]),
            "transferred (kB)": transferred,
            "server, processor seconds, median": statistics.median(seconds[2:]),
        }
        page = opened(browser, app.url, 1280, dark=False)
        page.wait_for_timeout(10_000)
        idle = time.monotonic(), processor(app.process)
        page.wait_for_timeout(30_000)
        share = (processor(app.process) - idle[1]) / (time.monotonic() - idle[0])
        page.context.close()
        return found | {"server while the page is idle (% of a core)": round(100 * share, 2)}


def processor(process: psutil.Process) -> float:
    """Processor seconds of the app, its desk not counted."""
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    sys.exit(main())
