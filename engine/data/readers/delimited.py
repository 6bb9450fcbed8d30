"""CSV, TSV and the like: every cell stays the text that it is."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from engine.data.readers.encoding import TextLine, read_lines
from engine.data.readers.table import ROW_LIMIT, BadRow, FileRows, ReadOptions
from engine.errors import DataError

NO_SEPARATOR = "\x1f"  # a character that no text holds: a table of one column
HEADER_ROWS = 200  # rows looked at to tell a header from an example
QUOTE_LINES = 5000  # lines of a TSV looked at to tell whether its quotation marks are quotes
WORD_END = re.compile(r"[\W_]+")
QUOTED = re.compile(r'"[^"]*"')
COLUMN_NAMES = re.compile(
    r"text|label|prompt|completion|response|question|answer|instruction|input|output|context|query"
    r"|sentence|review|content|category|class|sentiment|chosen|rejected|messages|title|description"
    r"|id|name|system|source|target|message|body|summary|document|topic|score|rating|intent|data"
    r"|date|tag|type|lang|language|comment|split|url"
)


def read_delimited(path: Path, name: str, options: ReadOptions, notes: list[str]) -> FileRows:
    """Yield one row per record; the separator is detected from the first lines."""
    lines = read_lines(path, name, options.encoding)
    start = list(islice(lines, HEADER_ROWS))
    while start and not start[0].text.strip():
        start.pop(0)
    texts = [line.text for line in start if line.text.strip()]
    if not texts:
        return
    hint = re.fullmatch(r"sep=(.)", texts[0].strip())  # what Excel writes
    delimiter = hint[1] if hint else _guess_delimiter(texts)
    quoting = delimiter != "\t" or _quotes_close(path, name, options.encoding)
    if not quoting:
        notes.append("Quotation marks are taken as part of the text: not all of them are closed.")
    # "a", "b": the blank is not part of the cell.
    spaced = any(f'"{delimiter} "' in text for text in texts)
    first_lines = start[1:] if hint else start
    records = _read_records(chain(first_lines, lines), name, delimiter, quoting, spaced)
    peeked = list(islice(records, HEADER_ROWS))
    whole = [cells for cells in peeked if not isinstance(cells, BadRow)]
    if not whole:
        yield from (one for one in peeked if isinstance(one, BadRow))
        return
    headed, header = read_header(whole, options, name)
    if headed:
        peeked.remove(whole[0])
    elif options.header is None:
        notes.append(
            "The first line looks like an example, so the columns are called column 1, column 2 …"
        )
    for number, cells in enumerate(chain(peeked, records), start=1):
        if isinstance(cells, BadRow):
            yield cells
        elif len(cells) != len(header):
            first = "header" if headed else "first row"
            yield BadRow(
                f"Row {number} has {len(cells)} values, the {first} has {len(header)}. "
                "Put quotes around text that contains the separator."
            )
        else:
            yield dict(zip(header, cells, strict=True))


def _guess_delimiter(lines: list[str]) -> str:
    """The separator of which most lines have as many as the first; quoted text does not count."""
    bare = [QUOTED.sub("", line) for line in lines]

    def score(mark: str) -> tuple[float, int]:
        wanted = bare[0].count(mark)
        return sum(line.count(mark) == wanted for line in bare) / len(bare), wanted

    return max((mark for mark in "\t,;|" if mark in bare[0]), key=score, default=NO_SEPARATOR)


def _quotes_close(path: Path, name: str, encoding: str) -> bool:
    """Whether quotation marks enclose a TSV's cells; in many files a mark is just a character."""
    lines = list(islice(read_lines(path, name, encoding), QUOTE_LINES))
    if not any('"' in line.text for line in lines):
        return True
    widths = set()
    try:
        for cells in _read_records(iter(lines), name, "\t"):
            if isinstance(cells, BadRow):
                return False
            widths.add(len(cells))
    except DataError:  # never closed, unless it is closed behind the lines that were looked at
        if len(lines) < QUOTE_LINES:
            return False
    return len(widths) <= 1


def _read_records(
    lines: Iterator[TextLine], name: str, delimiter: str, quoting: bool = True, spaced: bool = False
) -> Iterator[list[str] | BadRow]:
    """Yield the cells of each record; after one with misplaced quotes, the next line starts anew.

    ``quoting``: whether quotation marks enclose cells.
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

    style: dict[str, Any] = {"delimiter": delimiter, "skipinitialspace": spaced, "strict": True}
    style["quoting"] = csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE
    reader = csv.reader(texts(), **style)
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


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names columns rather than being an example itself."""
    first = [cell.strip() for cell in rows[0]]
    words = (word for cell in first if cell.isidentifier() for word in WORD_END.split(cell.lower()))
    if any(map(COLUMN_NAMES.fullmatch, words)):
        return True
    if len(first) == 1:  # a list of texts, unless one small word stands above numbers or sentences
        others = [row[0].strip() for row in rows[1:] if row]
        small_word = first[0].isidentifier() and first[0].islower()
        return small_word and all(" " in one or one.isdigit() for one in others)
    if len(rows) < 2:
        return True
    if any(not cell or len(cell) > 60 or len(cell.split()) > 6 for cell in first):
        return False
    if any(re.fullmatch(r"[-+]?\d+([.,]\d+)?", cell) for cell in first):
        return False
    # A cell that comes again in its own column is a value ("ham"), not a name.
    return not any(
        cell in {row[at].strip() for row in rows[1:] if at < len(row)}
        for at, cell in enumerate(first)
    )


def read_header(rows: list[list[str]], options: ReadOptions, name: str) -> tuple[bool, list[str]]:
    """Whether the first row is a header, and the column names; DataError for bad names."""
    headed = _has_header(rows) if options.header is None else options.header
    if not headed:
        return False, [f"column {number}" for number in range(1, len(rows[0]) + 1)]
    header = [cell.strip() for cell in rows[0]]
    if header.count("") > 1:
        raise DataError(
            f"'{name}': {header.count('')} columns have no name. "
            "The first line must name every column."
        )
    check_unique(header, name)
    return True, header


def check_unique(columns: list[str], name: str) -> None:
    """Raise DataError where two columns have the same name."""
    if again := next((one for one in columns if columns.count(one) > 1), ""):
        raise DataError(f"'{name}': the column '{again}' appears twice. Rename or remove one.")
