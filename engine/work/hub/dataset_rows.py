"""Reads the rows of a slice of a Hub dataset.

``huggingface_hub`` downloads the files of a split whole, one after the other, and keeps them by
commit; ``engine.data.readers`` reads them. Programs, pickles and archives are never opened.
"""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from tqdm import tqdm  # type: ignore[import-untyped]

from engine.data.hub import HubSpec
from engine.data.readers.formats import read_table
from engine.data.readers.table import BadRow, ReadOptions
from engine.data.rows import Row
from engine.errors import DataError
from engine.work.hub.dataset_card import DATA_ENDINGS, DatasetConfig
from engine.work.hub.datasets import HubDataset, open_dataset
from engine.work.hub.errors import DATASET, explained_errors

LARGEST_DOWNLOAD = 8 * 2**30  # bytes for one slice
MIB = 2**20
NAMES_LISTED = 30

# Called with what is being done and the share that is done, -1 where that is not known.
OnShare = Callable[[str, float], None]


def read_slice(
    spec: HubSpec, cache: Path, on_share: OnShare, notes: list[str]
) -> Iterator[Row | BadRow]:
    """The rows of a slice; raises DataError, and then none of them may be used.

    ``notes`` receives what was done to read them, for the user, complete at the iterator's end.
    """
    if spec.first < 0 or (spec.count is not None and spec.count < 1):
        raise DataError(
            "A slice begins at row 0 or later and has at least one row. Correct the two numbers."
        )
    with explained_errors(DATASET, spec.name):
        on_share(f"Asking the Hub for '{spec.name}'", 0.0)
        dataset = open_dataset(spec.name)
        notes += dataset.info.notes
        split, seen = _split_rows(dataset, spec, cache, on_share, notes), 0
        for seen, row in enumerate(split, start=1):
            if seen > spec.first:
                yield row
            if spec.count and seen == spec.first + spec.count:
                break
        split.close()  # now its notes are written
        _check_end(spec, seen, notes)
        on_share("All rows are read", 1.0)


def _check_end(spec: HubSpec, seen: int, notes: list[str]) -> None:
    """Raises DataError where the slice is empty; notes where it is shorter than asked for."""
    has = f"The split '{spec.split}' of '{spec.name}' has"
    if not seen:
        raise DataError(f"{has} no rows. Choose another split.")
    if seen <= spec.first:
        raise DataError(
            f"{has} {seen:,} rows, numbered from 0; the slice begins at row {spec.first:,}. "
            "Choose a smaller first row."
        )
    if spec.count and (taken := seen - spec.first) < spec.count:
        notes.append(
            f"{has} {seen:,} rows, so {taken:,} were read of the {spec.count:,} asked for."
        )


def _split_rows(
    dataset: HubDataset, spec: HubSpec, cache: Path, on_share: OnShare, notes: list[str]
) -> Generator[Row | BadRow]:
    """All rows of a split; a file is downloaded when the rows before it have been taken."""
    config = _chosen_config(dataset, spec)
    notes += _config_notes(config)
    files, labels = _one_kind(config.splits[spec.split], notes), config.labels
    whole = len(files) if spec.count is None else 0
    for number, path in enumerate(files):
        _check_download_size(dataset, files if whole else files[: number + 1], cache)
        bar = _progress_bar(path, number, whole, on_share)
        local = hf_hub_download(filename=path, tqdm_class=bar, **_cache_options(dataset, cache))
        # The Hub, too, takes a text by its lines.
        table = read_table(Path(local), path, ReadOptions(parts="line"))
        try:
            for row in table.rows:
                if isinstance(row, BadRow):
                    yield BadRow(f"'{path}': {row.problem}") if len(files) > 1 else row
                else:
                    yield {key: _class_name(value, labels.get(key)) for key, value in row.items()}
        finally:
            # Every file would repeat the same notes.
            notes += [note for note in table.notes if note not in notes]


def _chosen_config(dataset: HubDataset, spec: HubSpec) -> DatasetConfig:
    """The config asked for; raises DataError where it, or its split, is missing."""
    name = spec.config or dataset.info.default
    if name not in dataset.configs:
        wrong = f"has no config '{name}'"
        if not name:
            wrong = "has several configs, of which one must be chosen"
        raise DataError(
            f"The dataset '{spec.name}' {wrong}. Its configs are: {_join_names(dataset.configs)}."
        )
    config = dataset.configs[name]
    if spec.split not in config.splits:
        raise DataError(
            f"The dataset '{spec.name}' has no split '{spec.split}' in the config '{name}'. "
            f"Its splits are: {_join_names(config.splits)}."
        )
    return config


def _config_notes(config: DatasetConfig) -> list[str]:
    notes = []
    if config.ignored:
        ignored = _join_names(config.ignored)
        notes.append(f"The card's own options for reading its files were not followed: {ignored}.")
    for column, names in config.labels.items():
        classes = _join_names(names.values())
        notes.append(f"Class numbers in the column '{column}' were read as their names: {classes}.")
    return notes


def _join_names(names: Iterable[str]) -> str:
    found = list(names)
    more = len(found) - NAMES_LISTED
    listed = ", ".join(found[:NAMES_LISTED]) or "none"
    return f"{listed} and {more} more" if more > 0 else listed


def _one_kind(paths: list[str], notes: list[str]) -> list[str]:
    """The files of the kind that a split has most of; others describe it or hold its rows again."""
    count = Counter(PurePosixPath(path).suffix for path in paths)
    kind = max(DATA_ENDINGS, key=lambda ending: count[ending])
    if others := [path for path in paths if not path.endswith(kind)]:
        notes.append(f"Only the {kind} files of this split were read, not {_join_names(others)}.")
    return [path for path in paths if path.endswith(kind)]


def _check_download_size(dataset: HubDataset, files: list[str], cache: Path) -> None:
    """Refuse what is too large to download, or for the disk, before any of it comes."""
    if (total := sum(dataset.sizes[path] for path in files)) > LARGEST_DOWNLOAD:
        raise DataError(
            f"{total / 2**30:.1f} GB would have to be downloaded; the limit is "
            f"{LARGEST_DOWNLOAD / 2**30:.0f} GB. Ask for a slice nearer to the beginning, for "
            "example the first 10,000 rows."
        )
    cache.mkdir(parents=True, exist_ok=True)
    here = partial(try_to_load_from_cache, **_cache_options(dataset, cache))
    missing = sum(dataset.sizes[path] for path in files if not isinstance(here(filename=path), str))
    if missing > (free := shutil.disk_usage(cache).free):
        raise OSError(
            errno.ENOSPC, f"{missing / MIB:.0f} MB are needed and {free / MIB:.0f} MB are free"
        )


def _cache_options(dataset: HubDataset, cache: Path) -> dict[str, Any]:
    name, revision = dataset.info.name, dataset.info.revision
    return {"repo_id": name, "repo_type": "dataset", "revision": revision, "cache_dir": cache}


def _progress_bar(path: str, before: int, files: int, on_share: OnShare) -> Any:
    """A progress bar class for the library; without the number of ``files`` no share is known."""

    class Bar(tqdm):
        def display(self, *_: object, **__: object) -> None:
            done = self.n / max(self.total or 0, 1)
            size = f"{self.n / MIB:.1f} of {(self.total or 0) / MIB:.1f} MB"
            on_share(f"Downloading {path}: {size}", (before + done) / files if files else -1.0)

    return Bar


def _class_name(value: Any, names: dict[str, str] | None) -> Any:
    """A class's name for its number; None for a number without a name, such as -1 for no label."""
    if names is None:
        return value
    if isinstance(value, list):
        return [_class_name(one, names) for one in value]
    if isinstance(value, str):
        return value if value in names.values() else names.get(value, value)
    return names.get(str(value)) if isinstance(value, int) else value
