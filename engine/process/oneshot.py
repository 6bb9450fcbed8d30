"""Data and Hub work in a process of its own, where a damaged or huge file cannot harm the page.

A process answers one question and ends. Its side is engine.work.oneshot; engine.process.hub asks
here, too.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.data import datasets, hub
from engine.data.prepare import prepare_dataset
from engine.data.prepared import Prepared
from engine.data.readers.table import ReadOptions
from engine.errors import DataError
from engine.process.child import Child, Failures
from engine.spec.run import DataSpec
from engine.store.workspace import Store
from engine.text import OnProgress

ONESHOT_COMMAND = (sys.executable, "-m", "engine.work.oneshot")
ONESHOT_LOG = "aside.log"
SMALL_ROWS, SMALL_BYTES = 20_000, 20 * 2**20  # up to here a process takes longer to start
ONLINE = {"describe_dataset", "ingest_dataset", "search_models", "describe_model", "download_model"}
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
DEADLINE = 1800  # seconds of silence; an XLSX file of 256 MB takes minutes before its first row
DATA_FAILURES = Failures(
    DataError,
    ended="Reading this data was ended by the system; memory may have run out. "
    "Split the file, or try again.",
    silent="Reading this data was ended: nothing happened for half an hour. "
    "Split the file, or try again.",
    deadline=DEADLINE,
)


def add_dataset_files(
    store: Store,
    files: list[tuple[Path, str]],
    options: ReadOptions | None = None,
    on_progress: OnProgress = lambda _: None,
) -> str:
    """Add files as one dataset; returns its source. Raises DataError.

    Each file is given as its path and the user's name for it.
    """
    uploads = [[str(path), name] for path, name in files]
    values: dict[str, Any] = {"files": uploads, "options": asdict(options or ReadOptions())}
    return str(ask_oneshot(store, "ingest_files", on_progress, **values))


def reread_dataset_files(
    store: Store, source: str, options: ReadOptions, on_progress: OnProgress = lambda _: None
) -> str:
    """Read a dataset's files with other options; returns the new source. Raises DataError."""
    values: dict[str, Any] = {"source": source, "options": asdict(options)}
    return str(ask_oneshot(store, "reread_files", on_progress, **values))


def ingest_hub_dataset(
    store: Store, wanted: hub.HubSpec, on_progress: OnProgress = lambda _: None
) -> str:
    """Download a dataset of the Hub and add it; returns its source. Raises DataError."""
    return str(ask_oneshot(store, "ingest_dataset", on_progress, wanted=wanted.model_dump()))


def look_up_dataset(store: Store, name: str) -> hub.HubInfo:
    """What a Hub dataset holds; raises DataError."""
    return hub.HubInfo(**ask_oneshot(store, "describe_dataset", name=name))


def prepare_rows(
    store: Store, spec: DataSpec, on_progress: OnProgress = lambda _: None
) -> Prepared:
    """The rows that a run trains on, prepared in a process if they are many. Raises DataError."""
    dataset = datasets.load_dataset(store, spec.source)
    if dataset.rows <= SMALL_ROWS and dataset.bytes <= SMALL_BYTES:
        return prepare_dataset(store, spec, on_progress)
    values = spec.model_dump(mode="json")
    return Prepared.model_validate(ask_oneshot(store, "prepare_dataset", on_progress, spec=values))


def ask_oneshot(
    store: Store,
    op: str,
    on_progress: OnProgress = lambda _: None,
    failures: Failures = DATA_FAILURES,
    stop: threading.Event | None = None,
    **values: Any,
) -> Any:
    """The answer of a new process; raises its error, or that of ``failures``.

    Setting ``stop`` ends the process.
    """
    # The app is offline by default; who asks the Hub needs the network.
    environment = online_environment(store.home / "hub") if op in ONLINE else None
    child = Child(ONESHOT_COMMAND, store.home / ONESHOT_LOG, failures, environment)
    try:
        if stop:
            threading.Thread(target=_end_on, args=(stop, child), daemon=True).start()
        for answer in child.ask(op, home=str(store.home), **values):
            if answer.final:
                return answer.value
            on_progress(answer.value)
    finally:
        child.end()
    raise AssertionError("an answer has an end")


def _end_on(stop: threading.Event, child: Child) -> None:
    """End the process when ``stop`` is set; waiting for the network, it would not look itself."""
    while child.alive:
        if stop.wait(0.2):
            child.end()


def online_environment(cache: Path) -> dict[str, str]:
    """Environment of a process that asks the Hub: online, no telemetry, a cache of our own.

    HF_TOKEN, HF_HOME (where ``hf auth login`` keeps its token) and HF_ENDPOINT pass through.
    """
    kept = {key: value for key, value in os.environ.items() if key not in OFFLINE}
    return kept | {
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_SYMLINKS_WARNING": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",  # plain HTTP: its breaks are seen, and it needs no cache
        "HF_HUB_DOWNLOAD_TIMEOUT": "20",  # seconds without a byte
        "HF_HUB_ETAG_TIMEOUT": "10",
    }
