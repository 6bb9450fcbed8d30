"""Names that class numbers stand for: in a file's own features, beside it, or in a list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from engine.data.readers.table import FileRows, change_rows
from engine.data.rows import Row

LIST_SIZE, INFO_SIZE = 200_000, 5_000_000  # bytes of a list of names, of a dataset_info.json
CLASS_LENGTH = 60
CLASSES_LISTED = 20
# The name of a file that may list class names, and of one that holds nothing else.
LIST_NAME = re.compile(
    r"(?i)(^|[_. -])(class(es)?|categor(y|ies)|labels?|mapping|names|id2label|label2id|config)"
    r"([_. -]|$)"
)
LIST_ONLY = re.compile(r"(?i)(class(es)?|categories|labels?|mapping)([_. -].*)?$")
NUMBER_FIRST = re.compile(r"(?P<number>-?\d+)[\t,;:=\s]\s*(?P<name>\S.*)")
NUMBER_LAST = re.compile(r"(?P<name>\S.*?)\s*[\t,;:=\s]\s*(?P<number>-?\d+)")
FEATURE_FILES = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json")
CARD = re.compile(r"\ufeff?---\s*\n(.*?)\n---\s*(\n|$)", re.DOTALL)  # a README's YAML

# A column's names by number, or those of the fields inside it. Lists need no level of their own.
Names = dict[str, Any]
UNREADABLE_NAMES = (OSError, ValueError, RecursionError, yaml.YAMLError)


def feature_names(features: Any) -> dict[str, Names]:
    """Class names by column in the `datasets` library's description of a table's columns.

    Takes the form of Parquet metadata and dataset_info.json, and that of a card's YAML.
    """
    if isinstance(features, list):
        named = (one for one in features if isinstance(one, dict) and "name" in one)
        features = {str(one["name"]): one.get("type", one) for one in named}
    if not isinstance(features, dict):
        return {}
    return {
        str(column): names
        for column, inner in features.items()
        if (names := _names_of_feature(inner))
    }


def _names_of_feature(feature: Any) -> Names:
    """The names in one column's description; empty where it holds no classes."""
    if isinstance(feature, list):
        one_list = len(feature) == 1 and isinstance(feature[0], dict) and "name" not in feature[0]
        return _names_of_feature(feature[0]) if one_list else feature_names(feature)
    if not isinstance(feature, dict):
        return {}
    if feature.get("_type") == "ClassLabel" or "class_label" in feature:
        return _by_number(feature.get("class_label", feature))
    wrapped = next((feature[key] for key in ("feature", "dtype", "sequence", "list", "struct")
                    if isinstance(feature.get(key), dict | list)), None)  # fmt: skip
    if wrapped is not None:
        return _names_of_feature(wrapped)
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

    def change(row: Row) -> Row:
        here = [column for column in columns if column in row]
        for column in (one for one in here if one not in named):
            listed = ", ".join(_first_names(columns[column].values()))
            notes.append(
                f"Class numbers in the column '{column}' were read as their names: {listed}."
            )
        named.update(here)
        return row | {column: with_class_name(row[column], columns[column]) for column in here}

    return change_rows(rows, change)


def _first_names(names: Iterable[Any]) -> list[str]:
    """Some of the names, from inside where they belong to a field."""
    flat: list[str] = []
    for name in names:
        flat += _first_names(name.values()) if isinstance(name, dict) else [str(name)]
    return flat if len(flat) <= CLASSES_LISTED else [*flat[:CLASSES_LISTED], "…"]


def metadata_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, Names]:
    """The class names in the metadata of an Arrow schema, as the `datasets` library writes them."""
    try:
        found = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        return feature_names(found["info"]["features"])
    except (*UNREADABLE_NAMES, KeyError, TypeError):
        return {}


def info_file_names(path: Path, name: str) -> dict[str, Names]:
    """The class names that a dataset_info.json or a dataset's README describes; else none."""
    try:
        if path.stat().st_size > INFO_SIZE:
            return {}
        text = path.read_text(encoding="utf-8-sig")
        if name.lower() in FEATURE_FILES:
            return _names_of_info(json.loads(text))
        card = CARD.match(text) if name.lower() == "readme.md" else None
        return _names_of_info((yaml.safe_load(card[1]) or {}).get("dataset_info")) if card else {}
    except (*UNREADABLE_NAMES, AttributeError):
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
    suffix = Path(name).suffix.lower()
    if suffix not in (".txt", ".csv", ".tsv", ".json") or not LIST_NAME.search(Path(name).stem):
        return {}
    if path.stat().st_size > LIST_SIZE:
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [line for line in text.splitlines() if line.strip()]
        if suffix == ".json":
            return _names_of_json(json.loads(text), Path(name).stem.lower() == "config")
    except UNREADABLE_NAMES:
        return {}
    if suffix == ".txt":
        return _numbered_names(lines) or _counted_names(lines)
    return _numbered_names(lines) or _numbered_names(lines[1:])  # under a header


def _names_of_json(found: Any, is_config: bool) -> dict[str, str]:
    """A list of names; names by number or numbers by name, perhaps in a field of a config."""
    if isinstance(found, dict):
        inner = (found[key] for key in ("id2label", "label2id", "names") if found.get(key))
        found = next(inner, {} if is_config else found)
    if isinstance(found, list) and all(isinstance(one, str) for one in found):
        return _counted_names(found)
    if not isinstance(found, dict):
        return {}
    if found and all(isinstance(one, int) for one in found.values()):
        found = {str(number): name for name, number in found.items()}
    return found if all(isinstance(one, str) for one in found.values()) else {}


def _numbered_names(lines: list[str]) -> dict[str, str]:
    """Class names by the numbers beside them: "0 World" or "World: 0" in each line."""
    for numbered in (NUMBER_FIRST, NUMBER_LAST):
        found = [one.groupdict() for line in lines if (one := numbered.fullmatch(line.strip()))]
        numbers = sorted(int(one["number"]) for one in found)
        counted = numbers == list(range(numbers[0], numbers[0] + len(lines))) if numbers else False
        if counted and len({one["name"] for one in found}) == len(lines) > 1:
            return {one["number"]: one["name"] for one in found}
    return {}


def _counted_names(lines: list[str]) -> dict[str, str]:
    """Class names counted from 0."""
    unlike = (len(line) > CLASS_LENGTH or re.fullmatch(r"-?\d+", line) for line in lines)
    if len(lines) < 2 or len(set(lines)) < len(lines) or any(unlike):
        return {}
    return {str(number): line for number, line in enumerate(lines)}
