"""CSV, TSV and their like: every cell as the text it is."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from engine.data.readers.encoding import Line, read_lines
from engine.data.readers.table import ROW_LIMIT, Bad, Options, Row
from engine.errors import DataError

NONE = "\x1f"  # a separator that no text holds: a table of one column
PEEKED = 200  # rows looked at to tell a header from an example
TRIED = 5000  # lines of a TSV looked at to tell whether its quotes are quotes
QUOTED = re.compile(r'"[^"]*"')
NAMES = re.compile(
    r"text|label|prompt|completion|response|question|answer|instruction|input|output|context|query|sentence|review|"
    r"content|category|class|sentiment|chosen|rejected|messages|title|description|id|name|system|source|target|"
    r"message|body|summary|document|topic|score|rating|intent|data|date|tag|type|lang|language|comment|split|url"
)


def delimited(path: Path, name: str, options: Options, notes: list[str]) -> Iterator[Row | Bad]:
    """One row per record; the separator is the one that the first line has most of."""
    lines = read_lines(path, name, options.encoding)
    start = list(islice(lines, PEEKED))
    while start and not start[0].text.strip():
        start.pop(0)
    texts = [line.text for line in start if line.text.strip()]
    if not texts:
        return
    hint = re.fullmatch(r"sep=(.)", texts[0].strip())  # what Excel writes
    delimiter = hint[1] if hint else _delimiter(texts)
    quoting = delimiter != "\t" or _quotes_close(path, name, options.encoding)
    if not quoting:
        notes.append("Quotation marks are taken as part of the text: not all of them are closed.")
    spaced = any(
        f'"{delimiter} "' in text for text in texts
    )  # "a", "b": the blank is not a part of the cell
    records = _records(chain(start[1:] if hint else start, lines), name, delimiter, quoting, spaced)
    peeked = list(islice(records, PEEKED))
    whole = [cells for cells in peeked if not isinstance(cells, Bad)]
    if not whole:
        yield from (one for one in peeked if isinstance(one, Bad))
        return
    headed = options.header if options.header is not None else has_header(whole)
    if headed:
        header = header_of(whole[0], name)
        peeked.remove(whole[0])
    else:
        header = [f"column {number}" for number in range(1, len(whole[0]) + 1)]
        if options.header is None:
            notes.append(
                "The first line looks like an example, so the columns are called column 1, column 2 …"
            )
    for number, cells in enumerate(chain(peeked, records), start=1):
        if isinstance(cells, Bad):
            yield cells
        elif len(cells) != len(header):
            yield Bad(
                f"Row {number} has {len(cells)} values, the {'header' if headed else 'first row'} has {len(header)}. "
                "Put quotes around text that contains the separator."
            )
        else:
            yield dict(zip(header, cells, strict=True))


def _delimiter(lines: list[str]) -> str:
    """The separator in the first line of which the other lines have as many; what is quoted does not count."""
    bare = [QUOTED.sub("", line) for line in lines]

    def fits(mark: str) -> tuple[float, int]:
        wanted = bare[0].count(mark)
        return sum(line.count(mark) == wanted for line in bare) / len(bare), wanted

    return max((mark for mark in "\t,;|" if mark in bare[0]), key=fits, default=NONE)


def _quotes_close(path: Path, name: str, encoding: str) -> bool:
    """Whether a TSV's quotes are quotes: in many a quote is just a letter. Then reading them as quotes goes wrong."""
    lines = list(islice(read_lines(path, name, encoding), TRIED))
    if not any('"' in line.text for line in lines):
        return True
    widths = []
    try:
        for cells in _records(iter(lines), name, "\t", quoting=True):
            if isinstance(cells, Bad):
                return False
            widths.append(len(cells))
    except DataError:  # never closed, unless it is closed behind the lines that were looked at
        if len(lines) < TRIED:
            return False
    return len(set(widths)) <= 1


def _records(
    lines: Iterator[Line], name: str, delimiter: str, quoting: bool, spaced: bool = False
) -> Iterator[list[str] | Bad]:
    """The cells of each record; a line with misplaced quotes is bad, and the next one begins anew."""
    csv.field_size_limit(ROW_LIMIT)
    number = 0  # of the line that was handed out last

    def texts() -> Iterator[str]:
        nonlocal number
        for line in lines:
            number = line.number
            if line.too_long:
                raise DataError(
                    f"'{name}': line {number} is larger than the limit of 5 MB for one row. Split it."
                )
            yield line.text + "\n"

    kind: Any = csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE
    reader = csv.reader(
        texts(), delimiter=delimiter, quoting=kind, strict=True, skipinitialspace=spaced
    )
    while True:
        opened = number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) or "field larger" in str(error):
                raise DataError(
                    f"'{name}': the quote opened on line {opened} is never closed (or its cell is larger than 5 MB). "
                    "Close or remove it."
                ) from None
            yield Bad(f"Line {opened}: its quotation marks are not right ({error}). Correct it.")
            continue
        # An empty line is none; a row of empty cells (",") is a row, whose problem engine.data.schema names.
        if len(cells) > 1 or "".join(cells).strip():
            yield cells


def has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names columns rather than being an example itself."""
    first = [cell.strip() for cell in rows[0]]
    words = [re.split(r"[\W_]+", cell.lower()) for cell in first]
    if any(
        cell.isidentifier() and any(NAMES.fullmatch(word) for word in parts)
        for cell, parts in zip(first, words, strict=True)
    ):
        return True
    if len(first) == 1:  # a list of texts, unless one small word stands above numbers or sentences
        others = [row[0].strip() for row in rows[1:] if row]
        return (
            first[0].isidentifier()
            and first[0].islower()
            and all(" " in one or one.isdigit() for one in others)
        )
    if len(rows) < 2 or any(not cell or len(cell) > 60 or len(cell.split()) > 6 for cell in first):
        return len(rows) < 2
    if any(re.fullmatch(r"[-+]?\d+([.,]\d+)?", cell) for cell in first):
        return False
    # A cell that comes again in its own column is a value ("ham"), not a name.
    return not any(
        cell in {row[at].strip() for row in rows[1:] if at < len(row)}
        for at, cell in enumerate(first)
    )


def header_of(cells: list[str], name: str) -> list[str]:
    header = [cell.strip() for cell in cells]
    if header.count("") > 1:
        raise DataError(
            f"'{name}': {header.count('')} columns have no name. The first line must name every column."
        )
    for cell in header:
        if header.count(cell) > 1:
            raise DataError(f"'{name}': the column '{cell}' appears twice. Rename or remove one.")
    return header
