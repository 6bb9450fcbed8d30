"""Datasets of the Hugging Face Hub: what one holds (``look``), and the rows of a slice (``rows``).

``huggingface_hub`` asks and downloads: the files of a split whole, one after the other, kept by their commit.
``engine.data.readers`` reads them. Programs, pickles and archives are never opened. Runs in a process that was started with
``engine.process.oneshot.online_environment``. Knows nothing about shapes of rows, nor which files a split has (engine.work.hub.dataset_card does),
nor how failures are put (engine.work.hub.errors).
"""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from huggingface_hub import HfApi, errors, hf_hub_download, try_to_load_from_cache
from tqdm import tqdm  # type: ignore[import-untyped]

from engine.data.hub import HubInfo, HubSpec
from engine.data.readers import BadRow, ReadOptions, Row, read_table
from engine.errors import DataError
from engine.work.hub.dataset_card import (
    DATA_ENDINGS,
    DatasetConfig,
    card_configs,
    data_files,
    default_config,
    parquet_copy_configs,
)
from engine.work.hub.errors import DATASET, FIRST_ANSWER_SECONDS, explained_errors, first_answer

FILE_KINDS = "Parquet, JSONL, JSON, CSV, TSV or text"
PARQUET_COPY = (
    "refs/convert/parquet"  # the branch where the Hub keeps its own copy of a dataset as Parquet
)
LARGEST_DOWNLOAD = 8 * 2**30  # bytes downloaded for one slice
MIB = 2**20

OnShare = Callable[
    [str, float], None
]  # what is done, and which share of it is; -1 where that is not known


def describe_hub_dataset(name: str) -> HubInfo:
    """A dataset's configs, splits, licence and size; raises DataError."""
    with explained_errors(DATASET, name):
        page, repo = _open_dataset(name)
        licence = getattr(page.card_data, "license", None) or "not stated"
        return HubInfo(
            name=repo.name,
            revision=repo.revision,
            splits={
                key: {split: one.rows.get(split) for split in one.splits}
                for key, one in repo.configs.items()
            },
            default=repo.default,
            licence=", ".join(licence) if isinstance(licence, list) else str(licence),
            gated=bool(page.gated),
            size=sum(repo.sizes[path] for path in data_files(repo.sizes)) or None,
            notes=repo.notes,
        )


def read_slice(
    spec: HubSpec, cache: Path, tell: OnShare, notes: list[str] | None = None
) -> Iterator[Row | BadRow]:
    """The rows of a slice; raises DataError, and then none of them may be used.

    ``notes`` receives what was done to read them, for the user; it is complete once the iterator has ended.
    """
    notes = [] if notes is None else notes
    if spec.first < 0 or (spec.count is not None and spec.count < 1):
        raise DataError(
            "A slice begins at row 0 or later and has at least one row. Correct the two numbers."
        )
    with explained_errors(DATASET, spec.name):
        tell(f"Asking the Hub for '{spec.name}'", 0.0)
        _, repo = _open_dataset(spec.name)
        notes += repo.notes
        split, seen = _split_rows(repo, spec, cache, tell, notes), 0
        for seen, row in enumerate(split, start=1):
            if seen > spec.first:
                yield row
            if spec.count and seen == spec.first + spec.count:
                break
        split.close()  # now its notes are written
        _check_end(spec, seen, notes)
        tell("All rows are read", 1.0)


def _check_end(spec: HubSpec, seen: int, notes: list[str]) -> None:
    has = f"The split '{spec.split}' of '{spec.name}' has"
    if not seen:
        raise DataError(f"{has} no rows. Choose another split.")
    if seen <= spec.first:
        raise DataError(
            f"{has} {seen:,} rows, numbered from 0; the slice begins at row {spec.first:,}. Choose a smaller first row."
        )
    if spec.count and (taken := seen - spec.first) < spec.count:
        notes.append(
            f"{has} {seen:,} rows, so {taken:,} were read of the {spec.count:,} asked for."
        )


# --- what a dataset holds ---


class _HubDataset(NamedTuple):
    name: str
    revision: str  # a commit: what is read cannot change in the meantime
    sizes: dict[str, int]  # of all its files, in bytes
    configs: dict[str, DatasetConfig]
    default: str  # empty where a config must be chosen
    notes: list[str]


def _open_dataset(name: str) -> tuple[Any, _HubDataset]:
    """A dataset's page, and what it holds."""
    api = HfApi()
    first_answer(
        DATASET, name, lambda: api.dataset_info(name, expand=["sha"], timeout=FIRST_ANSWER_SECONDS)
    )
    page: Any = api.dataset_info(name, files_metadata=True, timeout=30)
    name, card = (
        page.id,
        page.card_data.to_dict() if page.card_data else {},
    )  # an old name leads to the new one
    notes, source = [], page
    if f"{name.rpartition('/')[2]}.py" in _file_sizes(page) and not card.get("configs"):
        source = _parquet_copy(api, name)
        notes = [
            f"The dataset's program was not run; its rows come from the Hub's Parquet copy ({PARQUET_COPY})."
        ]
    sizes = _file_sizes(source)
    try:
        configs = parquet_copy_configs(card, sizes) if notes else card_configs(card, sizes)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"The card of '{name}' does not say plainly which files it has. Choose another one."
        ) from error
    if not any(one.splits for one in configs.values()):
        raise DataError(
            f"The dataset '{name}' has no files that Hone reads ({FILE_KINDS}), or its card names files that are not in it. "
            "Choose another one."
        )
    return page, _HubDataset(name, source.sha, sizes, configs, default_config(card, configs), notes)


def _parquet_copy(api: HfApi, name: str) -> Any:
    """The page of the Hub's own copy of a dataset that comes as a program, which is never run."""
    try:
        return api.dataset_info(name, revision=PARQUET_COPY, files_metadata=True, timeout=30)
    except errors.RevisionNotFoundError:
        raise DataError(
            f"The dataset '{name}' is a program that downloads its data, and Hone runs no programs of others. The Hub "
            f"keeps no Parquet copy of it (branch {PARQUET_COPY}). Look for another dataset with the same data."
        ) from None


def _file_sizes(page: Any) -> dict[str, int]:
    return {one.rfilename: one.size or 0 for one in page.siblings or []}


def _chosen_config(repo: _HubDataset, spec: HubSpec) -> DatasetConfig:
    """The config that was asked for, which has the split; names the known ones where there is no such."""
    name = spec.config or repo.default
    if name not in repo.configs:
        wrong = (
            f"has no config '{name}'"
            if name
            else "has several configs, of which one must be chosen"
        )
        raise DataError(
            f"The dataset '{spec.name}' {wrong}. Its configs are: {_join_names(repo.configs)}."
        )
    splits = repo.configs[name].splits
    if spec.split not in splits:
        raise DataError(
            f"The dataset '{spec.name}' has no split '{spec.split}' in the config '{name}'. "
            f"Its splits are: {_join_names(splits)}."
        )
    return repo.configs[name]


def _join_names(names: Iterable[str]) -> str:
    found = list(names)
    return (
        ", ".join(found[:30]) + (f" and {len(found) - 30} more" if len(found) > 30 else "")
        if found
        else "none"
    )


# --- the rows of a split ---


def _split_rows(
    repo: _HubDataset, spec: HubSpec, cache: Path, tell: OnShare, notes: list[str]
) -> Generator[Row | BadRow]:
    """All rows of a split; a file is downloaded when the rows before it have been taken."""
    config = _chosen_config(repo, spec)
    if config.ignored:
        notes.append(
            f"The card's own options for reading its files were not followed: {_join_names(config.ignored)}."
        )
    for column, names in config.labels.items():
        notes.append(
            f"Class numbers in the column '{column}' were read as their names: {_join_names(names.values())}."
        )
    files = _one_kind(config.splits[spec.split], notes)
    whole = len(files) if spec.count is None else 0
    download = partial(
        hf_hub_download, repo.name, repo_type="dataset", revision=repo.revision, cache_dir=cache
    )
    for number, path in enumerate(files):
        _check_download_size(repo, files if whole else files[: number + 1], cache)
        local = download(path, tqdm_class=_progress_bar(path, number, whole, tell))
        table = read_table(
            Path(local), path, ReadOptions(parts="line")
        )  # the Hub, too, takes a text by its lines
        try:
            for row in table.rows:
                if isinstance(row, BadRow):
                    yield BadRow(f"'{path}': {row.problem}") if len(files) > 1 else row
                else:
                    yield {
                        column: _class_name(value, config.labels.get(column))
                        for column, value in row.items()
                    }
        finally:
            notes += [
                note for note in table.notes if note not in notes
            ]  # every file would tell it again


def _progress_bar(path: str, before: int, files: int, tell: OnShare) -> Any:
    """What the library takes for a progress bar; the share is known only where all files are wanted."""

    class Bar(tqdm):
        def display(self, *_: object, **__: object) -> None:
            done = self.n / max(self.total or 0, 1)
            size = f"{self.n / MIB:.1f} of {(self.total or 0) / MIB:.1f} MB"
            tell(f"Downloading {path}: {size}", (before + done) / files if files else -1.0)

    return Bar


def _one_kind(paths: list[str], notes: list[str]) -> list[str]:
    """The files of the kind that a split has most of: others tell about it, or hold the same rows once more."""
    count = Counter(PurePosixPath(path).suffix for path in paths)
    kind = max(DATA_ENDINGS, key=lambda ending: count[ending])
    if others := [path for path in paths if not path.endswith(kind)]:
        notes.append(f"Only the {kind} files of this split were read, not {_join_names(others)}.")
    return [path for path in paths if path.endswith(kind)]


def _check_download_size(repo: _HubDataset, files: list[str], cache: Path) -> None:
    """Refuse what is too large to download, or for the disk, before any of it comes."""
    if (total := sum(repo.sizes[path] for path in files)) > LARGEST_DOWNLOAD:
        raise DataError(
            f"{total / 2**30:.1f} GB would have to be downloaded; the limit is {LARGEST_DOWNLOAD / 2**30:.0f} GB. Ask for a "
            "slice nearer to the beginning, for example the first 10,000 rows."
        )
    cache.mkdir(parents=True, exist_ok=True)
    here = partial(
        try_to_load_from_cache,
        repo.name,
        cache_dir=cache,
        revision=repo.revision,
        repo_type="dataset",
    )
    missing = sum(repo.sizes[path] for path in files if not isinstance(here(path), str))
    if missing > (free := shutil.disk_usage(cache).free):
        raise OSError(
            errno.ENOSPC, f"{missing / MIB:.0f} MB are needed and {free / MIB:.0f} MB are free"
        )


def _class_name(value: Any, names: dict[str, str] | None) -> Any:
    """A class's name for its number; nothing for a number that has none (-1: no label)."""
    if names is None:
        return value
    if isinstance(value, list):
        return [_class_name(one, names) for one in value]
    if isinstance(value, str):
        return value if value in names.values() else names.get(value, value)
    return names.get(str(value)) if isinstance(value, int) else value
