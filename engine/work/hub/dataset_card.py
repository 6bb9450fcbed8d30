"""Which files of a Hub dataset belong to which config and split, from its card and list of files.

The Hub's own rules, with one difference: a file is only ever chosen from that list, so a card that
names a path of this machine, a URL or another dataset finds nothing. ``datasets.data_files`` globs
whatever a card names, and takes 1.0 to 1.7 s and 148 MB to import (``huggingface_hub`` 0.4 s and
36 MB); the Hub's Parquet branch has few private datasets, at most 5 GB of each, and not the text of
a CSV file as it stands there. Knows nothing about the network or what is in the files.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import PurePosixPath
from typing import Any, NamedTuple

# Of several kinds of files with equally many files, the first is read.
DATA_ENDINGS = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt")
# These hold no rows.
INFO_FILES = {"config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json"}
# Options of a card that are followed, or need not be: the readers find a separator by themselves.
FOLLOWED_OPTIONS = {
    "config_name", "data_files", "data_dir", "default", "description", "version", "features",
    "sep", "delimiter",
}  # fmt: skip
HIDDEN_PATH = re.compile(r"(^|/)(\.|__)")
DATA_SHARD = re.compile(r"data/(.+)-\d{5}-of-\d{5}[^/]*")
SPLIT_WORDS = {
    split: re.compile(rf"(?:^|[-._ 0-9])(?:{words})(?:[-._ 0-9]|$)")
    for split, words in {
        "train": "train|training",
        "validation": "validation|valid|dev|val",
        "test": "test|testing|eval|evaluation",
    }.items()
}

Splits = dict[str, list[str]]  # split -> its files


class DatasetConfig(NamedTuple):
    """A config (also called a subset) of a dataset."""

    splits: Splits
    rows: dict[str, int]  # split -> rows, where the card says so
    labels: dict[str, dict[str, str]]  # column -> class number -> class name
    ignored: list[str]  # options of the card that are not followed


def data_files(paths: Iterable[str]) -> list[str]:
    """The files that may hold rows."""
    shown = [path for path in sorted(paths) if not HIDDEN_PATH.search(path)]
    known = [path for path in shown if PurePosixPath(path).suffix in DATA_ENDINGS]
    return [path for path in known if PurePosixPath(path).name not in INFO_FILES]


def card_configs(card: dict[str, Any], paths: Iterable[str]) -> dict[str, DatasetConfig]:
    """The configs that a card names, or the one of a card that names none."""
    files, asked = data_files(paths), card.get("configs") or [{}]
    found = {}
    for one in asked:
        name = one.get("config_name", "default")
        ignored = sorted(set(one) - FOLLOWED_OPTIONS)
        found[name] = _make_config(
            _dataset_info(card, name, len(asked) == 1), _config_splits(one, files), ignored
        )
    return found


def parquet_copy_configs(card: dict[str, Any], paths: Iterable[str]) -> dict[str, DatasetConfig]:
    """The configs of the Hub's Parquet copy: CONFIG/SPLIT/0000.parquet (partial-SPLIT if cut)."""
    found: dict[str, Splits] = defaultdict(lambda: defaultdict(list))
    for path in data_files(paths):
        if path.count("/") == 2:
            config, split, _ = path.split("/")
            found[config][split].append(path)
    return {
        name: _make_config(_dataset_info(card, name, len(found) == 1), splits, [])
        for name, splits in found.items()
    }


def default_config(card: dict[str, Any], configs: dict[str, DatasetConfig]) -> str:
    """The config that is read if none is named; empty where one must be chosen."""
    marked = [
        one.get("config_name", "default") for one in card.get("configs") or [] if one.get("default")
    ]
    only = list(configs) if len(configs) == 1 else []
    return next((name for name in [*marked, *only, "default"] if name in configs), "")


def _dataset_info(card: dict[str, Any], name: str, only: bool) -> dict[str, Any]:
    """The card's info on a config; that of the ``only`` config may have another name."""
    infos = card.get("dataset_info") or []
    infos = infos if isinstance(infos, list) else [infos]
    info: dict[str, Any] = infos[0] if only and len(infos) == 1 else {}
    return next((one for one in infos if one.get("config_name", "default") == name), info)


def _make_config(info: dict[str, Any], splits: Splits, ignored: list[str]) -> DatasetConfig:
    rows = {
        str(one["name"]): int(one["num_examples"])
        for one in info.get("splits") or []
        if "num_examples" in one
    }
    labels = {
        one["name"]: names for one in info.get("features") or [] if (names := _feature_classes(one))
    }
    with_files = {split: paths for split, paths in splits.items() if paths}
    return DatasetConfig(with_files, rows, labels, ignored)


def _feature_classes(feature: dict[str, Any]) -> dict[str, str]:
    """Class number to name; empty for a column of anything else."""
    kind = feature.get("dtype") or feature.get("sequence") or feature.get("list")
    if not isinstance(kind, dict) or "class_label" not in kind:
        return {}
    names = kind["class_label"]["names"]
    items = names.items() if isinstance(names, dict) else enumerate(names)
    return {str(key): str(name) for key, name in items}


def _config_splits(config: dict[str, Any], files: list[str]) -> Splits:
    """The files of each split, by the patterns of a card's config or else by their names."""
    start = f"{PurePosixPath(config['data_dir'])}/" if config.get("data_dir") else ""
    files = [path.removeprefix(start) for path in files if path.startswith(start)]
    if config.get("data_files"):
        splits = {
            split: [path for path in files if any(_path_matches(path, one) for one in patterns)]
            for split, patterns in _split_patterns(config["data_files"]).items()
        }
    else:
        splits = _splits_by_name(files)
    return {split: [start + path for path in paths] for split, paths in splits.items()}


def _split_patterns(data_files: Any) -> dict[str, list[str]]:
    """Split to patterns, from each form in which a card may write them."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in data_files if isinstance(data_files, list) else [data_files]:
        if isinstance(one, str):
            one = {"train": one}
        elif "path" in one:
            one = {one.get("split", "train"): one["path"]}
        for split, patterns in one.items():
            found[str(split)] += [patterns] if isinstance(patterns, str) else patterns
    return found


def _path_matches(path: str, pattern: str) -> bool:
    return path == pattern or _parts_match(PurePosixPath(path).parts, PurePosixPath(pattern).parts)


@cache  # without it, many "**" would be tried in exponentially many combinations
def _parts_match(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a path matches, part by part; "**" stands for any number of folders."""
    if not path or not pattern:
        return not path and set(pattern) <= {"**"}
    if pattern[0] == "**":
        return _parts_match(path, pattern[1:]) or _parts_match(path[1:], pattern)
    return fnmatchcase(path[0], pattern[0]) and _parts_match(path[1:], pattern[1:])


def _splits_by_name(files: list[str]) -> Splits:
    """The Hub's choice: shards, else folders named after a split, else files, else all as train."""
    shards = {path: found[1] for path in files if (found := DATA_SHARD.fullmatch(path))}
    folders = {path: split for path in files if (split := _named_split(*path.split("/")[:-1]))}
    names = {path: split for path in files if (split := _named_split(path.rpartition("/")[2]))}
    splits: Splits = defaultdict(list)
    for path, split in (shards or folders or names or dict.fromkeys(files, "train")).items():
        splits[split].append(path)
    return splits


def _named_split(*parts: str) -> str:
    """The split that one of these parts of a path is named after; empty for none."""
    for part in parts:
        for split, words in SPLIT_WORDS.items():
            if words.search(part):
                return split
    return ""
