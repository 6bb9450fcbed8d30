"""Data and Hub work in a process of its own, where a damaged or huge file cannot harm the page.

A process answers one question and ends. Its side is engine.work.oneshot; engine.process.hub asks
here, too.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.data import datasets, hub
from engine.data.prepare import prepare_dataset
from engine.data.prepared import Prepared
from engine.data.readers.table import ReadOptions
from engine.errors import DataError
from engine.process.allowance import Allowance, Failures
from engine.process.child import Child, LostQuestionError
from engine.process.environment import online_environment, private_environment
from engine.process.limits import child_limits
from engine.spec.run import DataSpec
from engine.store import data_limits
from engine.store.workspace import Store
from engine.text import OnProgress

ONESHOT_COMMAND = (sys.executable, "-m", "engine.work.oneshot")
ONESHOT_LOG = "aside.log"
ONLINE_PATIENCE = 300  # seconds in which nothing comes from the network
SMALL_ROWS, SMALL_BYTES = 20_000, 20 * 2**20  # up to here a process takes longer to start
ONLINE = {"describe_dataset", "ingest_dataset", "search_models", "describe_model", "download_model"}
# These take turns: so many processes read data at once.
READING = {"ingest_files", "reread_files", "prepare_dataset", "ingest_dataset"}
READERS = threading.BoundedSemaphore(2)
TURN_SECONDS = 0.5  # between two looks whether somebody who waits still does
WAITING = "Other files are being read now. This one waits for its turn."
DATA_FAILURES = Failures(
    DataError,
    ended="Reading this data was ended by the system; memory may have run out. "
    "Split the file, or try again.",
    silent="Reading this data was ended: it took too long without a result. "
    "Split the file, or try again.",
    deadline=600,  # an XLSX file of 256 MB takes minutes before its first row
    patience=60,
    slow="Reading this data was ended: it took more processor time than is allowed. "
    "Split the file into smaller ones.",
    memory="Reading this data was ended: it took more memory than is allowed. "
    "Split the file into smaller ones.",
)


def add_dataset_files(
    store: Store,
    files: list[tuple[Path, str]],
    options: ReadOptions | None = None,
    on_progress: OnProgress = lambda _: None,
    stop: threading.Event | None = None,
) -> str:
    """Add files as one dataset; returns its source. Raises DataError.

    Each file is given as its path and the user's name for it. Setting ``stop`` ends the reading.
    """
    data_limits.require_upload(store, [path for path, _ in files])
    uploads = [[str(path), name] for path, name in files]
    values: dict[str, Any] = {"files": uploads, "options": asdict(options or ReadOptions())}
    return str(ask_oneshot(store, "ingest_files", on_progress, stop=stop, **values))


def reread_dataset_files(
    store: Store,
    source: str,
    options: ReadOptions,
    on_progress: OnProgress = lambda _: None,
    stop: threading.Event | None = None,
) -> str:
    """Read a dataset's files with other options; returns the new source. Raises DataError."""
    values: dict[str, Any] = {"source": source, "options": asdict(options)}
    return str(ask_oneshot(store, "reread_files", on_progress, stop=stop, **values))


def ingest_hub_dataset(
    store: Store,
    wanted: hub.HubSpec,
    on_progress: OnProgress = lambda _: None,
    stop: threading.Event | None = None,
) -> str:
    """Download a dataset of the Hub and add it; returns its source. Raises DataError."""
    asked = wanted.model_dump()
    return str(ask_oneshot(store, "ingest_dataset", on_progress, stop=stop, wanted=asked))


def look_up_dataset(store: Store, name: str) -> hub.HubInfo:
    """What a Hub dataset holds; raises DataError."""
    return hub.HubInfo(**ask_oneshot(store, "describe_dataset", name=name))


def prepare_rows(
    store: Store,
    spec: DataSpec,
    on_progress: OnProgress = lambda _: None,
    stop: threading.Event | None = None,
) -> Prepared:
    """The rows that a run trains on, prepared in a process if they are many. Raises DataError."""
    dataset = datasets.load_dataset(store, spec.source)
    # Of the rows, not of the file: a small file may hold many words.
    size = (dataset.folder / "rows.arrow").stat().st_size
    if dataset.rows <= SMALL_ROWS and size <= SMALL_BYTES:
        return prepare_dataset(store, spec, on_progress)
    values = spec.model_dump(mode="json")
    found = ask_oneshot(store, "prepare_dataset", on_progress, stop=stop, spec=values)
    return Prepared.model_validate(found)


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
    if op not in READING:
        return _ask_process(store, op, on_progress, failures, stop, values)
    with take_turn(READERS, on_progress, stop) as taken:
        if not taken:
            raise failures.kind("This was stopped before it began.")
        return _ask_process(store, op, on_progress, failures, stop, values)


@contextmanager
def take_turn(
    readers: threading.Semaphore, on_progress: OnProgress, stop: threading.Event | None = None
) -> Iterator[bool]:
    """A block in which this one reads; False where ``stop`` was set while it waited."""
    taken = readers.acquire(blocking=False)
    while not taken and not (stop and stop.is_set()):
        on_progress(WAITING)
        taken = readers.acquire(timeout=TURN_SECONDS)
    try:
        yield taken
    finally:
        if taken:
            readers.release()


def _ask_process(  # noqa: PLR0913  all that one process is given
    store: Store,
    op: str,
    on_progress: OnProgress,
    failures: Failures,
    stop: threading.Event | None,
    values: dict[str, Any],
) -> Any:
    limits = child_limits(store.limits)
    # The app is offline by default; who asks the Hub needs the network, and may need its token.
    with_token = store.limits.mode != "demo"
    own = online_environment(store.hub_cache, with_token) if op in ONLINE else private_environment()
    patience = ONLINE_PATIENCE if op in ONLINE else failures.patience
    allowance = Allowance(failures.deadline, patience, limits.cpu_seconds, limits.memory)
    failures = failures._replace(allowances={op: allowance})
    environment = own | limits.as_environment()
    child = Child(ONESHOT_COMMAND, store.root / ONESHOT_LOG, failures, environment)
    try:
        if stop:
            threading.Thread(target=_end_on, args=(stop, child), daemon=True).start()
        workspace = (str(store.root), store.owner, store.limits)
        for answer in child.ask(op, workspace=workspace, **values):
            if answer.final:
                return answer.value
            on_progress(answer.value)
    except LostQuestionError as error:
        raise failures.kind(str(error)) from None
    finally:
        child.end()
    raise AssertionError("an answer has an end")


def _end_on(stop: threading.Event, child: Child) -> None:
    """End the process when ``stop`` is set; waiting for the network, it would not look itself."""
    while child.alive:
        if stop.wait(0.2):
            child.end()
