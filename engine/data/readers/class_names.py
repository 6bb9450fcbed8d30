"""Names that class numbers stand for: in a file's own features, beside it, or in a list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from engine.data.readers.table import BadRow, FileRows, HeldOutRow

LIST_SIZE, INFO_SIZE = 200_000, 5_000_000  # bytes of a list of names, of a dataset_info.json
NAME_LENGTH = 60
NAMES_LISTED = 20
# The name of a file that may list class names, and of one that holds nothing else.
LIST_NAME = re.compile(r"(?i)(^|[_. -])(class(es)?|categor(y|ies)|labels?|mapping|names)([_. -]|$)")
LIST_ONLY = re.compile(r"(?i)(class(es)?|categories|labels?|mapping)([_. -].*)?$")
INFO_FILES = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json")
CARD = re.compile(r"\ufeff?---\s*\n(.*?)\n---\s*(\n|$)", re.DOTALL)  # a README's YAML

# A column's names by number, or those of the fields inside it. Lists need no level of their own.
Names = dict[str, Any]
UNREADABLE = (OSError, ValueError, RecursionError, yaml.YAMLError)


def feature_names(features: Any) -> dict[str, Names]:
    """Class names by column in the `datasets` library's description of a table's columns.

    Takes the form of Parquet metadata and dataset_info.json, and that of a card's YAML.
    """
    if isinstance(features, list):
        named = (one for one in features if isinstance(one, dict) and "name" in one)
        features = {str(one["name"]): one.get("type", one) for one in named}
    if not isinstance(features, dict):
        return {}
    return {str(column): names for column, inner in features.items() if (names := _names_in(inner))}


def _names_in(feature: Any) -> Names:
    """The names in one column's description; empty where it holds no classes."""
    if isinstance(feature, list):
        one_list = len(feature) == 1 and isinstance(feature[0], dict) and "name" not in feature[0]
        return _names_in(feature[0]) if one_list else feature_names(feature)
    if not isinstance(feature, dict):
        return {}
    if feature.get("_type") == "ClassLabel" or "class_label" in feature:
        return _by_number(feature.get("class_label", feature))
    wrapped = next((feature[key] for key in ("feature", "dtype", "sequence", "list", "struct")
                    if isinstance(feature.get(key), dict | list)), None)  # fmt: skip
    if wrapped is not None:
        return _names_in(wrapped)
    return {} if "_type" in feature or "dtype" in feature else feature_names(feature)


def _by_number(label: Any) -> Names:
    names = label.get("names") if isinstance(label, dict) else None
    if not isinstance(names, dict | list):
        return {}
    items = names.items() if isinstance(names, dict) else enumerate(names)
    return {str(number): str(name) for number, name in items}


def with_class_name(value: Any, names: Names) -> Any:
    """A value with names for its class numbers; None for a negative one, which means no label."""
    if isinstance(value, list):
        return [with_class_name(one, names) for one in value]
    if isinstance(value, dict):
        return {
            key: with_class_name(inner, names[key]) if isinstance(names.get(key), dict) else inner
            for key, inner in value.items()
        }
    if isinstance(value, bool) or not isinstance(value, int | str):
        return value
    text = str(value).strip()
    if isinstance(value, str) and value in names.values():
        return value
    if re.fullmatch(r"-\d+", text):
        return None
    name = names.get(text, value)
    return value if isinstance(name, dict) else name


def name_classes(rows: FileRows, columns: Mapping[str, Names], notes: list[str]) -> FileRows:
    """Yield the rows with the names of their classes; says so once for each column."""
    named: set[str] = set()
    for row in rows:
        here = [] if isinstance(row, BadRow) else [one for one in columns if one in row]
        if isinstance(row, BadRow) or not here:
            yield row
            continue
        made = row | {column: with_class_name(row[column], columns[column]) for column in here}
        yield HeldOutRow(made) if isinstance(row, HeldOutRow) else made
        for column in here:
            if column not in named:
                named.add(column)
                listed = ", ".join(_first_names(columns[column].values()))
                notes.append(
                    f"Class numbers in the column '{column}' were read as their names: {listed}."
                )


def _first_names(names: Iterable[Any]) -> list[str]:
    """Some of the names, from inside where they belong to a field."""
    flat: list[str] = []
    for name in names:
        flat += _first_names(name.values()) if isinstance(name, dict) else [str(name)]
    return flat if len(flat) <= NAMES_LISTED else [*flat[:NAMES_LISTED], "…"]


def metadata_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, Names]:
    """The class names in the metadata of an Arrow schema, as the `datasets` library writes them."""
    try:
        found = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        return feature_names(found["info"]["features"])
    except (*UNREADABLE, KeyError, TypeError):
        return {}


def info_file_names(path: Path, name: str) -> dict[str, Names]:
    """The class names that a dataset_info.json or a dataset's README describes; else none."""
    try:
        if path.stat().st_size > INFO_SIZE:
            return {}
        text = path.read_text(encoding="utf-8-sig")
        if name.lower() in INFO_FILES:
            return _names_of_info(json.loads(text))
        card = CARD.match(text) if name.lower() == "readme.md" else None
        return _names_of_info((yaml.safe_load(card[1]) or {}).get("dataset_info")) if card else {}
    except (*UNREADABLE, AttributeError):
        return {}


def _names_of_info(info: Any) -> dict[str, Names]:
    """Of one config, or of all where the file describes several."""
    configs = info if isinstance(info, list) else [info]
    if isinstance(info, dict) and "features" not in info:
        configs = list(info.values())
    found: dict[str, Names] = {}
    for config in configs:
        if isinstance(config, dict):
            found = feature_names(config.get("features")) | found
    return found


def listed_names(path: Path, name: str) -> dict[str, str]:
    """The class names that a file lists, by their numbers; empty where it is no such list."""
    if Path(name).suffix.lower() not in (".txt", ".json") or not LIST_NAME.search(Path(name).stem):
        return {}
    if path.stat().st_size > LIST_SIZE:
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [line for line in text.splitlines() if line.strip()]
        found: Any = json.loads(text) if name.lower().endswith(".json") else lines
    except UNREADABLE:
        return {}
    values = found.values() if isinstance(found, dict) else found
    if not isinstance(found, list | dict) or not all(isinstance(one, str) for one in values):
        return {}
    return found if isinstance(found, dict) else _number_names(found)


def _number_names(lines: list[str]) -> dict[str, str]:
    """Class names by number: numbered in the lines themselves ("0 World"), or counted from 0."""
    if len(set(lines)) < len(lines):
        return {}
    numbered = [re.fullmatch(r"(-?\d+)[\t,;: ]\s*(\S.*)", line) for line in lines]
    if all(numbered):
        return {found[1]: found[2] for found in numbered if found}
    unlike = (len(line) > NAME_LENGTH or re.fullmatch(r"-?\d+", line) for line in lines)
    if len(lines) < 2 or any(unlike):
        return {}
    return {str(number): line for number, line in enumerate(lines)}
