"""Reads files row by row: every format that Hone accepts, each problem named by file and row.

Nothing is changed silently: text stays text, and a row that cannot be read is yielded as a
``BadRow``, never skipped; blank lines are skipped and noted. Knows nothing about what the columns
mean (engine.data.schema does).

To add a format, for example .docx:

1. Write a ``Reader`` in a module of this package: it yields rows (dictionaries) and ``BadRow``s.
2. Add a line to ``FORMATS`` below: its kind, its title in messages, its suffixes, the reader.
3. In ``sniff``, remove its suffix from ``REFUSED_TYPES`` and name the format in ``ACCEPTED``.

Then add a case to tests/engine/data/readers, and tell users about it in ``ui.data.add``.
"""

from __future__ import annotations

from pathlib import Path

from engine.data.readers import delimited, encoding, json_rows, parquet, plain_text
from engine.data.readers.chats import subtitles, whatsapp
from engine.data.readers.excel import workbook
from engine.data.readers.judged_pairs import choose_winners
from engine.data.readers.sniff import check_file_type, detect_kind
from engine.data.readers.special_columns import hold_out_by_column, name_scored_labels
from engine.data.readers.table import (
    BadRow,
    FileRows,
    Format,
    ReadOptions,
    Table,
    row_problem,
    skip_blank_rows,
)
from engine.errors import DataError

FILE_LIMIT = 8 * 2**30  # bytes
IN_MEMORY_LIMIT = 256 * 2**20  # bytes of a file that must be in memory at once

FORMATS = (
    Format("jsonl", "JSONL", (".jsonl", ".ndjson"), json_rows.read_json_lines),
    Format("json", "JSON", (".json",), json_rows.read_json_file, in_memory=True),
    Format("csv", "table", (".csv", ".tsv", ".tab"), delimited.read_delimited),
    Format("txt", "text", (".txt", ".md", ".text"), plain_text.read_text_parts),
    Format("labelled", "text", (), plain_text.read_labelled_lines),  # recognised by its content
    Format("whatsapp", "text", (), whatsapp.read_whatsapp),  # likewise
    Format("subtitles", "text", (".srt", ".vtt", ".sbv", ".lrc"), subtitles.read_subtitles),
    Format("parquet", "Parquet", (".parquet",), parquet.read_parquet, magic="a Parquet file"),
    Format("xlsx", "XLSX", (".xlsx", ".xlsm"), workbook.read_workbook,
           magic="a ZIP archive or an Office file", in_memory=True),
)  # fmt: skip
BY_KIND = {one.kind: one for one in FORMATS}
BY_SUFFIX = {suffix: one for one in FORMATS for suffix in one.suffixes}


def read_table(path: Path, name: str, options: ReadOptions | None = None) -> Table:
    """Open a file; its rows come as they stand in the file, or as ``BadRow``.

    ``name`` is the file as its user knows it. Raises DataError for what makes the whole file
    unusable: at once, or while the rows are read.
    """
    options = options or ReadOptions()
    size = path.stat().st_size
    if size > FILE_LIMIT:
        raise DataError(
            f"'{name}' has {size / 2**30:.0f} GB; at most {FILE_LIMIT / 2**30:.0f} GB are read. "
            "Split it."
        )
    found = BY_SUFFIX.get(Path(name).suffix.lower())
    check_file_type(path, name, found)
    if found and found.in_memory and size > IN_MEMORY_LIMIT:
        raise DataError(
            f"'{name}' has {size / 2**20:.0f} MB. A {found.title} file must be read at once, "
            f"so it may have {IN_MEMORY_LIMIT / 2**20:.0f} MB. Save it as JSONL, CSV or Parquet."
        )
    notes: list[str] = []
    if not (found and found.magic):
        options = encoding.decide_encoding(path, name, options, notes)
        declared = found.kind if found else ""
        found = BY_KIND[detect_kind(path, declared, options.encoding, notes)]
    rows = skip_blank_rows(_check_rows(found.read(path, name, options, notes)), notes)
    rows = choose_winners(name_scored_labels(rows, notes), name, notes)
    rows = hold_out_by_column(rows, notes)
    return Table(name, found.kind, rows, notes, options)


def _check_rows(rows: FileRows) -> FileRows:
    """Apply the limits that hold for every format."""
    for number, row in enumerate(rows, start=1):
        if isinstance(row, dict) and (problem := row_problem(row)):
            yield BadRow(f"Row {number} {problem}")
        else:
            yield row
