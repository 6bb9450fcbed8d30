"""kill -9 of the app, as its user has started it, while a run trains: what the next app says, and
how many workers.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import psutil

import start
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.browser.conftest import FLAGS, app
from tests.browser.test_kill_app import open_run
from tests.conftest import SMALL, wait_for

LONG = SMALL | {
    "name": "Killed",
    "optim": {"epochs": 40, "batch_size": 16, "learning_rate": 3e-3},
    "sampling": {"checks": 10},
}
BOTH = 4  # every so many times the worker dies with the app, as in a power cut
SECONDS = 10.0  # within which the next app must show the truth


class Census(threading.Thread):
    """Counts the workers of each run, ten times a second."""

    def __init__(self, home: Path) -> None:
        super().__init__(daemon=True)
        self.home, self.most, self.over = str(home), 0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.1):
            runs = [
                words[3]
                for words in map(_words, psutil.process_iter())
                if _is_worker(words, self.home)
            ]
            self.most = max([self.most, *(runs.count(run) for run in set(runs))])


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _is_worker(words: list[str], home: str) -> bool:
    return words[1:3] == ["-m", "engine.work"] and len(words) == 5 and words[3].startswith(home)


def kill_apps(home: Path, times: int, draw: random.Random) -> int:
    """Print a line for every kill; 1 where a state was wrong or late, a run had two workers, or a
    step was lost.
    """
    from playwright.sync_api import sync_playwright

    census, wrong = Census(home), []
    starts: list[float] = []
    shows: list[float] = []
    census.start()
    run = Engine(home, supervise=False).start(specs.make_spec(LONG))
    chromium = start.find_browser()
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=chromium, args=FLAGS).new_page()
        with app(home):
            wait_for(run, lambda run: run.view().step >= 2, 120)
            time.sleep(draw.uniform(0, 2))
        attempts = 1
        for at in range(1, times + 1):
            killed = (
                time.monotonic()
            )  # the app that leaves this block before was killed by signal 9
            truth = "Training"
            if at % BOTH == 0 and run.alive:
                started = run.view().started
                assert started
                os.kill(started.pid, signal.SIGKILL)
                truth = "Interrupted"
            before = run.view().step
            with app(home) as (url, _):
                up = time.monotonic()
                state, step = open_run(page, url)
                seconds = time.monotonic() - up
                starts.append(up - killed)
                shows.append(seconds)
                said = f"up after {starts[-1]:.1f} s, and its page said so {seconds:.1f} s later"
                print(
                    f"{at:3} {truth:12} shown as {state} at step {step}: the next app was {said}",
                    flush=True,
                )
                late = starts[-1] + seconds
                if state != truth or step < before or late > SECONDS:
                    wrong.append(
                        f"kill {at}: {truth} at step {before} "
                        f"was shown as {state}, {step}, {late:.1f} s"
                    )
                if truth == "Interrupted":
                    page.locator("#live .run-buttons button", has_text="Continue").click()
                    attempts += 1
                    wait_for(run, lambda run: run.view().attempt == attempts, 120)  # noqa: B023
                time.sleep(draw.uniform(0, 3))
    Engine(home, supervise=False).stop(run.id)
    wait_for(run, lambda run: run.state() == RunState.STOPPED)
    census.over.set()
    wrong += _faults(run, attempts, census.most)
    both = max(a + b for a, b in zip(starts, shows, strict=True))
    print(f"The app was killed {times} times. The next was up within {max(starts):.1f} s.")
    print(f"Its page was right within {max(shows):.1f} s more; together {both:.1f} s at most.")
    print(f"At most {census.most} worker at once on the run; {attempts} attempts; every step once.")
    print("\n".join(wrong) or "Nothing was lost.")
    return int(bool(wrong))


def _faults(run: RunDir, attempts: int, most: int) -> list[str]:
    view, found = run.view(), []
    if most != 1:
        found.append(f"{most} workers at once on one run")
    if view.attempt != attempts:
        found.append(f"{view.attempt} attempts, and {attempts} were asked for")
    if list(view.steps) != list(range(1, view.step + 1)):
        found.append("a step is missing or stands there twice")
    return found
