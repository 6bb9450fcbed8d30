"""What every reader yields: rows, or what is wrong with them; and what no row may hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

from engine.data.rows import Row
from engine.errors import DataError

ROW_LIMIT = 5 * 2**20  # characters of one row
DEPTH_LIMIT = 64
TOO_DEEP = f"is nested too deeply (the limit is {DEPTH_LIMIT} levels)."
TOO_LARGE = "is larger than the limit of 5 MB for one row. Split or remove it."
MAX_COLUMNS = 16_384  # as many as Excel has
BROKEN = re.compile("[\0\ud800-\udfff]")


class BadRow(NamedTuple):
    """A row that cannot be read, and why: a sentence that begins with its row or line number."""

    problem: str


class HeldOutRow(dict[str, Any]):
    """A row that its own file puts into the held-out part: {"train": [...], "test": [...]}."""


class NoRowsError(DataError):
    """A file that is whole, but holds no rows: a report or a manifest beside the data."""


FileRows = Iterator[Row | BadRow]


@dataclass(frozen=True)
class ReadOptions:
    """How a file is read. What is not set is detected; the user may correct it."""

    encoding: str = ""
    header: bool | None = None  # whether a table's first line names its columns
    parts: Literal["", "paragraph", "line", "length"] = ""  # how a text is split into examples
    length: int = 1000  # characters of a part where a text is split by length


@dataclass
class Table:
    """An opened file. ``notes`` (sentences for the user) grow while the rows are read."""

    name: str
    kind: str
    rows: FileRows
    notes: list[str]
    options: ReadOptions


# Arguments: the file, its name as the user knows it, options, notes to append to.
Reader = Callable[[Path, str, ReadOptions, list[str]], FileRows]


@dataclass(frozen=True)
class Format:
    """A file format that Hone reads."""

    kind: str  # its name in a dataset's card
    title: str  # in messages
    suffixes: tuple[str, ...]
    read: Reader
    magic: str = ""  # what the first bytes of a binary format look like, as in sniff.MAGIC
    in_memory: bool = False  # whether the whole file has to be in memory at once


def row_problem(row: Row) -> str:
    """What is wrong with a row, as the end of a sentence; empty where nothing is."""
    if len(row) > MAX_COLUMNS:
        return f"has {len(row):,} fields; at most {MAX_COLUMNS:,} are read. Remove or split it."
    size = 0
    stack: list[tuple[Any, int]] = [(row, 0)]  # not recursion, since depth is what is checked
    while stack:
        value, depth = stack.pop()
        if depth > DEPTH_LIMIT:
            return f"{TOO_DEEP} Put its values higher up."
        if isinstance(value, str):
            if found := BROKEN.search(value):
                return _broken_character(found[0])
            size += len(value)
        elif isinstance(value, dict):
            stack += [(inner, depth + 1) for pair in value.items() for inner in pair]
        elif isinstance(value, list):
            stack += [(inner, depth + 1) for inner in value]
    return TOO_LARGE if size > ROW_LIMIT else ""


def _broken_character(character: str) -> str:
    if character == "\0":
        return "contains binary data (a NUL character). Remove it."
    # surrogateescape turns a byte that is not UTF-8 into one of these.
    if "\udc80" <= character <= "\udcff":
        return (
            "has bytes that are not UTF-8. Save it again with the encoding UTF-8, or leave it out."
        )
    return "has a broken character (half of a surrogate pair). Correct it."


def peek_row(rows: FileRows) -> tuple[Row | None, FileRows]:
    """The first row that can be read, if there is one, and all rows again."""
    passed: list[Row | BadRow] = []
    for row in rows:
        passed.append(row)
        if isinstance(row, dict):
            return row, chain(passed, rows)
    return None, iter(passed)


def objects_in(value: Any) -> list[Row]:
    """The objects of a list; none where the value is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def change_rows(rows: FileRows, change: Callable[[Row], Row | None]) -> FileRows:
    """Yield each row as ``change`` makes it, in its own part, without those that it makes None."""
    for row in rows:
        if isinstance(row, BadRow):
            yield row
        elif (made := change(row)) is not None:
            yield HeldOutRow(made) if isinstance(row, HeldOutRow) else made
