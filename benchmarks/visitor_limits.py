"""Every limit of the public demo, met once: what each visitor was told, word for word.

``python -m benchmarks.visitors`` meets them while fifty others are there. By itself,
``python -m benchmarks.visitor_limits`` meets them in a demo with nobody else, which takes about
seven minutes: a run is ended after three, and an owner is forgotten by an app that is started
again. Nobody waits two hours for that: the mark of the last sign of life is set back, of one
visitor by more than the limit, of another by less.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from benchmarks.demo import LIVE, press_start, serve_demo, wait_for
from benchmarks.http_page import Page, sentence_with
from engine.spec.limits import DEMO, MB

Told = tuple[str, str]  # a limit, and what was said; empty where nothing was
READERS = 5  # visitors who add a file at the same time
SETS = 12  # of data, at most, until the space of a visitor is full
COLUMNS, VALUE = 200, "x" * 80  # of a table that is some fifty times larger as rows
LONG_RUN = {"optim.epochs": 50, "optim.batch_size": 64, "data.max_length": 512}
LONG_WORDS = 150  # of an answer: more tokens than that
MINUTES_LEFT = 2.0  # for a run to be ended after its three, and for an owner to be forgotten
AWAY = (1.1, 0.9)  # of the hours after which an owner is forgotten: one more, one less


def meet_limits(url: str, app: psutil.Process) -> Iterator[Told]:
    """All limits but one, each with what was said."""
    page = Page(url)
    page.run_events(page.opening_events(), {})
    yield from _meet_at_once(page)
    yield from _meet_readers(url, app)
    yield "200 MB a visitor", _fill_space(page)
    yield from _meet_queue(url)


def _meet_at_once(page: Page) -> Iterator[Told]:
    """What is refused before anything is done."""
    large = page.upload("large.jsonl", bytes(int(DEMO.upload_bytes) + MB)).text
    yield "5 MB a dataset", sentence_with(large, "5.0 MB")
    _, said = page.add_file("upload", "long.jsonl", rows_of(int(DEMO.dataset_rows) + 1))
    yield "2,000 rows", sentence_with(said, "2,000 rows")
    plan = page.events_of("field-optim-epochs", "change", "train-facts")[0]
    _, said = page.run_event(plan, {"field-optim-epochs": 50})
    yield "60 steps a run", sentence_with(said, "trains up to 60 steps")
    search = page.events_of("hub-search", "click")[0]
    _, said = page.run_event(search, {"hub-query": "llama"})
    yield "no Hub", sentence_with(said, "public demo downloads")
    _, said = page.run_event(page.events_of("use-folder", "click")[0], {"model-folder": "/etc"})
    yield "no folders", sentence_with(said, "Folders are closed")


def rows_of(count: int, name: str = "row", words: int = 4) -> bytes:
    """A JSONL file with this many rows, whose answers have this many words that mean nothing."""
    rows = (
        {"prompt": f"{name} {at}?", "completion": " ".join(map(secrets.token_hex, [3] * words))}
        for at in range(count)
    )
    return "\n".join(map(json.dumps, rows)).encode()


def _meet_readers(url: str, app: psutil.Process) -> Iterator[Told]:
    """Several visitors add a file at the same time, while the processes that read are counted."""
    pages = [Page(url) for _ in range(READERS)]
    over, most = threading.Event(), [0]

    def count_readers() -> None:
        while not over.wait(0.05):
            most.append(sum(_is_reader(one) for one in app.children()))

    counting = threading.Thread(target=count_readers)
    counting.start()
    with ThreadPoolExecutor(READERS) as pool:
        asked = [
            pool.submit(page.add_file, "upload", "rows.jsonl", rows_of(2000, f"of {at}"))
            for at, page in enumerate(pages)
        ]
        said = "\n".join(one.result()[1] for one in asked)
    over.set()
    counting.join()
    sentence = sentence_with(said, "waits for its turn")
    yield f"two readers at a time ({max(most)} at most)", sentence * (max(most) <= 2)


def _is_reader(process: psutil.Process) -> bool:
    try:
        return "engine.work.oneshot" in process.cmdline()
    except psutil.Error:  # it has just ended
        return False


def _fill_space(page: Page) -> str:
    """Add tables until there is no room; what is said then."""
    names = ["question", "answer", *(f"{VALUE}{at}" for at in range(COLUMNS))]
    said = ""
    for number in range(SETS):
        row = ",".join(str(number + at % 7) for at in range(COLUMNS))
        rows = (f"What is {at}?,It is {number}.,{row}" for at in range(2000))
        table = "\n".join([",".join(names), *rows])
        _, answered = page.add_file("upload", f"table-{number}.csv", table.encode())
        if said := sentence_with(answered, "Your data and runs take"):
            break
    return said


def _meet_queue(url: str) -> Iterator[Told]:
    """One run that is too long works, and behind it the queue fills up."""
    page = Page(url)
    _, said = page.add_file("upload", "long-answers.jsonl", rows_of(2000, words=LONG_WORDS))
    found = re.search(r"dataset:[0-9a-f]+", said)
    assert found, said
    run, said = press_start(page, **LONG_RUN, **{"data.source": found.group()})
    assert run, said
    wait_for(page, run, ("preparing", "training"), 600)  # what others have started comes first
    behind, _ = press_start(page)
    yield (
        "1 waiting run each",
        sentence_with(press_start(page)[1], "takes no more at a time from one user"),
    )
    waiting = {behind: page}
    for _ in range(int(DEMO.waiting_all) + 1):
        other = Page(url)
        other_run, said = press_start(other)
        if not other_run:
            break
        waiting[other_run] = other
    yield "8 waiting runs in all", sentence_with(said, "jobs of all users wait")
    for other_run, other in waiting.items():
        other.run_event(other.events_of("live", "cancel_run")[0], {"live": other_run})
    seconds = 60 * (DEMO.run_minutes + MINUTES_LEFT)
    ended = wait_for(page, run, ("stopped", "finished", "failed"), seconds)
    assert ended.get("state") not in LIVE, "the run was not ended"
    yield "3 minutes a run", sentence_with(json.dumps(ended), "was stopped after 3 minutes")


# --- forgotten ---


def start_anew(
    app: subprocess.Popen[str], home: Path, away: Page, here: Page
) -> tuple[subprocess.Popen[str], str]:
    """End the app and start it again, as if one visitor had gone too long ago and another not."""
    app.terminate()
    app.wait(60)
    for page, share in zip((away, here), AWAY, strict=True):
        then = time.time() - 3600 * share * DEMO.forget_hours
        os.utime(folder_of(home, page) / "seen", (then, then))
    return serve_demo(home)


def meet_forgetting(url: str, home: Path, away: Page, here: Page, run: str) -> Told:
    """Wait until one of two visitors is forgotten; what he is told when he wants his run."""
    ends = time.monotonic() + 60 * MINUTES_LEFT
    while folder_of(home, away).exists() and time.monotonic() < ends:
        time.sleep(1)
    gone, kept = not folder_of(home, away).exists(), folder_of(home, here).exists()
    again = Page(url, away.http.cookies)
    _, said = again.run_event(again.events_of("live", "continue_run")[0], {"live": run})
    return "forgotten after 2 hours", sentence_with(said, "There is no run") * (gone and kept)


def folder_of(home: Path, page: Page) -> Path:
    """Where a visitor's files are, by his cookie."""
    owner = next(iter(page.http.cookies.values())).partition(".")[0]
    return home / "owners" / owner


def main() -> int:
    """Meet all limits in a demo of their own; 1 where one was not."""
    with tempfile.TemporaryDirectory(prefix="hone-") as folder:
        home = Path(folder) / "workspace"
        app, url = serve_demo(home)
        met = list(meet_limits(url, psutil.Process(app.pid)))
        away, here = Page(url), Page(url)
        run, other = (press_start(page, **{"optim.epochs": 0.1})[0] for page in (away, here))
        for page, one in ((away, run), (here, other)):
            wait_for(page, one, ("finished", "failed"), 120)
        app, url = start_anew(app, home, away, here)
        met.append(meet_forgetting(url, home, away, here, run))
        app.terminate()
        app.wait(60)
    print("\n".join(f"{limit}: {said or 'NOT MET'}" for limit, said in met))
    return int(not all(said for _, said in met))


if __name__ == "__main__":
    sys.exit(main())
