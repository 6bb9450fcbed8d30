"""What every reader yields: rows, or what is wrong with them; and what no row or table may hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

from engine.data.columns.cells import is_blank
from engine.data.rows import Row
from engine.errors import DataError
from engine.text import count_of

ROW_LIMIT = 5 * 2**20  # characters of one row
DEPTH_LIMIT = 64
TOO_DEEP = f"is nested too deeply (the limit is {DEPTH_LIMIT} levels)."
TOO_LARGE = "is larger than the limit of 5 MB for one row. Split or remove it."
MAX_COLUMNS = 16_384  # as many as Excel has
RULE = re.compile(r"\s*:?[-=]+:?\s*")  # under the header of a table
# How many is hard to say: some readers show none of them.
BLANK_NOTE = "Blank lines were skipped."
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


def skip_blank_rows(rows: FileRows, notes: list[str]) -> FileRows:
    """Yield the rows without those that hold nothing at all, and note that there were some."""
    blank = False
    for row in rows:
        if not isinstance(row, BadRow) and all(map(is_blank, row.values())):
            blank = True
        else:
            yield row
    notes += [BLANK_NOTE] * blank


def change_rows(rows: FileRows, change: Callable[[Row], Row | None]) -> FileRows:
    """Yield each row as ``change`` makes it, in its own part, without those that it makes None."""
    for row in rows:
        if isinstance(row, BadRow):
            yield row
        elif (made := change(row)) is not None:
            yield HeldOutRow(made) if isinstance(row, HeldOutRow) else made


# --- rows of cells ---

Cells = list[str]


class Layout(NamedTuple):
    """What stands above the rows, and the columns' names; None for one that is left out."""

    above: int  # rows to pass over, with the header
    headed: bool
    columns: list[str | None]
    counting: int | None  # a column without a name that only numbers the rows


def require_few_columns(count: int, name: str) -> None:
    """Raise DataError for a table with more columns than are read."""
    if count > MAX_COLUMNS:
        raise DataError(
            f"'{name}' has {count} columns; at most {MAX_COLUMNS} are read. "
            "Save what you need as CSV."
        )


def check_unique(columns: Sequence[str], name: str) -> None:
    """Raise DataError where two columns have the same name."""
    for column, count in Counter(columns).items():
        if count > 1:
            raise DataError(f"'{name}': the column '{column}' appears twice. Rename or remove one.")


def rows_of_layout(layout: Layout, rows: Iterator[Cells | BadRow], notes: list[str]) -> FileRows:
    """Yield the rows under the header; one that does not fit it is a bad row."""
    columns, width = layout.columns, len(layout.columns)
    kept = [(at, column) for at, column in enumerate(columns) if column is not None]
    names = [column for _, column in kept]
    last = max((at for at, _ in kept), default=-1)
    unnamed = [at for at, column in enumerate(columns) if column is None and at != layout.counting]
    first = "header" if layout.headed else "first row"
    for number, cells in enumerate(_example_rows(layout, rows, notes), start=1):
        if isinstance(cells, BadRow):
            yield cells
        elif len(cells) == width == len(kept):
            yield dict(zip(names, cells, strict=True))
        elif len(cells) <= last or any(map(str.strip, cells[width:])):
            yield BadRow(
                f"Row {number} has {len(cells)} values, the {first} has {width}. "
                "Put quotes around text that contains the separator."
            )
        elif stray := [at for at in unnamed if at < len(cells) and cells[at].strip()]:
            yield BadRow(
                f"Row {number} has a value in column {stray[0] + 1}, which has no name. "
                "Name the column, or remove the value."
            )
        else:
            yield {column: cells[at] for at, column in kept}


def _example_rows(
    layout: Layout, rows: Iterator[Cells | BadRow], notes: list[str]
) -> Iterator[Cells | BadRow]:
    """The rows without blank ones and rules, and without the header again (of joined tables)."""
    header = [column or "" for column in layout.columns] if layout.headed else None
    counts, blank = Counter[str](), False
    for cells in rows:
        if isinstance(cells, BadRow):
            yield cells
        elif not any(cell.strip() for at, cell in enumerate(cells) if at != layout.counting):
            blank = True
        elif [cell.strip() for cell in cells] == header:
            counts["in which the header stands again"] += 1
        elif all(map(RULE.fullmatch, cells)):
            counts["of dashes"] += 1
        else:
            yield cells
    notes += [f"Left out: {count_of(count, 'row')} {what}." for what, count in counts.items()]
    notes += [BLANK_NOTE] * blank
