"""Excel workbooks: the values of the cells; nothing in them is run, followed or computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from engine.data.readers.excel.archive import scan_workbook
from engine.data.readers.excel.cells import SheetScan
from engine.data.readers.layout import HEADER_ROWS, read_layout
from engine.data.readers.table import (
    Cells,
    FileRows,
    ReadOptions,
    require_few_columns,
    rows_of_layout,
)
from engine.errors import DataError
from engine.text import count_of

MANY_MERGED = 100_000  # cells that merged areas may fill


def read_workbook(path: Path, name: str, options: ReadOptions, notes: list[str]) -> FileRows:
    """Yield the rows of a workbook's first sheet that holds any."""
    scans = scan_workbook(path, name)
    filled = [one for one in scans if one.rows > 1]
    if not filled:
        raise DataError(
            f"'{name}' has no rows: its sheets are empty. Choose a file with examples in it."
        )
    scan = filled[0]
    if scan.columns == 1:  # a page of text may come before the table
        tables = (one for one in filled if one.columns > 1 and one.rows > scan.rows)
        scan = next(tables, scan)
    scan.require_readable(name)
    require_few_columns(scan.columns, name)
    _note_sheets(scan, [one for one in filled if one is not scan], notes)
    blank: list[Cells] = []
    cells = _filled_rows(_read_cells(path, name, scan, notes), blank)
    peeked = list(islice(cells, HEADER_ROWS))
    if not peeked:
        return
    layout = read_layout(peeked, options, name, notes)
    # The blank ones at the end, where they are counted with all others.
    yield from rows_of_layout(layout, chain(peeked[layout.above :], cells, blank), notes)


def _filled_rows(rows: Iterator[Cells], blank: list[Cells]) -> Iterator[Cells]:
    """The rows that hold something; ``blank`` takes those between them that do not."""
    passed = 0
    for row in rows:
        if not any(map(str.strip, row)):
            passed += 1
            continue
        blank += [[]] * passed
        passed = 0
        yield row


def _note_sheets(scan: SheetScan, others: Sequence[SheetScan], notes: list[str]) -> None:
    if others:
        rest = ", ".join(f"'{other.name}'" for other in others[:20])
        more = f" and {len(others) - 20} more" if len(others) > 20 else ""
        notes.append(
            f"Read from the sheet '{scan.name}'. Not read: {rest}{more}. "
            "Save those as files of their own."
        )
    notes.append("Only the values of the cells are read; formulas and macros are not run.")
    if scan.unsolved:
        notes.append(
            f"Read as empty: {count_of(scan.unsolved, 'cell')} of '{scan.name}' with a formula "
            "whose value is not stored. Open the file in Excel, save it, and add it again."
        )


def _read_cells(path: Path, name: str, scan: SheetScan, notes: list[str]) -> Iterator[Cells]:
    """The rows of a sheet as texts; every cell of a merged area has the area's value."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        sheet = CalamineWorkbook.from_path(path).get_sheet_by_name(scan.name)
        merged = sheet.merged_cell_ranges or []
        first_row, first_column = sheet.start or (0, 0)
        rows: Iterator[list[Any]] = sheet.iter_rows()
    except (CalamineError, OSError, ValueError) as error:
        raise DataError(
            f"'{name}' cannot be read as an Excel file ({error}). Save it as CSV and add that."
        ) from None
    areas = _downward_areas(merged, first_row, first_column)
    if areas:
        notes.append(
            f"{count_of(len({*chain(*(row.values() for row in areas.values()))}), 'merged area')} "
            "of cells: each of its rows has the value that the area shows."
        )
    held: dict[tuple[int, int], str] = {}  # top left cell of an area -> its value
    for at, row in enumerate(rows):
        cells = [cell_text(cell) for cell in row]
        for column, (top, left) in areas.get(at, {}).items():
            if at == top and column == left:
                held[top, left] = cells[column] if column < len(cells) else ""
            elif column < len(cells):
                cells[column] = held.get((top, left), "")
        yield cells


Areas = dict[int, dict[int, tuple[int, int]]]  # row -> column -> top left cell of its area


def _downward_areas(merged: Sequence[Any], first_row: int, first_column: int) -> Areas:
    """The cells of merged areas of several rows; titles run over columns alone."""
    found: Areas = {}
    count = 0
    for (top, left), (bottom, right) in merged:
        count += (bottom - top + 1) * (right - left + 1)
        if bottom == top or count > MANY_MERGED:
            continue
        corner = top - first_row, left - first_column
        for row in range(top, bottom + 1):
            found.setdefault(row - first_row, {}).update(
                dict.fromkeys(range(left - first_column, right - first_column + 1), corner)
            )
    return found


def cell_text(value: Any) -> str:
    """A cell as text, as Excel shows it: whole numbers whole, others with 15 digits."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.15g}"
    return str(value)
