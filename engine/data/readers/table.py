"""What every reader yields: rows as dictionaries, or what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from engine.data.rows import Row

ROW_LIMIT = 5 * 2**20  # characters of one row
DEPTH_LIMIT = 64
TOO_LARGE = "is larger than the limit of 5 MB for one row. Split or remove it."


class BadRow(NamedTuple):
    """A row that cannot be read, and why: a sentence that begins with its row or line number."""

    problem: str


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
    rows: Iterator[Row | BadRow]
    notes: list[str]
    options: ReadOptions


# Arguments: the file, its name as the user knows it, options, notes to append to.
Reader = Callable[[Path, str, ReadOptions, list[str]], Iterator[Row | BadRow]]


@dataclass(frozen=True)
class Format:
    """A file format that Hone reads."""

    kind: str  # its name in a dataset's card
    title: str  # in messages
    suffixes: tuple[str, ...]
    read: Reader
    magic: str = ""  # what the first bytes of a binary format look like, as in sniff.MAGIC
    in_memory: bool = False  # whether the whole file has to be in memory at once
