"""Parquet files and Excel workbooks: values only; nothing in them is run, followed or computed."""

from __future__ import annotations

import datetime
import math
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.data.readers.delimited import HEADER_ROWS, check_unique, read_header
from engine.data.readers.table import FileRows, ReadOptions
from engine.errors import DataError

PARQUET_BATCH = 1000  # rows read at a time
MAX_COLUMNS = 16_384  # as many as Excel has
UNPACKED_LIMIT = 2**30  # bytes that a workbook may unpack to
ZIP_RATIO = 100  # times that a large workbook may grow when unpacked


def read_parquet(path: Path, name: str, options: ReadOptions, notes: list[str]) -> FileRows:
    """Yield the rows of a Parquet file, batch by batch; columns of bytes are left out and named."""
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, memory_map=True)
        fields = list(file.schema_arrow)
        check_unique(file.schema_arrow.names, name)
        binary = [field.name for field in fields if _holds_bytes(field.type)]
        columns = [field.name for field in fields if field.name not in binary]
        if binary:
            notes.append(f"Left out, since they hold no text: {', '.join(map(repr, binary))}.")
        for batch in file.iter_batches(batch_size=PARQUET_BATCH, columns=columns):
            for row in batch.to_pylist():
                yield {key: _json_value(inner) for key, inner in row.items()}
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, TypeError) as error:
        reason = str(error).partition("\n")[0][:100]
        raise DataError(
            f"'{name}' cannot be read as Parquet: it is damaged or cut off ({reason}). "
            "Export or download it again."
        ) from None


def _holds_bytes(kind: Any) -> bool:
    types = pa.types
    if types.is_struct(kind):
        return any(_holds_bytes(field.type) for field in kind)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_dictionary(kind):
        return _holds_bytes(kind.value_type)
    if types.is_map(kind) or isinstance(kind, pa.BaseExtensionType):
        return True
    return bool(
        types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    )


def _json_value(value: Any) -> Any:
    """Convert a Parquet value to JSON's types, without the empty fields of Arrow's structs."""
    if isinstance(value, dict):
        return {key: _json_value(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_json_value(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime.date | datetime.time | datetime.datetime):
        return value.isoformat()
    if isinstance(value, Decimal | datetime.timedelta):
        return str(value)
    return value


def read_workbook(path: Path, name: str, options: ReadOptions, notes: list[str]) -> FileRows:
    """Yield the rows of a workbook's first sheet that holds any."""
    cells = _first_sheet(path, name, notes)
    if len(cells[0]) > MAX_COLUMNS:
        raise DataError(
            f"'{name}' has {len(cells[0])} columns; at most {MAX_COLUMNS} are read. "
            "Save what you need as CSV."
        )
    notes.append("Only the values of the cells are read; formulas and macros are not run.")
    texts = [[_cell_text(cell) for cell in row] for row in cells]
    texts = [row for row in texts if any(row)]
    used = [at for at in range(len(texts[0])) if any(row[at] for row in texts)]
    texts = [[row[at] for at in used] for row in texts]
    headed, header = read_header(texts[:HEADER_ROWS], options, name)
    for row in texts[1:] if headed else texts:
        yield dict(zip(header, row, strict=True))


def _first_sheet(path: Path, name: str, notes: list[str]) -> list[list[Any]]:
    """Return the cells of the first sheet with more than a title; name the others in a note."""
    from python_calamine import CalamineError, CalamineWorkbook

    _check_zip(path, name)
    try:
        book = CalamineWorkbook.from_path(path)
        pages = [(sheet, book.get_sheet_by_name(sheet).to_python()) for sheet in book.sheet_names]
    except (CalamineError, OSError, ValueError) as error:
        raise DataError(
            f"'{name}' cannot be read as an Excel file ({error}). Save it as CSV and add that."
        ) from None
    sheets = [(sheet, rows) for sheet, rows in pages if sum(map(any, rows)) > 1]
    if not sheets:
        raise DataError(
            f"'{name}' has no rows: its sheets are empty. Choose a file with examples in it."
        )
    sheet, cells = sheets[0]
    if len(sheets) > 1:
        rest = ", ".join(f"'{other}'" for other, _ in sheets[1:])
        notes.append(
            f"Read from the sheet '{sheet}'. Not read: {rest}. Save those as files of their own."
        )
    return cells


def _cell_text(value: Any) -> str:
    """A cell as text: Excel keeps every number as a fraction."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


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
