"""What has changed on the disk since somebody looked: marks, which cost no more than a look.

A page asks for what it shows only where a mark has changed (ui.push).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from engine.store import heartbeat
from engine.store.run_dir import RunDir
from engine.store.run_queue import RunQueue
from engine.store.workspace import Store

Marks = dict[str, str]
RUNS = "runs"  # a run has come, gone, begun, ended, or got another name
QUEUE = "queue"  # the order of what waits, of all owners
CHOICES = "choices"  # what is chosen on the page
LISTS = "lists"  # data, models and recipes to choose from
RECENT_SECONDS = 60.0  # since its last sign of life; later, a worker cannot be alive
TICK_SECONDS = 5  # a run that works is asked for this often even if nothing is written: it may hang


def run_mark(run_id: str) -> str:
    """The name of the mark that changes with each event of a run."""
    return f"run {run_id}"


def marks_of(store: Store) -> Marks:
    """The marks of all that a page of this owner shows."""
    marks, states = {}, []
    for folder in sorted(_run_folders(store.runs)):
        events, folder_time = _mark_of_file(f"{folder}/events.jsonl"), _mark_of_file(folder)
        alive = _is_alive(folder)
        marks[run_mark(Path(folder).name)] = f"{events} {_tick() if alive else ''}"
        states.append(f"{folder} {folder_time} {alive}")
    marks[RUNS] = str(hash(tuple(states)))
    marks[CHOICES] = _mark_of_file(store.choices_file)
    lists = (store.datasets, store.recipes, store.models)
    marks[LISTS] = " ".join(map(_mark_of_file, lists))
    return marks


def queue_mark(queue: RunQueue) -> str:
    """Changes with the order of all that waits."""
    return str(hash(tuple((one.run.path, one.job) for one in queue.waiting_jobs())))


def _run_folders(runs: Path) -> list[str]:
    try:
        with os.scandir(runs) as entries:
            return [one.path for one in entries if not one.name.startswith(".")]
    except OSError:  # an owner without runs
        return []


def _mark_of_file(path: str | Path) -> str:
    try:
        found = os.stat(path)  # noqa: PTH116  texts, not paths: this is done each second
        return f"{found.st_mtime_ns} {found.st_size}"
    except OSError:
        return ""


def _is_alive(folder: str) -> bool:
    """Whether a worker holds the run's lock; asked only where one may."""
    try:
        signed = os.stat(f"{folder}/{heartbeat.NAME}").st_mtime  # noqa: PTH116
    except OSError:
        return False
    return abs(time.time() - signed) < RECENT_SECONDS and RunDir(Path(folder)).alive


def _tick() -> int:
    return int(time.monotonic() / TICK_SECONDS)
