"""A look through a workbook before it is read: how many cells its sheets have, and where.

A sheet is read as a whole rectangle, so two cells at its ends would fill the memory; a text that
many cells share would, too. The scan streams the archive's XML and stops at its limits.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.parsers import expat

from engine.errors import DataError

UNPACKED_LIMIT = 2**30  # bytes that a workbook may unpack to
ZIP_RATIO = 100  # times that a large workbook may grow when unpacked
CELL_LIMIT = 5_000_000  # cells with values, of all sheets together
AREA_LIMIT = 10_000_000  # cells of the rectangle around them
TEXT_LIMIT = 2**28  # characters of all cells of a sheet
SHEET_LIMIT = 500
READ_CHUNK = 2**18
OnStart = Callable[[str, dict[str, str]], None]  # a tag begins: its name and attributes
OnText = Callable[[str], None]
REFERENCE = re.compile(r"([A-Z]{1,4})([0-9]{1,8})")


@dataclass
class SheetScan:
    """What was seen of one sheet."""

    name: str
    rows: int = 0  # that have a value
    cells: int = 0
    top: int = 0
    bottom: int = 0
    left: int = 0
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


def scan_workbook(path: Path, name: str) -> list[SheetScan]:
    """Look through every sheet; raises DataError for one that is damaged or made to do harm."""
    _check_zip(path, name)
    try:
        with zipfile.ZipFile(path) as archive:
            sheets = _find_sheets(archive)
            if len(sheets) > SHEET_LIMIT:
                raise DataError(
                    f"'{name}' has {len(sheets)} sheets; at most {SHEET_LIMIT} are read. "
                    "Save the one that you need as CSV."
                )
            lengths = _shared_lengths(archive)
            budget, scans = CELL_LIMIT, []
            for title, part in sheets:
                scans.append(_CellScan(title, lengths, budget).read(archive, part))
                budget -= scans[-1].cells
                if budget < 0:
                    raise DataError(
                        f"'{name}' has more than {CELL_LIMIT:,} cells. Save what you need as CSV."
                    )
            return scans
    except (zipfile.BadZipFile, KeyError, expat.ExpatError, OSError, ValueError, EOFError,
            RuntimeError, NotImplementedError) as error:  # fmt: skip
        raise DataError(
            f"'{name}' cannot be read as an Excel file ({error}). Save it as CSV and add that."
        ) from None


def _check_zip(path: Path, name: str) -> None:
    """Refuse a workbook that is no archive, or one made to fill the memory (a zip bomb)."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise DataError(
            f"'{name}' is damaged: it is no Excel file. Save it again, or save it as CSV."
        ) from None
    size = sum(part.file_size for part in parts)
    packed = max(1, sum(part.compress_size for part in parts))
    if size > UNPACKED_LIMIT or (size > 50 * 2**20 and size > ZIP_RATIO * packed):
        raise DataError(
            f"'{name}' would unpack to {size / 2**20:.0f} MB. Save what you need of it as CSV."
        )
    if any(part.filename.startswith("/") or ".." in part.filename.split("/") for part in parts):
        raise DataError(
            f"'{name}' is an unsafe archive: it holds names that leave its folder. Save it as CSV."
        )


def _parse(archive: zipfile.ZipFile, part: str, start: OnStart, text: OnText | None = None) -> None:
    """Stream a part of the archive through handlers; tags come without their namespaces."""

    def start_tag(tag: str, attributes: dict[str, str]) -> None:
        start(tag.rpartition(":")[2] if ":" in tag else tag, attributes)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start_tag
    parser.StartDoctypeDeclHandler = _refuse_doctype
    if text:
        parser.CharacterDataHandler = text
    with archive.open(part) as file:
        while chunk := file.read(READ_CHUNK):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)


def _refuse_doctype(*_: object) -> None:
    raise ValueError("its XML declares entities, which no workbook does")


def _find_sheets(archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    """The names of the sheets, and the parts of the archive that hold them."""
    names = {one.lower(): one for one in archive.namelist()}
    found: list[tuple[str, str]] = []
    targets: dict[str, str] = {}

    def sheet(tag: str, attributes: dict[str, str]) -> None:
        if tag == "sheet":
            ids = (value for key, value in attributes.items() if key.rpartition(":")[2] == "id")
            found.append((attributes.get("name", ""), next(ids, "")))

    def relation(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship":
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    _parse(archive, names["xl/workbook.xml"], sheet)
    _parse(archive, names["xl/_rels/workbook.xml.rels"], relation)
    parts = (
        (name, posixpath.normpath(posixpath.join("xl", targets.get(one, ""))))
        for name, one in found
    )
    return [
        (name, names[part.lstrip("/").lower()]) for name, part in parts
        if "worksheets" in part and part.lstrip("/").lower() in names
    ]  # fmt: skip


def _shared_lengths(archive: zipfile.ZipFile) -> array[int]:
    """The length of each text that cells share."""
    lengths: array[int] = array("L")
    part = next((one for one in archive.namelist() if one.lower() == "xl/sharedstrings.xml"), None)
    inside = False

    def start(tag: str, _: dict[str, str]) -> None:
        nonlocal inside
        if tag == "si":
            lengths.append(0)
        inside = tag == "t"

    def text(characters: str) -> None:
        if inside and lengths:
            lengths[-1] += len(characters)

    if part:
        _parse(archive, part, start, text=text)
    return lengths


class _CellScan:
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
            _parse(archive, part, self._start, self._text)
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
            self._column, self._row = _column_number(place[1]), int(place[2]) - 1
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
        if not found.cells:
            found.top, found.left, found.bottom, found.right = row, column, row, column
        found.cells += 1
        if row != self._last_row:
            found.rows += 1
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
