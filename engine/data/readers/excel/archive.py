"""A look through a workbook before it is read, which streams its parts and stops at its limits."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from array import array
from pathlib import Path
from xml.parsers import expat

from engine.data.readers.excel.cells import CellScan, SheetScan
from engine.data.readers.excel.xml import parse_part
from engine.errors import DataError

UNPACKED_LIMIT = 2**30  # bytes that a workbook may unpack to
ZIP_RATIO = 100  # times that a large workbook may grow when unpacked
CELL_LIMIT = 5_000_000  # cells with values, of all sheets together
SHEET_LIMIT = 500


def scan_workbook(path: Path, name: str) -> list[SheetScan]:
    """Look through every sheet; raises DataError for one that is damaged or made to do harm."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_parts(archive.infolist(), name)
            sheets = _find_sheets(archive)
            if len(sheets) > SHEET_LIMIT:
                raise DataError(
                    f"'{name}' has {len(sheets)} sheets; at most {SHEET_LIMIT} are read. "
                    "Save the one that you need as CSV."
                )
            lengths = _shared_lengths(archive)
            budget, scans = CELL_LIMIT, []
            for title, part in sheets:
                scans.append(CellScan(title, lengths, budget).read(archive, part))
                budget -= scans[-1].cells
                if budget < 0:
                    raise DataError(
                        f"'{name}' has more than {CELL_LIMIT:,} cells. Save what you need as CSV."
                    )
            return scans
    except (zipfile.BadZipFile, KeyError, expat.ExpatError, OSError, ValueError, EOFError,
            RuntimeError, zlib.error, NotImplementedError) as error:  # fmt: skip
        raise DataError(
            f"'{name}' cannot be read as an Excel file ({error}). Save it as CSV and add that."
        ) from None


def _check_parts(parts: list[zipfile.ZipInfo], name: str) -> None:
    """Refuse a workbook that is made to fill the memory (a zip bomb)."""
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

    parse_part(archive, names["xl/workbook.xml"], sheet)
    parse_part(archive, names["xl/_rels/workbook.xml.rels"], relation)
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
        parse_part(archive, part, start, text=text)
    return lengths
