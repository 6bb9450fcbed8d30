"""Slow work on data: its progress is shown, and it ends where nobody waits for it any more."""

from __future__ import annotations

import sys
import threading
import time

import psutil
import pytest

from engine.errors import DataError
from engine.process import oneshot
from engine.store.workspace import Store
from ui.data import intake
from ui.data.intake import STILL, Done, run_with_progress

ENDLESS = """
import os, time
from pathlib import Path
from engine.work.serve import serve

def read(question, report):
    root = Path(question["workspace"][0])
    (root / "pid").write_text(str(os.getpid()))
    while True:
        time.sleep(0.05)
        sum(range(100_000))

serve({"ingest_files": read, "reread_files": read, "ingest_dataset": read, "prepare_dataset": read},
      lambda error: error)
"""


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "STILL_SECONDS", 0.05)


def test_progress_comes_then_nothing_new_then_the_result() -> None:
    def work(on_progress, stop: threading.Event) -> str:
        on_progress("begun")
        time.sleep(0.2)
        return "end"

    found = list(run_with_progress(work))
    assert found[0] == "begun" and found[-1] == Done("end") and set(found[1:-1]) == {STILL}


def test_an_error_of_the_work_is_raised() -> None:
    def work(on_progress, stop: threading.Event) -> str:
        raise DataError("It is empty.")

    with pytest.raises(DataError, match="It is empty"):
        list(run_with_progress(work))


@pytest.mark.parametrize(
    "op", ["ingest_files", "reread_files", "ingest_dataset", "prepare_dataset"]
)
def test_reading_ends_with_the_page_that_waits_for_it(
    home, monkeypatch: pytest.MonkeyPatch, op: str
) -> None:
    """Gradio closes the generator of a page that has gone, where it yields."""
    monkeypatch.setattr(oneshot, "ONESHOT_COMMAND", (sys.executable, "-c", ENDLESS))
    store = Store(home)

    def ask(on_progress, stop: threading.Event):
        return oneshot.ask_oneshot(store, op, on_progress, stop=stop)

    reading = run_with_progress(ask)
    pid_file, end = home / "pid", time.monotonic() + 20
    while not pid_file.exists() and time.monotonic() < end:
        assert next(reading) == STILL
    time.sleep(0.1)
    reader = psutil.Process(int(pid_file.read_text()))
    reading.close()
    reader.wait(5)
    assert not reader.is_running()
    end = time.monotonic() + 5
    while oneshot.READERS._value < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert oneshot.READERS._value == 2, "the next one may read"
