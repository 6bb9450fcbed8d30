"""Which part of a JSON value holds the rows: a list, one list of an object, splits, or columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.data.readers.chats.people import chats_of, is_message_list, person_rows
from engine.data.readers.class_names import feature_names, name_classes
from engine.data.readers.layout import HEADER_ROWS, has_header
from engine.data.readers.table import BadRow, FileRows, HeldOutRow, NoRowsError, check_unique
from engine.data.rows import Row
from engine.errors import DataError

NOT_AN_OBJECT = 'is not an object like {"prompt": ..., "completion": ...}. Correct or remove it.'
TRAIN_KEY = re.compile(r"(?i)train(ing)?([_-]?(data|set|split|sft))?")
HELD_OUT_KEY = re.compile(
    r"(?i)(val|valid(ation)?|dev(elopment)?|test(ing)?|eval(uation)?|held[_-]?out)"
    r"([_-]?(data|set|split|sft))?"
)
# Of several lists of objects, the one of these names holds the rows.
ROW_KEYS = ("data", "rows", "examples", "records", "items", "samples", "dataset", "instances")
CHAT_KEYS = ("messages", "conversations", "conversation")
TURN_KEYS = {"role", "from", "speaker", "author"}
NAMED_ROWS = 4  # objects with the same fields from which an object's values are its rows


def rows_of_value(value: Any, name: str, notes: list[str]) -> FileRows:
    """Yield the rows of a file that is one JSON value and no list of objects; raises DataError."""
    if isinstance(value, list):
        if is_message_list(value):
            return person_rows([value], name, notes)
        return _rows_of_lists(value, name, notes)
    if not isinstance(value, dict):
        raise NoRowsError(
            f"'{name}' holds one value, not a list of examples. "
            "Put the examples into a list: [ ... ]."
        )
    if chats := chats_of(value):
        return person_rows(chats, name, notes)
    if _is_one_conversation(value):
        return iter([value])
    if found := _rows_of_splits(value, name, notes):
        return found
    return _rows_of_object(value, name, notes)


def _is_one_conversation(value: Row) -> bool:
    """Whether an object is one conversation, and no list of them."""
    return _is_turns(next((value[key] for key in CHAT_KEYS if _is_row_list(value.get(key))), []))


def _is_turns(turns: list[Any]) -> bool:
    first = turns[0] if turns else None
    return isinstance(first, dict) and bool(TURN_KEYS & set(first)) and "messages" not in first


def _rows_of_object(value: Row, name: str, notes: list[str]) -> FileRows:
    lists = [key for key, inner in value.items() if _is_row_list(inner)]
    known = [key for wanted in ROW_KEYS for key in lists if key.lower() == wanted]
    if len(lists) > 1 and all(_is_turns(value[key]) for key in lists):
        return iter([{"id": key, "messages": value[key]} for key in lists])
    if len(lists) > 1 and not known:
        found = ", ".join(map(repr, lists))
        raise DataError(
            f"'{name}' should hold one list of examples; lists found: {found}. Keep exactly one."
        )
    if not lists and (key := next((key for key in CHAT_KEYS if _are_talks(value.get(key))), "")):
        return ({"conversation": talk} for talk in value[key])  # ChatterBot's
    if not lists:
        return _rows_without_a_list(value, name, notes)
    key = (known or lists)[0]
    notes.append(f"The rows are those of the list '{key}'.")
    rest = [one for one in lists if one != key and one != "features"]
    if rest:
        notes.append(f"Not read, since the rows are in '{key}': {', '.join(map(repr, rest))}.")
    names = feature_names(value.get("features"))
    return name_classes(plain_rows(_unwrapped(value[key])), names, notes)


def _rows_without_a_list(value: Row, name: str, notes: list[str]) -> FileRows:
    """Rows by number, or columns of values, as tables are written by pandas."""
    inner = list(value.values())
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return _rows_of_lists([value["columns"], *value["data"]], name, notes)
    wrapped = next((value[key] for key in ROW_KEYS if isinstance(value.get(key), dict)), None)
    if wrapped and (found := _rows_of_splits(wrapped, name, notes)):
        return found
    if inner and all(isinstance(one, dict) for one in inner):
        if _are_numbered_alike(inner):
            notes.append("Read column by column.")
            return _rows_of_columns({key: list(one.values()) for key, one in value.items()})
        same = len(inner) >= NAMED_ROWS and all(one.keys() == inner[0].keys() for one in inner)
        if all(key.isdigit() for key in value) or same:
            notes.append("The rows are the values of the file's one object.")
            return iter(inner)
    if _are_columns(value):
        notes.append("Read column by column.")
        return _rows_of_columns(value)
    objects = [one for one in inner if isinstance(one, dict) and one]
    if len(objects) == 1 and not any(isinstance(one, list) and one for one in inner):
        return _rows_of_object(objects[0], name, notes)  # in a wrapper
    raise NoRowsError(
        f"'{name}' holds no list of examples. Put the examples into a list: "
        "[ {...}, {...} ], or use JSONL."
    )


def _are_talks(value: Any) -> bool:
    """Whether a value is a list of conversations whose turns are texts."""
    talks = value if isinstance(value, list) else []
    return bool(talks) and all(
        isinstance(talk, list) and len(talk) > 1 and all(isinstance(one, str) for one in talk)
        for talk in talks
    )


def _is_row_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _unwrapped(rows: list[Any]) -> list[Any]:
    """The rows themselves, where each stands in an object with its number (the Hub's viewer)."""
    wrapped = all(isinstance(one, dict) and "row_idx" in one and isinstance(one.get("row"), dict)
                  for one in rows)  # fmt: skip
    return [one["row"] for one in rows] if wrapped else rows


def plain_rows(rows: list[Any]) -> FileRows:
    """The rows of a list; what is no object is a bad row."""
    return (_object_or_bad(row, number) for number, row in enumerate(rows, start=1))


def _object_or_bad(row: Any, number: int, is_held_out: bool = False) -> Row | BadRow:
    if not isinstance(row, dict):
        return BadRow(f"Row {number} {NOT_AN_OBJECT}")
    return HeldOutRow(row) if is_held_out else row


def _rows_of_splits(value: Row, name: str, notes: list[str]) -> FileRows | None:
    """The rows of {"train": [...], "test": [...]}; None where the keys are no names of splits."""
    filled = {key: one for key, one in value.items() if isinstance(one, dict | list) and one}
    trained = {key: _split_list(one) for key, one in filled.items() if TRAIN_KEY.fullmatch(key)}
    held_out = {key: _split_list(one) for key, one in filled.items() if HELD_OUT_KEY.fullmatch(key)}
    splits = trained | held_out
    if len(splits) < 2 or not all(map(_is_row_list, splits.values())):
        return None
    if any(_is_row_list(one) for key, one in filled.items() if key not in splits):
        return None
    if trained and held_out:
        names = " and ".join(map(repr, held_out))
        notes.append(f"The file holds its own parts; held out: {names}.")
    else:
        notes.append(f"The rows are those of {' and '.join(map(repr, splits))}.")
        held_out = {}
    rows = ((row, key in held_out) for key, split in splits.items() for row in split)
    return (
        _object_or_bad(row, number, is_held_out)
        for number, (row, is_held_out) in enumerate(rows, start=1)
    )


def _split_list(value: Any) -> Any:
    """A split's rows, which may stand in an object of their own ({"data": [...]})."""
    if isinstance(value, dict) and _are_columns(value):
        return list(_rows_of_columns(value))
    if isinstance(value, dict):
        return next((value[key] for key in ROW_KEYS if isinstance(value.get(key), list)), None)
    return value


def _are_columns(value: Row) -> bool:
    """Whether an object holds columns: lists, as long as each other."""
    lengths = {len(one) if isinstance(one, list) else 0 for one in value.values()}
    return len(value) > 1 and len(lengths) == 1 and lengths != {0}


def _are_numbered_alike(columns: list[Row]) -> bool:
    """Whether objects are columns: {"text": {"0": ...}, "label": {"0": ...}}."""
    first = list(columns[0])
    numbered = bool(first) and all(map(str.isdigit, first))
    return numbered and all(list(one) == first for one in columns)


def _rows_of_columns(columns: dict[str, list[Any]]) -> Iterator[Row]:
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _rows_of_lists(value: list[Any], name: str, notes: list[str]) -> FileRows:
    """Rows that are lists, of which the first names the columns: [["text", "label"], ...]."""
    if value and all(isinstance(row, list) and _is_turns(row) for row in value):
        return ({"messages": row} for row in value)
    if not value or not all(isinstance(row, list) and row for row in value):
        return plain_rows(value)
    texts = [["" if cell is None else str(cell) for cell in row] for row in value[:HEADER_ROWS]]
    if any(cell.rstrip().endswith((".", "?", "!")) for cell in texts[0]) or not has_header(texts):
        notes.append("The rows are lists without names, so the columns are called column 1, …")
        return _rows_under_header([f"column {at + 1}" for at in range(len(value[0]))], value)
    notes.append("The first list names the columns.")
    check_unique(texts[0], name)
    return _rows_under_header(texts[0], value[1:])


def _rows_under_header(header: list[str], rows: list[list[Any]]) -> FileRows:
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            yield BadRow(f"Row {number} has {len(row)} values, the first list has {len(header)}.")
        else:
            yield dict(zip(header, row, strict=True))
