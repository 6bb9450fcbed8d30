"""How the page bears a long run: 20,000 steps that are there, and a run that grows while it is
looked at.

``python -m benchmarks.page [--steps N] [--updates N]`` makes both runs in a workspace of their own,
starts the app on it, opens it in Chromium and prints the times of the page and the memory of the
app.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

import start
from engine.process import oneshot
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store import events as ev
from engine.store.run_dir import RunDir
from tests.browser.conftest import FLAGS, app, go

CHECKS = 100  # in the whole run; each with three replies and a checkpoint
RATE = 10  # steps a second of the run that grows
# Of each poll: when it was asked, when its answer was there, and when what it changed was on the
# screen.
WATCH = """
  window.polls = []; const plain = window.fetch;
  window.fetch = async (...all) => {
    if (!String(all[0]?.url ?? all[0]).includes('component_server')) return plain(...all);
    const asked = performance.now(), answer = await plain(...all);
    const body = await answer.clone().text();
    const one = { asked, there: performance.now(), bytes: body.length }; polls.push(one);
    const painted = () => { one.shown = performance.now(); };
    setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(painted)), 0);
    return answer;
  };
"""
DRAWN = """(step) => {
  const x = document.querySelector('#live .chart')?.data?.[0]?.x;
  return x && x[x.length - 1] >= step;
}"""


def events_of(steps: int, first: int, last: int) -> Iterator[ev.Event]:
    """Events from one step to another of a run that learns, with noise."""
    chance = random.Random(first)
    every = max(1, steps // CHECKS)
    for step in range(first, last + 1):
        level, when = 2.5 * math.exp(-4 * step / steps) + 0.8, {"step": step, "seconds": 0.9 * step}
        if step and step <= steps:
            yield ev.Step(
                **when,
                epoch=3 * step / steps,
                loss=level * (1 + 0.15 * chance.gauss(0, 1)),
                tokens=900 * step,
                lr=2e-4 * (1 - step / (steps + 1)),
                grad_norm=1.0 + 0.2 * chance.random(),
                memory_gb=9.5,
            )
        if step % every == 0:
            yield ev.Evaluated(**when, loss=level + 0.1)
            yield from (
                ev.Sampled(step=step, prompt=f"Question {n}?", reply=f"After {step}. " * 12)
                for n in range(3)
            )
            if step:
                yield ev.Saved(step=step, best=True)


def make_run(engine: Engine, name: str, steps: int, done: int) -> RunDir:
    """A run whose worker has come to a step."""
    spec = specs.make_spec({"name": name})
    rows = oneshot.prepare_rows(engine.store, spec.data)
    run = engine.store.create_run(spec, rows.train_file, rows.held_out_file, rows.summary())
    began = ev.Started(
        pid=os.getpid(),
        device="CPU",
        precision="bf16",
        trainable=10**6,
        total=10**8,
        steps=steps,
        epochs=3,
        rows=50_000,
        held_out=500,
        tokens=10**7,
        learned=4 * 10**6,
        cut=0,
    )
    estimated = ev.Estimated(
        trainable=10**6, memory_gb=9.0, seconds_low=0.8 * steps, seconds_high=steps
    )
    found = [began, estimated, *events_of(steps, 0, done)]
    if done == steps:
        found.append(ev.Finished(step=steps, seconds=0.9 * steps, memory_gb=9.5))
    run.events_file.write_text(
        "".join(f"{one.model_dump_json()}\n" for one in found), encoding="utf-8"
    )
    return run


def grow(run: RunDir, steps: int, done: int, stop: threading.Event) -> None:
    """Act as the run's worker: hold its lock and take steps."""
    with run.lock.acquire(timeout=5):
        while not stop.wait(1 / RATE) and done < steps:
            done += 1
            for one in events_of(steps, done, done):
                run.emit(one)


def opened(page: Page, step: int) -> float:
    """Seconds from now until the curve reaches a step."""
    begun = time.monotonic()
    page.wait_for_function(DRAWN, arg=step, timeout=120_000, polling=20)
    return time.monotonic() - begun


def measure(home: Path, steps: int, updates: int) -> dict[str, Any]:
    """All figures."""
    engine = Engine(home, supervise=False)
    make_run(engine, "long", steps, steps)
    half = steps - (updates + 120) * RATE
    growing = make_run(engine, "growing", steps, half)
    stop = threading.Event()
    worker = threading.Thread(target=grow, args=(growing, steps, half, stop), daemon=True)
    worker.start()
    found: dict[str, Any] = {}
    with app(home) as (url, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=start.find_browser(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(WATCH)
        page.goto(url)
        page.get_by_role("tab", name="Data", exact=True).wait_for(timeout=60_000)
        page.wait_for_timeout(15_000)  # rows are counted and the model is read meanwhile
        one = psutil.Process(process.pid)
        found["memory before, MB"] = before = one.memory_info().rss / 2**20
        begun = time.monotonic()
        page.get_by_role("tab", name="Train", exact=True).click()
        opened(page, half)
        found["Train tab to the drawn curve, s"] = time.monotonic() - begun
        page.evaluate("polls.length = 0")
        page.wait_for_function(
            "(wanted) => polls.filter((p) => p.shown && p.bytes > 200).length >= wanted",
            arg=updates,
            timeout=600_000,
        )
        polls = page.evaluate("polls.filter((p) => p.shown && p.bytes > 200)")
        answers = sorted(p["there"] - p["asked"] for p in polls)
        screens = sorted(p["shown"] - p["there"] for p in polls)
        for name, values in (("answer", answers), ("screen after it", screens)):
            found[f"update, {name}, ms"] = (
                f"{median(values):.0f} (95 % {values[int(0.95 * len(values))]:.0f})"
            )
        found["bytes of an update"] = median(p["bytes"] for p in polls)
        found[f"memory after {len(polls)} updates, MB"] = after = one.memory_info().rss / 2**20
        found["memory growth, MB"] = after - before
        begun = time.monotonic()
        page.reload()
        go(page, "Train")
        opened(page, half)
        found["reload to the drawn curve, s"] = time.monotonic() - begun
        for name in ("Runs tab, s", "Runs tab again, s"):
            begun = time.monotonic()
            go(page, "Runs")
            page.locator("#runs-table [data-run]").nth(1).wait_for()
            found[name] = time.monotonic() - begun
            go(page, "Data")
        go(page, "Runs")
        begun = time.monotonic()
        page.locator("#runs-table [data-run]", has_text="long").click()
        page.locator("#run-report .card").first.wait_for()
        found["report of the long run, s"] = time.monotonic() - begun
        begun = time.monotonic()
        page.locator("#open-run").click()
        opened(page, steps)
        found["long run opened to the drawn curve, s"] = time.monotonic() - begun
        found["memory at the end, MB"] = one.memory_info().rss / 2**20
        browser.close()
    stop.set()
    worker.join()
    return found


def main() -> int:
    """Print the figures, a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--updates", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder) / "workspace", options.steps, options.updates)
    print(json.dumps(found, indent=1, default=str))
    for name, value in found.items():
        print(f"| {name} | {value if isinstance(value, str) else f'{value:.2f}'} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
