"""The app as a public demo in a process of its own, and what a visitor of it does there."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.http_page import Page
from engine.store.files import PROJECT_FOLDER

ADDRESS = re.compile(r"(http://[\d.]+:\d+)\S*")
RUN_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9-]+")
LIVE = ("queued", "preparing", "training")  # the states of a run that has not ended


def serve_demo(home: Path) -> tuple[subprocess.Popen[str], str]:
    """The app as a demo in a process of its own, and its address."""
    words = [sys.executable, str(PROJECT_FOLDER / "app.py"), "--demo", "--no-browser"]
    words += ["--home", str(home), "--port", "17990"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT_FOLDER)}
    with (home.parent / "app.stderr").open("a") as log:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    assert process.stdout
    found = ADDRESS.search(process.stdout.readline())
    assert found, "the app did not start"
    return process, found.group(1)


def press_start(page: Page, **given: Any) -> tuple[str, str]:
    """Press Start with some fields of the form by path; the run's id, else all that was said."""
    fields = {f"field-{path.replace('.', '-')}": value for path, value in given.items()}
    ok, said = page.run_event(page.events_of("start", "click")[0], fields)
    found = RUN_ID.search(said) if ok else None
    return (found.group(), "") if found else ("", said)


def wait_for(page: Page, run: str, states: Sequence[str], seconds: float) -> dict[str, Any]:
    """The last poll of a run, once it is in one of these states or the time is over."""
    ends = time.monotonic() + seconds
    answer: dict[str, Any] = page.ask_live(run).json()
    while answer.get("state") not in states and time.monotonic() < ends:
        time.sleep(1)
        answer = page.ask_live(run).json()
    return answer


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share lies; 0 where there are fewer than two."""
    return statistics.quantiles(values, n=100)[round(share * 100) - 1] if len(values) > 1 else 0.0
