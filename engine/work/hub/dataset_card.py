"""Which files of a Hub dataset belong to which config and split, from its card and its list of files.

The Hub's own rules, with one difference: a file is only ever chosen from that list, so a card that names a path of this
machine, an address or another dataset finds nothing. Knows nothing about the network or what is in the files.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import PurePosixPath
from typing import Any, NamedTuple

DATA_ENDINGS = (
    ".parquet",
    ".jsonl",
    ".ndjson",
    ".json",
    ".csv",
    ".tsv",
    ".txt",
)  # the first are preferred
INFO_FILES = {
    "config.json",
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
}  # these hold no rows
FOLLOWED_OPTIONS = {
    "config_name",
    "data_files",
    "data_dir",
    "default",
    "description",
    "version",
    "features",
}
FOLLOWED_OPTIONS |= {"sep", "delimiter"}  # engine.data.readers finds the separator by itself
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
    """A part of a dataset that is read by itself."""

    splits: Splits
    rows: dict[str, int]  # split -> rows, where the card says so
    labels: dict[str, dict[str, str]]  # column -> class number -> its name
    ignored: list[str]  # options of the card that are not followed


def data_files(paths: Iterable[str]) -> list[str]:
    """Those files that may hold rows."""
    hidden = re.compile(r"(^|/)(\.|__)")
    pure = map(PurePosixPath, sorted(paths))
    return [
        str(one)
        for one in pure
        if one.suffix in DATA_ENDINGS and one.name not in INFO_FILES and not hidden.search(str(one))
    ]


def card_configs(card: dict[str, Any], paths: Iterable[str]) -> dict[str, DatasetConfig]:
    """The configs that a card names, or the one that there always is."""
    files, asked = data_files(paths), card.get("configs") or [{}]
    found = {}
    for one in asked:
        name = one.get("config_name", "default")
        found[name] = _make_config(
            card,
            name,
            len(asked) == 1,
            _config_splits(one, files),
            sorted(set(one) - FOLLOWED_OPTIONS),
        )
    return found


def parquet_copy_configs(card: dict[str, Any], paths: Iterable[str]) -> dict[str, DatasetConfig]:
    """The configs of the Hub's Parquet copy: CONFIG/SPLIT/0000.parquet (CONFIG/partial-SPLIT where it is cut short)."""
    found: dict[str, Splits] = defaultdict(lambda: defaultdict(list))
    for path in data_files(paths):
        if path.count("/") == 2:
            config, split, _ = path.split("/")
            found[config][split].append(path)
    return {
        name: _make_config(card, name, len(found) == 1, splits) for name, splits in found.items()
    }


def default_config(card: dict[str, Any], configs: dict[str, DatasetConfig]) -> str:
    """The config that is meant where none is named; empty where one must be chosen."""
    told = [
        one.get("config_name", "default") for one in card.get("configs") or [] if one.get("default")
    ]
    alone = list(configs) if len(configs) == 1 else []
    return next((name for name in [*told, *alone, "default"] if name in configs), "")


def _make_config(
    card: dict[str, Any], name: str, only: bool, splits: Splits, ignored: list[str] | None = None
) -> DatasetConfig:
    infos = card.get("dataset_info") or []
    infos = infos if isinstance(infos, list) else [infos]
    info = infos[0] if only and len(infos) == 1 else {}  # then they may have different names
    info = next((one for one in infos if one.get("config_name", "default") == name), info)
    rows = {
        str(one["name"]): int(one["num_examples"])
        for one in info.get("splits") or []
        if "num_examples" in one
    }
    labels = {
        one["name"]: names for one in info.get("features") or [] if (names := _class_names(one))
    }
    return DatasetConfig(
        {key: paths for key, paths in splits.items() if paths}, rows, labels, ignored or []
    )


def _class_names(feature: dict[str, Any]) -> dict[str, str]:
    """Class number to name; empty for a column of anything else."""
    kind = feature.get("dtype") or feature.get("sequence") or feature.get("list")
    names = kind["class_label"]["names"] if isinstance(kind, dict) and "class_label" in kind else {}
    return {
        str(key): str(name)
        for key, name in (names.items() if isinstance(names, dict) else enumerate(names))
    }


def _config_splits(config: dict[str, Any], files: list[str]) -> Splits:
    """The files of each split, by the patterns of a card's config or else by their names."""
    start = f"{PurePosixPath(config['data_dir'])}/" if config.get("data_dir") else ""
    files = [path.removeprefix(start) for path in files if path.startswith(start)]
    if config.get("data_files"):
        splits = {
            split: [
                path for path in files if any(_path_matches(path, pattern) for pattern in wanted)
            ]
            for split, wanted in _split_patterns(config["data_files"]).items()
        }
    else:
        splits = _splits_by_name(files)
    return {split: [start + path for path in paths] for split, paths in splits.items()}


def _split_patterns(data_files: Any) -> dict[str, list[str]]:
    """Split to patterns, in whichever way the card writes them."""
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


@cache  # or many "**" would be tried in endless ways
def _parts_match(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a path matches, part by part; "**" stands for any number of folders."""
    if not path or not pattern:
        return not path and set(pattern) <= {"**"}
    if pattern[0] == "**":
        return _parts_match(path, pattern[1:]) or _parts_match(path[1:], pattern)
    return fnmatchcase(path[0], pattern[0]) and _parts_match(path[1:], pattern[1:])


def _splits_by_name(files: list[str]) -> Splits:
    """What the Hub takes where the card is silent: shards, else folders called train or test, else files, else all."""
    shards = {path: found[1] for path in files if (found := DATA_SHARD.fullmatch(path))}
    folders = {
        path: split for path in files if (split := _split_in_path(PurePosixPath(path).parts[:-1]))
    }
    names = {
        path: split for path in files if (split := _split_in_path(PurePosixPath(path).parts[-1:]))
    }
    splits: Splits = defaultdict(list)
    for path, split in (shards or folders or names or dict.fromkeys(files, "train")).items():
        splits[split].append(path)
    return splits


def _split_in_path(parts: tuple[str, ...]) -> str:
    """The split that a part of a path is called after."""
    return next(
        (split for part in parts for split, words in SPLIT_WORDS.items() if words.search(part)), ""
    )
