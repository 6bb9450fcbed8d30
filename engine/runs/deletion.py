"""Deleting data with all that was made of it, and all that an owner has."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from engine.data import datasets
from engine.data.datasets import Dataset
from engine.errors import DataError, HoneError, RunError
from engine.runs.engine import Engine
from engine.store.data_limits import bytes_used, clear_caches
from engine.store.files import bytes_below, paths_in, remove_whole
from engine.store.run_dir import RunDir
from engine.store.workspace import Store

END_SECONDS = 15.0  # for runs that must end before their files are removed


class DatasetUse(NamedTuple):
    """A dataset, and what would stay if it alone were deleted."""

    dataset: Dataset
    runs: list[RunDir]  # which trained on it; each holds a copy of the rows
    edits: list[Dataset]  # which were made of it by hand
    bytes: int  # on the disk

    @property
    def live_runs(self) -> list[RunDir]:
        return [run for run in self.runs if run.is_busy]


def find_use(store: Store, source: str) -> DatasetUse:
    """What was made of a dataset; raises DataError for a sample and for what is not there."""
    if str(source).startswith("sample:"):
        raise DataError("The samples come with Hone and cannot be deleted.")
    dataset = datasets.load_dataset(store, str(source))
    readable = (run for run in store.all_runs() if run.is_readable)
    runs = [
        run for run in readable if source in (run.spec.data.source, run.spec.data.held_out_source)
    ]
    listed = (one for one, _ in datasets.list_datasets(store) if one.startswith("dataset:"))
    others = (datasets.load_dataset(store, one) for one in listed)
    edits = [one for one in others if one.parent == source]
    return DatasetUse(dataset, runs, edits, bytes_below(dataset.folder))


def delete_dataset(engine: Engine, source: str, with_runs: bool = False) -> DatasetUse:
    """Delete a dataset and what is cached of it, with ``with_runs`` its runs too.

    Returns what it was. Runs that work are stopped first; raises HoneError.
    """
    use = find_use(engine.store, source)
    if with_runs:
        _end_runs(engine, use.runs)
        for run in use.runs:
            remove_whole(run.path)
    remove_whole(use.dataset.folder)
    _clear(engine.store)
    return use


def delete_runs(engine: Engine, run_ids: Iterable[str], stop: bool = False) -> list[str]:
    """Delete runs of this owner, all or none; returns their names.

    ``stop``: those that work are stopped first, and those that wait leave the queue. Raises
    RunError for a run that is not there, that works though ``stop`` is not set, or that does not
    end in time.
    """
    runs = [engine.store.run(one) for one in dict.fromkeys(run_ids)]
    live = [run for run in runs if run.is_busy]
    if live and not stop:
        raise RunError(
            f"'{live[0].name}' is working or waiting now. Stop it first, or choose Delete again: "
            "then it is stopped and deleted."
        )
    names = [run.name for run in runs]
    _end_runs(engine, runs)
    for run in runs:
        engine.delete(run.id)
    return names


class Belongings(NamedTuple):
    """How much an owner has."""

    runs: int
    datasets: int
    recipes: int
    bytes: int  # on the disk


def count_belongings(store: Store) -> Belongings:
    """What ``delete_everything`` would delete."""
    return Belongings(
        runs=len(list(store.all_runs())),
        datasets=len(paths_in(store.datasets, "[!.]*")),
        recipes=len(paths_in(store.recipes, "*.yaml")),
        bytes=bytes_used(store),
    )


def delete_everything(engine: Engine) -> Belongings:
    """Delete all that the engine's owner has, damaged folders too; models stay.

    Runs that work are stopped first. Returns what it was; raises HoneError.
    """
    store = engine.store
    found = count_belongings(store)
    _end_runs(engine, store.all_runs())
    if store.owner:
        store.remove_owner()
        return found
    own = [*paths_in(store.runs), *paths_in(store.datasets), *paths_in(store.recipes)]
    own.append(store.choices_file)
    for path in own:
        if path.name.startswith(".sample-"):
            continue  # Hone's own, for all
        if path.is_dir():
            remove_whole(path)
        else:
            path.unlink(missing_ok=True)
    _clear(store)
    return found


def _end_runs(engine: Engine, runs: Iterable[RunDir]) -> None:
    """Stop runs that work or wait, with force where they do not obey; raises RunError."""
    found = list(runs)
    if found:  # others' replies are cut short for nothing less
        engine.desk.free_memory()
    for end in (engine.cancel, engine.end_now):
        live = [run for run in found if run.is_busy]
        for run in live:
            with suppress(HoneError):  # it has just ended
                end(run.id)
        deadline = time.monotonic() + END_SECONDS
        while (live := [run for run in live if run.is_busy]) and time.monotonic() < deadline:
            time.sleep(0.1)
    if live:
        raise RunError(f"'{live[0].name}' does not stop, so nothing was deleted. Try again later.")


def _clear(store: Store) -> None:
    clear_caches(store)
    shutil.rmtree(store.tmp, ignore_errors=True)
