"""Files as rows: every format that Hone reads, row by row, with each problem named by file and row.

Nothing is changed silently: text stays text, and a row that cannot be read is handed on as a problem,
never skipped. Knows nothing about what the columns mean (engine.data.schema does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from engine.data.readers import delimited, encoding, json_rows, parquet_xlsx, plain_text
from engine.data.readers.limits import problem_of
from engine.data.readers.sniff import kind_of
from engine.data.readers.table import Bad, Options, Row, Table
from engine.errors import DataError

__all__ = ["Bad", "Options", "Row", "Table", "read"]
FILE_LIMIT = 8 * 2**30  # bytes
WHOLE_LIMIT = 256 * 2**20  # bytes of a file that must be in memory at once

READERS: dict[str, Callable[[Path, str, Options, list[str]], Iterator[Row | Bad]]] = {
    "jsonl": json_rows.json_lines,
    "json": json_rows.json_whole,
    "csv": delimited.delimited,
    "txt": plain_text.text,
    "labelled": plain_text.labelled,
    "parquet": parquet_xlsx.parquet,
    "xlsx": parquet_xlsx.workbook,
}


def read(path: Path, name: str, options: Options | None = None) -> Table:
    """A file's rows; raises DataError at once, or while they are read, for what makes the whole file unusable.

    ``name`` is the file as its user knows it. Rows come as they stand in the file, or as ``Bad``.
    """
    options = options or Options()
    size = path.stat().st_size
    if size > FILE_LIMIT:
        raise DataError(
            f"'{name}' has {size / 2**30:.0f} GB; at most {FILE_LIMIT / 2**30:.0f} GB are read. Split it."
        )
    notes: list[str] = []
    kind = kind_of(path, name, notes)
    if kind in ("json", "xlsx") and size > WHOLE_LIMIT:
        raise DataError(
            f"'{name}' has {size / 2**20:.0f} MB. A {kind.upper()} file must be read at once, so it may have "
            f"{WHOLE_LIMIT / 2**20:.0f} MB. Save it as JSONL, CSV or Parquet."
        )
    if kind not in ("parquet", "xlsx"):
        options = encoding.decide_encoding(path, name, options, notes)
        kind = kind_of(path, name, notes, options.encoding)
    table = Table(name, kind, iter(()), notes, options)
    table.rows = _checked(READERS[kind](path, name, options, notes), kind)
    return table


def _checked(rows: Iterator[Row | Bad], kind: str) -> Iterator[Row | Bad]:
    """What no row may hold, whatever its format."""
    for number, row in enumerate(rows, start=1):
        if isinstance(row, dict) and (problem := problem_of(row)):
            yield Bad(f"Row {number} {problem}")
        else:
            yield row
