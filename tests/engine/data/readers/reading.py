"""Reads a made file, for the tests of the readers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from engine.data.readers.formats import read_table
from engine.data.readers.table import BadRow, HeldOutRow, ReadOptions


class Read(NamedTuple):
    rows: list[dict]
    bad: list[str]
    notes: list[str]
    held_out: int = 0

    @property
    def said(self) -> str:
        return " ".join(self.notes)


def read_made(tmp_path: Path, name: str, content: str | bytes, **options) -> Read:
    """The rows of a file with this name and content, what is wrong with others, and the notes."""
    path = tmp_path / "upload"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = read_table(path, name, ReadOptions(**options))
    rows = list(found.rows)
    good = [row for row in rows if not isinstance(row, BadRow)]
    bad = [row.problem for row in rows if isinstance(row, BadRow)]
    return Read(good, bad, found.notes, sum(isinstance(row, HeldOutRow) for row in good))
