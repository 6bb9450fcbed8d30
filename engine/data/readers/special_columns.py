"""Columns that say which labels a row has, or which part of the data it belongs to.

{"cats": {"POS": 1.0, "NEG": 0.0}}     as spaCy has them; or a list with a place for each class
{"text": ..., "split": "test"}
"""

from __future__ import annotations

from itertools import chain, islice
from typing import Any

from engine.data.columns.cells import decode_cell, is_blank
from engine.data.readers.json_shapes import HELD_OUT_KEY, TRAIN_KEY
from engine.data.readers.table import BadRow, FileRows, HeldOutRow, change_rows, peek_row
from engine.data.rows import Row

# Columns of scores which hold labels by their name; others are asked about.
SCORED_COLUMNS = (
    "cats", "categories", "labels", "label", "classes", "class", "tags", "topics", "intents",
    "emotions",
)  # fmt: skip
SPLIT_COLUMNS = {"split", "data_split", "dataset_split", "partition", "subset", "fold", "set"}
COLUMN_ROWS_PEEKED = 1000  # rows looked at before one is changed


def name_scored_labels(rows: FileRows, notes: list[str]) -> FileRows:
    """Yield the rows; what scores its labels with 1 and 0 has those with 1 as "label".

    It is a list in every row where one of the first rows has several.
    """
    first, rows = peek_row(rows)
    named = (key for key in first or {} if key.strip().lower() in SCORED_COLUMNS)
    column = next((key for key in named if _scored(first, key) is not None), "")
    if first is None or not column:
        yield from rows
        return
    peeked = list(islice(rows, COLUMN_ROWS_PEEKED))
    if not _of_one_length(peeked, column):
        yield from chain(peeked, rows)
        return
    several = any(len(_scored(row, column) or ()) > 1 for row in peeked)
    target = column if "label" in first else "label"
    which = "labels of a row are those" if several else "label of a row is the one"
    counted = ", counted from 0" if isinstance(decode_cell(first[column]), list) else ""
    notes.append(f"The {which} that '{column}' scores with 1{counted}.")

    def change(row: Row) -> Row:
        if (found := _scored(row, column)) is None:
            return row
        made = {key: value for key, value in row.items() if key != column}
        return made | {target: found if several or len(found) != 1 else found[0]}

    yield from change_rows(chain(peeked, rows), change)


def _of_one_length(rows: list[Row | BadRow], column: str) -> bool:
    """Whether lists have a place for each class: those with one for each word differ in length."""
    values = [decode_cell(row.get(column)) for row in rows if isinstance(row, dict)]
    lengths = {len(one) for one in values if isinstance(one, list)}
    return not lengths or (len(lengths) == 1 and len(values) > 1)


def _scored(row: Any, column: str) -> list[str] | None:
    """The names, or places, with 1 among 1 and 0; None where a column holds anything else.

    A list of two may as well be of class numbers.
    """
    value = decode_cell(row.get(column)) if isinstance(row, dict) else None
    if isinstance(value, list) and len(value) > 2:
        value = dict(enumerate(value))
    if not isinstance(value, dict) or len(value) < 2:
        return None
    numbers = all(isinstance(one, int | float) and one in (0, 1) for one in value.values())
    return [str(name) for name, one in value.items() if one] if numbers else None


def hold_out_by_column(rows: FileRows, notes: list[str]) -> FileRows:
    """Yield the rows; those that a column of splits calls test or validation are held out."""
    first, rows = peek_row(rows)
    column = next((key for key in first or {} if key.strip().lower() in SPLIT_COLUMNS), "")
    peeked = list(islice(rows, COLUMN_ROWS_PEEKED)) if column else []
    values = {_split_of(row, column) for row in peeked if not isinstance(row, BadRow)}
    known = all(TRAIN_KEY.fullmatch(one) or HELD_OUT_KEY.fullmatch(one) for one in values)
    if not (known and any(map(TRAIN_KEY.fullmatch, values))):  # also where all are of one part
        yield from chain(peeked, rows)
        return
    held_out: dict[str, None] = {}
    for row in chain(peeked, rows):
        if isinstance(row, BadRow):
            yield row
            continue
        value = _split_of(row, column)
        made = {key: one for key, one in row.items() if key != column}
        if HELD_OUT_KEY.fullmatch(value):
            held_out[value] = None
        yield HeldOutRow(made) if HELD_OUT_KEY.fullmatch(value) else made
    if held_out:
        names = " and ".join(map(repr, held_out))
        notes.append(f"Held out, since the column '{column}' says so: {names}.")


def _split_of(row: dict[str, object], column: str) -> str:
    value = row.get(column)
    return "" if is_blank(value) else str(value).strip()
