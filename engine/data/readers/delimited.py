"""CSV, TSV and the like: every cell stays the text that it is."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from engine.data.readers.encoding import TextLine, read_lines
from engine.data.readers.exports import plain_export_rows
from engine.data.readers.layout import COLUMN_NAMES, HEADER_ROWS, read_layout
from engine.data.readers.table import (
    MAX_COLUMNS,
    ROW_LIMIT,
    BadRow,
    Cells,
    FileRows,
    ReadOptions,
    rows_of_layout,
)
from engine.errors import DataError

NO_SEPARATOR = "\x1f"  # a character that no text holds: a table of one column
SEPARATORS = "\t,;|"
PEEKED_CHARACTERS = 2**22
QUOTE_LINES = 5000  # lines of a TSV looked at to tell whether its quotation marks are quotes
CLEAR_SHARE, CLEAR_LINES = 0.8, 3  # of lines that a separator parts alike, where the first has none
QUOTED = re.compile(r'"[^"]*"')
MARKDOWN_RULE = re.compile(r"\s*:?-*:?\s*")  # of a Markdown table, between header and rows
HINT = re.compile(r'"?sep=(.)"?')  # what Excel writes into the first line
_Peeked = TypeVar("_Peeked")


def read_delimited(path: Path, name: str, options: ReadOptions, notes: list[str]) -> FileRows:
    """Yield one row per record; separator, header and names are judged from the first lines."""
    records = _open_records(path, name, options, notes)
    peeked = _peek(records, lambda cells: sum(map(len, cells)) + len(cells))
    whole = [at for at, cells in enumerate(peeked) if not isinstance(cells, BadRow)]
    table = [cells for cells in peeked if not isinstance(cells, BadRow)]
    if not table:
        yield from (one for one in peeked if isinstance(one, BadRow))
        return
    layout = read_layout(table, options, name, notes)
    # What cannot be read above the header is part of what stands there.
    first = whole[layout.above - 1] + 1 if layout.above else 0
    for bad in (one for one in peeked[:first] if isinstance(one, BadRow)):
        notes.append(f"Skipped above the header: {bad.problem}")
    rows = rows_of_layout(layout, chain(peeked[first:], records), notes)
    yield from plain_export_rows(rows, name, notes)


def _open_records(
    path: Path, name: str, options: ReadOptions, notes: list[str]
) -> Iterator[Cells | BadRow]:
    """The records of a table, parted by the separator that its first lines show."""
    lines = read_lines(path, name, options.encoding)
    start = _peek(lines, lambda line: len(line.text))
    while start and not start[0].text.strip("\ufeff \t"):
        start.pop(0)
    hint = HINT.fullmatch(start[0].text.strip("\ufeff ")) if start else None
    if hint:
        start.pop(0)
    texts = [line.text for line in start if line.text.strip()]
    if not texts:
        return iter(())
    delimiter = hint[1] if hint else choose_delimiter(texts)
    if delimiter == NO_SEPARATOR and (inner := _without_outer_quotes(texts)):
        # Each line as one cell, as spreadsheets save a table that they have not parted.
        delimiter, texts = choose_delimiter(inner), inner
        start = [line._replace(text=_unquote(line.text)) for line in start]
        lines = (line._replace(text=_unquote(line.text)) for line in lines)
    quoting = delimiter != "\t" or _quotes_close(path, name, options.encoding)
    if not quoting:
        notes.append("Quotation marks are taken as part of the text: not all of them are closed.")
    if quoting and _is_unclosed_title(texts, delimiter):
        notes.append(f"Skipped above the header: “{texts[0][:60]}”.")
        start = start[1 + next(at for at, line in enumerate(start) if line.text.strip()) :]
    style = {
        "quoting": csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE,
        # "a", "b": the blank is not part of the cell.
        "skipinitialspace": any(f'"{delimiter} "' in text for text in texts),
        "escapechar": "\\" if quoting and _has_backslashes(texts, delimiter) else None,
    }
    records = _read_records(chain(start, lines), name, delimiter, style)
    barred = sum(text.lstrip("\ufeff ").startswith("|") for text in texts)
    is_markdown = delimiter == "|" and 2 * barred > len(texts)
    return _parts_of_markdown(records) if is_markdown else records


def _peek(found: Iterator[_Peeked], size_of: Callable[[_Peeked], int]) -> list[_Peeked]:
    """Some of the first lines or records; fewer where they are long."""
    peeked: list[_Peeked] = []
    size = 0
    for one in islice(found, HEADER_ROWS):
        peeked.append(one)
        size += size_of(one)
        if size > PEEKED_CHARACTERS:
            break
    return peeked


def choose_delimiter(lines: Sequence[str]) -> str:
    """The separator that parts the most lines into equally many cells, else that of one column.

    One that the first line lacks must be clear from the others: then that line is a title.
    """
    shares = {mark: _alike(lines, mark) for mark in SEPARATORS}
    column_name = lines[0].strip("\ufeff ")
    one_column = column_name.isidentifier() and (
        column_name.islower() or bool(COLUMN_NAMES.fullmatch(column_name.lower()))
    )

    def may_part(mark: str) -> bool:
        if mark in QUOTED.sub("", lines[0]):
            return shares[mark][0] > 0
        clear = shares[mark][0] >= CLEAR_SHARE and len(lines) > CLEAR_LINES
        return clear and not one_column

    return max(filter(may_part, SEPARATORS), key=shares.__getitem__, default=NO_SEPARATOR)


def _alike(lines: Sequence[str], mark: str) -> tuple[float, int]:
    """The share of lines, or of records, that a mark parts into as many cells; and how many."""
    if not any(mark in line for line in lines):
        return 0.0, 0
    widths = [QUOTED.sub("", line).count(mark) + 1 for line in lines]
    try:  # a cell may hold several lines
        records = [len(cells) for cells in csv.reader((f"{one}\n" for one in lines), delimiter=mark)
                   if len(cells) > 1 or any(cells)]  # fmt: skip
    except csv.Error:
        records = []
    return max(_usual_width(widths), _usual_width(records))


def _usual_width(widths: Sequence[int]) -> tuple[float, int]:
    counted = Counter(width for width in widths if width > 1)
    if not counted:
        return 0.0, 0
    width = max(counted, key=lambda one: (counted[one], one))
    return round(counted[width] / len(widths), 2), width


def _is_unclosed_title(texts: Sequence[str], delimiter: str) -> bool:
    """Whether a quotation mark is opened in a title above the table and never closed."""
    first = texts[0].strip("\ufeff ")
    lone = first.startswith('"') and first.count('"') == 1 and delimiter not in first
    return lone and delimiter != NO_SEPARATOR and sum(delimiter in one for one in texts) >= 2


def _quotes_close(path: Path, name: str, encoding: str) -> bool:
    """Whether quotation marks enclose a TSV's cells; in many files a mark is just a character."""
    lines = list(islice(read_lines(path, name, encoding), QUOTE_LINES))
    if not any('"' in line.text for line in lines):
        return True
    widths: list[int] = []
    try:
        for cells in _read_records(iter(lines), name, "\t"):
            if isinstance(cells, BadRow):
                return False
            widths.append(len(cells))
            if len(cells) > MAX_COLUMNS:  # refused later
                return True
    except DataError:  # never closed, unless it is closed behind the lines that were looked at
        if len(lines) < QUOTE_LINES:
            return False
    return len(set(widths[1:])) <= 1  # the first may be a title


def _without_outer_quotes(texts: Sequence[str]) -> list[str]:
    """The lines without the quotes around each, where names stand in the first; else none."""
    if not all(text.strip("\ufeff ")[:1] == text.strip()[-1:] == '"' for text in texts):
        return []
    inner = list(map(_unquote, texts))
    names = re.split(r"[\t,;|]", inner[0])
    return inner if len(names) > 1 and all(name.strip().isidentifier() for name in names) else []


def _unquote(line: str) -> str:
    return line.strip("\ufeff \r")[1:-1].replace('""', '"')


def _has_backslashes(texts: Sequence[str], delimiter: str) -> bool:
    """Whether quotation marks within cells follow a backslash, as MySQL writes them."""
    return (
        any('\\"' in text for text in texts)
        and not _can_be_parsed(texts, delimiter=delimiter)
        and _can_be_parsed(texts, delimiter=delimiter, escapechar="\\")
    )


def _can_be_parsed(texts: Sequence[str], **style: Any) -> bool:
    try:
        return bool(list(csv.reader((f"{text}\n" for text in texts), strict=True, **style)))
    except csv.Error:
        return False


def _read_records(
    lines: Iterator[TextLine], name: str, delimiter: str, style: Mapping[str, Any] | None = None
) -> Iterator[Cells | BadRow]:
    """Yield the cells of each record; after one with misplaced quotes, the next line starts anew.

    ``style``: further arguments of csv.reader.
    """
    csv.field_size_limit(ROW_LIMIT)
    number = 0  # of the line that was handed out last

    def texts() -> Iterator[str]:
        nonlocal number
        for line in lines:
            number = line.number
            if line.too_long:
                raise DataError(
                    f"'{name}': line {number} is larger than the limit of 5 MB for one row. "
                    "Split it."
                )
            yield line.text + "\n"

    reader = csv.reader(texts(), delimiter=delimiter, strict=True, **(style or {}))
    while True:
        opened = number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) or "field larger" in str(error):
                raise DataError(
                    f"'{name}': the quote opened on line {opened} is never closed "
                    "(or its cell is larger than 5 MB). Close or remove it."
                ) from None
            yield BadRow(f"Line {opened}: its quotation marks are not right ({error}). Correct it.")
            continue
        # An empty line is no row; a row of empty cells (",") is one, and is refused later.
        if len(cells) > 1 or "".join(cells).strip():
            yield cells


def _parts_of_markdown(records: Iterator[Cells | BadRow]) -> Iterator[Cells | BadRow]:
    """The records of a Markdown table: no line of dashes, no blanks around cells."""
    for cells in records:
        if isinstance(cells, BadRow):
            yield cells
        elif not all(MARKDOWN_RULE.fullmatch(cell) for cell in cells):
            yield [cell.strip() for cell in cells]
