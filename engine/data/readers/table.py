"""What every reader gives: rows, or what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Row = dict[str, Any]
ROW_LIMIT = 5 * 2**20  # characters of one row
DEPTH_LIMIT = 64
TOO_LARGE = "is larger than the limit of 5 MB for one row. Split or remove it."


class Bad(NamedTuple):
    """A row that cannot be read, and why: a sentence that begins with its place."""

    problem: str


@dataclass(frozen=True)
class Options:
    """How a file is read. What is not set is found by itself; the user may correct it."""

    encoding: str = ""
    header: bool | None = None  # whether a table's first line names its columns
    parts: Literal["", "paragraph", "line", "length"] = ""  # how a text is split into examples
    length: int = 1000  # characters of a part where a text is split by length


@dataclass
class Table:
    """A file opened. ``notes`` grow while the rows are read: what was done, in words for the user."""

    name: str
    kind: str
    rows: Iterator[Row | Bad]
    notes: list[str]
    options: Options
