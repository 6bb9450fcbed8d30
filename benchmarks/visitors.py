"""A public demo under load: 50 visitors at once, of whom some train, and each tries to see another.

``python -m benchmarks.visitors [--visitors 50] [--trainers 10] [--minutes 5]`` starts
``app.py --demo`` in a workspace of its own and speaks plain HTTP to it. Every visitor opens the
page, adds rows that hold a secret word of his, polls as the page does, and asks for what is
another's. Meanwhile 200 files are uploaded while a run goes on (benchmarks.visitor_uploads), and
each limit of the demo is met once (benchmarks.visitor_limits), so it takes longer than the minutes
where those are few. Without these two: ``--alone``.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.demo import percentile, press_start, serve_demo
from benchmarks.http_page import API, Page
from benchmarks.visitor_limits import meet_forgetting, meet_limits, start_anew
from benchmarks.visitor_uploads import upload_while_training

PAUSE = 2.0  # seconds between two things that a visitor does
TURN = 15.0  # seconds until the next one trains
WORDS = ("river", "stone", "cloud", "lamp", "forest", "paper", "window", "bridge", "candle")


class Tally:
    """What all visitors measured; safe to use from several threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {"page": [], "filled": [], "update": [], "data": []}
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        self.leaks: list[str] = []
        self.secrets: list[str] = []
        self.lock = threading.Lock()

    def measure(self, what: str, began: float) -> None:
        with self.lock:
            self.seconds[what].append(time.monotonic() - began)

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def fail(self, what: str) -> None:
        with self.lock:
            self.errors.append(what[:300])

    def require_own(self, text: str, own: str, where: str) -> None:
        """Note it where an answer holds another visitor's secret word."""
        with self.lock:
            foreign = [word for word in self.secrets if word != own and word in text]
            self.leaks += [f"{where}: {word}" for word in foreign]


class Things(NamedTuple):
    """What a visitor has, for others to try."""

    run: str
    dataset: str
    upload: str


class Visitor(threading.Thread):
    """Somebody who comes, adds data, perhaps trains, looks, and tries what is another's."""

    def __init__(
        self, url: str, tally: Tally, everybody: list[Visitor], over: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self.url, self.tally, self.everybody, self.over = url, tally, everybody, over
        self.word = f"zq{secrets.token_hex(5)}"
        self.trains = threading.Event()  # whose turn it is to train
        self.things = Things("", "", "")
        self.page: Page | None = None  # once it is open

    def run(self) -> None:
        try:
            self.page = page = self._open()
            self._add_data(page)
            while not self.over.wait(PAUSE * random.uniform(0.5, 1.5)):
                self._look(page)
                self._try_another(page)
                if self.trains.is_set() and not self.things.run:
                    self._train(page)
        except Exception as error:
            self.tally.fail(f"{type(error).__name__}: {error}")

    def _open(self) -> Page:
        began = time.monotonic()
        page = Page(self.url)
        self.tally.measure("page", began)
        for ok, said in page.run_events(page.opening_events(), {}):
            self.tally.require_own(said, self.word, "page")
            if not ok:
                self.tally.fail(f"load: {said}")
        self.tally.measure("filled", began)
        return page

    def _add_data(self, page: Page) -> None:
        began = time.monotonic()
        rows = [
            {"prompt": f"Where is the {word} {number}?", "completion": f"By {self.word} {number}."}
            for number in range(12)
            for word in WORDS
        ]
        content = "\n".join(map(json.dumps, rows)).encode()
        ok, said = page.add_file("upload", "rows.jsonl", content)
        self.things = self.things._replace(upload=page.sent)
        found = re.search(r"dataset:[0-9a-f]+", said)
        if not ok or not found:
            self.tally.fail(f"add: {said}")
            return
        self.things = self.things._replace(dataset=found.group())
        self.tally.measure("data", began)

    def _train(self, page: Page) -> None:
        run, said = press_start(page, **{"data.source": self.things.dataset, "optim.epochs": 0.5})
        if run:
            self.things = self.things._replace(run=run)
            self.tally.count("runs started")
        elif "waiting" in said or "waits" in said:
            self.tally.count("told that the queue is full")
        else:
            self.tally.fail(f"start: {said}")

    def _look(self, page: Page) -> None:
        began = time.monotonic()
        answer = page.ask_live(self.things.run)
        self.tally.measure("update", began)
        self.tally.require_own(answer.text, self.word, "poll")
        if answer.status_code != 200 or "problem" in answer.json():
            self.tally.fail(f"poll: {answer.status_code} {answer.text}")

    def _try_another(self, page: Page) -> None:
        other = random.choice(self.everybody)
        if other is self:
            return
        run, dataset, upload = other.things
        got = [page.http.get(f"{API}/file={upload}").text] if upload else []
        if run:
            got.append(page.ask_live(run).text)
            got.append(page.http.get(f"/download/run/{run}/{run}-adapter.zip").text)
        if dataset:
            event = page.events_of("field-data-source", "change")[0]
            got.append(page.run_event(event, {"field-data-source": dataset})[1])
        for text in got:
            self.tally.count("probes")
            self.tally.require_own(text, self.word, "probe")


def report(tally: Tally, memory: tuple[float, float], visitors: list[Visitor]) -> str:
    """The figures in lines."""
    lines = [f"{len(visitors)} visitors, {len(tally.errors)} errors, {len(tally.leaks)} leaks"]
    lines += [f"{what}: {count}" for what, count in tally.counts.items()]
    for what, found in tally.seconds.items():
        half, most = percentile(found, 0.5), percentile(found, 0.95)
        lines.append(f"{what}: median {half:.2f} s, p95 {most:.2f} s, of {len(found)}")
    lines.append(f"memory of the app: {memory[0]:.0f} MB before, {memory[1]:.0f} MB after")
    return "\n".join([*lines, *tally.errors[:10], *tally.leaks[:10]])


def come_in(everybody: list[Visitor], trainers: int) -> threading.Thread:
    """Let everybody in within half a minute; returns the thread in which some then train."""
    for one in everybody:
        one.start()
        time.sleep(min(1.0, 30 / len(everybody)))

    def train_in_turn() -> None:
        for one in everybody[:trainers]:
            one.trains.set()
            if one.over.wait(TURN):
                return

    turns = threading.Thread(target=train_in_turn, daemon=True)
    turns.start()
    return turns


def forget_one(
    process: subprocess.Popen[str], home: Path, everybody: list[Visitor]
) -> tuple[subprocess.Popen[str], tuple[str, str]]:
    """Start the app again and have one of two visitors forgotten; the app, and what he is told."""
    away, here = [one for one in everybody if one.things.run][:2]
    assert away.page and here.page
    process, url = start_anew(process, home, away.page, here.page)
    return process, meet_forgetting(url, home, away.page, here.page, away.things.run)


def main() -> int:
    """Print the figures; 1 where something went wrong, was seen by another, or was not limited."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--trainers", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--alone", action="store_true", help="no uploads, no limits")
    asked = parser.parse_args()
    tally, over = Tally(), threading.Event()
    lines: list[str] = []
    wrong: list[str] = []
    met: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="hone-") as folder:
        home = Path(folder) / "workspace"
        process, url = serve_demo(home)
        app = psutil.Process(process.pid)
        before = app.memory_info().rss / 2**20
        everybody: list[Visitor] = []
        everybody += [Visitor(url, tally, everybody, over) for _ in range(asked.visitors)]
        tally.secrets = [one.word for one in everybody]
        ends = time.monotonic() + 60 * asked.minutes
        turns = come_in(everybody, asked.trainers)
        if not asked.alone:
            lines, wrong = upload_while_training(url, home)
            turns.join()
            met = list(meet_limits(url, app))
        time.sleep(max(0.0, ends - time.monotonic()))
        over.set()
        for one in everybody:
            one.join(timeout=60)
        print(report(tally, (before, app.memory_info().rss / 2**20), everybody), flush=True)
        if not asked.alone:
            process, forgotten = forget_one(process, home, everybody)
            met.append(forgotten)
        process.terminate()
        process.wait(20)
    print("\n".join([*lines, *wrong, *(f"{limit}: {said or 'NOT MET'}" for limit, said in met)]))
    return bool(tally.errors or tally.leaks or wrong or not all(said for _, said in met))


if __name__ == "__main__":
    sys.exit(main())
