"""A look through the cells of a sheet before it is read: how many there are, and where.

A sheet is read as a whole rectangle, so two cells at its ends would fill the memory; a text that
many cells share would, too.
"""

from __future__ import annotations

import re
import zipfile
from array import array
from dataclasses import dataclass
from functools import cache

from engine.data.readers.excel.xml import parse_part
from engine.errors import DataError

AREA_LIMIT = 10_000_000  # cells of the rectangle around those that have a value
TEXT_LIMIT = 2**28  # characters of all cells of a sheet
NOWHERE = 2**31  # behind every cell
REFERENCE = re.compile(r"([A-Za-z]{1,4})([0-9]{1,8})")


@dataclass
class SheetScan:
    """What was seen of one sheet."""

    name: str
    rows: int = 0  # that have a value
    cells: int = 0
    top: int = NOWHERE
    bottom: int = 0
    left: int = NOWHERE
    right: int = 0
    characters: int = 0
    unsolved: int = 0  # cells with a formula and no value

    @property
    def columns(self) -> int:
        return self.right - self.left + 1 if self.cells else 0

    def require_readable(self, name: str) -> None:
        """Raise DataError for a sheet that would fill the memory."""
        area = self.columns * (self.bottom - self.top + 1) if self.cells else 0
        if area > AREA_LIMIT:
            last = f"{_column_letters(self.right)}{self.bottom + 1}"
            raise DataError(
                f"'{name}': the sheet '{self.name}' reaches to the cell {last}, so it "
                f"would have {area:,} cells; at most {AREA_LIMIT:,} are read, and only "
                f"{self.cells:,} hold a value. Delete the cells that stand far away, or save what "
                "you need as CSV."
            )
        if self.characters > TEXT_LIMIT:
            raise DataError(
                f"'{name}': the cells of the sheet '{self.name}' hold "
                f"{self.characters / 2**20:,.0f} MB of text; at most {TEXT_LIMIT / 2**20:.0f} MB "
                "are read. Save what you need as CSV."
            )


class CellScan:
    """Follows the cells of one sheet; ends early where there are more than ``budget``.

    Knows when a cell begins, not when it ends: it is counted when the next one begins.
    """

    def __init__(self, title: str, lengths: array[int], budget: int) -> None:
        self.found, self._lengths, self._budget = SheetScan(title), lengths, budget
        self._row = self._column = self._last_row = -1
        self._shared = self._valued = self._formula = self._reading = False
        self._index = ""  # of a shared text

    def read(self, archive: zipfile.ZipFile, part: str) -> SheetScan:
        try:
            parse_part(archive, part, self._start, self._text)
            self._end_cell()
        except _TooManyError:
            self.found.cells = self._budget + 1
        return self.found

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "c":
            self._begin_cell(attributes)
        elif tag in ("v", "t"):
            self._reading = self._valued = True
        else:
            self._reading = False
            self._formula = self._formula or tag == "f"
            if tag == "row":
                self._end_cell()
                number = attributes.get("r", "")
                self._row = int(number) - 1 if number.isdigit() else self._row + 1
                self._column = -1

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        self._end_cell()
        place = REFERENCE.fullmatch(attributes.get("r", ""))
        self._column += 1
        if place:
            self._column, self._row = _column_number(place[1].upper()), int(place[2]) - 1
        self._shared = attributes.get("t") == "s"

    def _text(self, characters: str) -> None:
        if not self._reading:
            return
        if self._shared:
            self._index += characters
        else:
            self.found.characters += len(characters)

    def _end_cell(self) -> None:
        if self._valued:
            self._count_cell()
        elif self._formula:
            self.found.unsolved += 1
        self._reading = self._valued = self._formula = False
        self._index = ""

    def _count_cell(self) -> None:
        found, row, column = self.found, self._row, self._column
        index = self._index.strip()
        if index.isdigit() and int(index) < len(self._lengths):
            found.characters += self._lengths[int(index)]
        found.cells += 1
        found.rows += row != self._last_row
        self._last_row = row
        found.top, found.bottom = min(found.top, row), max(found.bottom, row)
        found.left, found.right = min(found.left, column), max(found.right, column)
        if found.cells > self._budget:
            raise _TooManyError


class _TooManyError(Exception):
    """There are more cells than are looked at."""


@cache
def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _column_letters(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
