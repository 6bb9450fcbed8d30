"""Where a table's header is and what its columns are called, judged from many of its rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from engine.data.readers.table import (
    Cells,
    Layout,
    ReadOptions,
    check_unique,
    require_few_columns,
)
from engine.text import count_of

HEADER_ROWS = 200  # rows looked at
MOST_ABOVE = 20  # rows that may stand above the header
SURE_ROWS, SURE_SHARE = 4, 0.9  # rows, and their share, that show a header to be too short
WORD_END = re.compile(r"[\W_]+")
COLUMN_NAMES = re.compile(
    r"text|label|prompt|completion|response|question|answer|instruction|input|output|context|query"
    r"|sentence|review|content|category|class|sentiment|chosen|rejected|messages|title|description"
    r"|id|name|system|source|target|message|body|summary|document|topic|score|rating|intent|data"
    r"|date|timestamp|tag|type|lang|language|comment|split|url"
)
COMMENT = re.compile(r"(#|//|%)\s")
NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")


def read_layout(rows: Sequence[Cells], options: ReadOptions, name: str, notes: list[str]) -> Layout:
    """Find the header of a table among its first rows; DataError where its names cannot be used.

    Whatever is passed over or left out is noted.
    """
    require_few_columns(max(map(len, rows)), name)
    top = _table_start(rows)
    if passed := [" ".join(filter(None, map(str.strip, row)))[:60] for row in rows[:top]]:
        where = "above the header" if options.header is not False else "at the top"
        notes.append(f"Skipped {where}: {', '.join(f'“{text}”' for text in passed)}.")
    table = rows[top:]
    headed = has_header(table) if options.header is None else options.header
    body = table[1:] if headed else table
    header = [" ".join(cell.strip("\ufeff").split()) for cell in table[0]] if headed else []
    width = _table_width(header, body)
    header = _fit_header(header, width, body, notes) if headed else [""] * width
    columns: list[str | None] = [title or f"column {at + 1}" for at, title in enumerate(header)]
    nameless = [at for at in range(width) if not header[at]]
    left_out = [at for at in nameless if body and not _has_value(body, at)]
    counting = next((at for at in nameless if headed and _counts(body, at)), None)
    for at in [*left_out, *([] if counting is None else [counting])]:
        columns[at] = None
    if left_out:
        count = count_of(len(left_out), "column")
        notes.append(f"Left out: {count} without a name and without values.")
    if counting is not None:
        notes.append(f"Column {counting + 1} has no name and only numbers the rows: left out.")
    if headed:
        if called := [str(columns[at]) for at in nameless if columns[at] is not None]:
            names = ", ".join(map(repr, called[:20]))
            notes.append(f"The header does not name every column; called so: {names}.")
        check_unique([one for one in columns if one is not None], name)
    elif options.header is None:
        notes.append(
            "The first row looks like an example, so the columns are called column 1, column 2 …"
        )
    return Layout(top + headed, headed, columns, counting)


def _table_start(rows: Sequence[Cells]) -> int:
    """The row with which the table begins: behind titles, comments and empty rows."""
    usual = Counter(filter(None, map(_filled, rows))).most_common(1)
    if len(rows) < 3 or not usual or (width := usual[0][0]) < 2:
        return 0
    top = 0
    while top < min(MOST_ABOVE, len(rows) - 2) and _is_title(rows, top, width):
        top += 1
    full = top > 0 and len(rows[top - 1]) >= len(rows[top])
    if full and not (has_header(rows[top:]) and _stands_out(rows[top], rows[top + 1 :])):
        top = 0  # rows without a header, of which the first has empty cells
    return top + _parted_titles(rows[top:])


def _is_title(rows: Sequence[Cells], at: int, usual: int) -> bool:
    """Whether a row is a comment, or has much fewer cells than rows usually have."""
    filled = _filled(rows[at])
    if COMMENT.match(rows[at][0].strip() if rows[at] else "") and _filled(rows[at + 1]) >= 2:
        return True
    few = filled <= 1 or filled <= (usual - 1) // 2
    width = max(map(len, rows[at : at + 3]))
    return few and not _names_what_is_below([*rows[at], *[""] * width][:width], rows[at:])


def _stands_out(header: Cells, body: Sequence[Cells]) -> bool:
    """Whether names are unlike what is below them: known ones, or much shorter."""
    lengths = [[len(row[at]) for row in body if at < len(row)] for at in range(len(header))]
    longer = (2 * sum(found) > 3 * len(found) * len(cell) > 0
              for cell, found in zip(header, lengths, strict=True))  # fmt: skip
    return _names_columns(header) or any(longer)


def _parted_titles(rows: Sequence[Cells]) -> int:
    """How many rows of titles have separators in them, and so several cells like the header."""
    for at in range(1, min(MOST_ABOVE, len(rows) - 1)):
        # Known names, under rows that are none: "Created:,2024-05-01".
        if _names_columns(rows[at]) and not any(map(_names_columns, rows[:at])):
            below = _names_columns(rows[at + 1])
            fits = _filled(rows[at]) >= max(map(_filled, rows[:at]))
            # Names with gaps between them are those of groups of columns.
            gaps = any(_filled(row) < _filled(rows[at]) for row in rows[:at])
            titles = gaps or not all(map(_names_only, rows[:at]))
            return at if fits and titles and not below else 0
    return int(_is_parted_title(rows))


def _names_only(row: Cells) -> bool:
    return all(_is_name(cell) for cell in row if cell.strip())


def _is_parted_title(rows: Sequence[Cells]) -> bool:
    """Whether the first row is a title and the second stands out as the names of columns."""
    if len(rows) < 3 or _names_only(rows[0]):
        return False
    first, header, below = map(_names_columns, rows[:3])
    if len(rows[0]) != len(rows[1]) == len(rows[2]):
        header = header or (all(map(_is_name, rows[1])) and _stands_out(rows[1], rows[2:]))
    return header and not first and not below


def _is_name(cell: str) -> bool:
    return cell.strip().isidentifier()


def _names_columns(row: Cells) -> bool:
    """Whether a row holds names only, half of which columns usually have."""
    cells = [cell.strip() for cell in row if cell.strip()]
    known = sum(map(_is_known, cells))
    return bool(cells) and all(map(_is_name, cells)) and 2 * known >= len(cells)


def _is_known(name: str) -> bool:
    """Whether one of the words of a name is one that columns usually have."""
    return any(map(COLUMN_NAMES.fullmatch, WORD_END.split(name.lower())))


def _filled(row: Cells) -> int:
    return sum(bool(cell.strip()) for cell in row)


def _table_width(header: Cells, body: Sequence[Cells]) -> int:
    """How many columns there are: as many as the header has, unless nearly all rows say another."""
    if not body:
        return len(header)
    widths = Counter(map(len, body))
    usual, times = widths.most_common(1)[0]
    sure = len(body) >= SURE_ROWS and times >= SURE_SHARE * len(body)
    if not header or (usual > len(header) and sure):
        return usual
    if usual < len(header) and max(widths) == usual and (sure or not any(header[usual:])):
        return usual
    return len(header)


def _fit_header(header: Cells, width: int, body: Sequence[Cells], notes: list[str]) -> Cells:
    """The header with as many names as there are columns."""
    if surplus := [title for title in header[width:] if title]:
        notes.append(
            f"The header names {len(header)} columns, the rows have {width}: "
            f"{', '.join(map(repr, surplus))} left out."
        )
    missing = width - len(header)
    if missing == 1 and _counts(body, 0):  # as R writes a table with the names of its rows
        return ["", *header]
    return [*header[:width], *([""] * missing)]


def _counts(body: Sequence[Cells], at: int) -> bool:
    """Whether a column only numbers the rows: 0, 1, 2 … or 1, 2, 3 …"""
    cells = [row[at].strip() for row in body if at < len(row)]
    if len(cells) < 2 or not all(cell.isascii() and cell.isdigit() for cell in cells):
        return False
    first = int(cells[0])
    return first in (0, 1) and cells == [str(first + n) for n in range(len(cells))]


def has_header(rows: Sequence[Cells]) -> bool:
    """Whether the first row names columns rather than being an example itself."""
    first = [cell.strip("\ufeff ") for cell in rows[0]]
    if any(_is_name(cell) and _is_known(cell) for cell in first):
        return True
    if len(first) == 1:  # a list of texts, unless one small word stands above numbers or sentences
        others = [row[0].strip() for row in rows[1:] if row]
        small_word = first[0].isidentifier() and first[0].islower()
        return small_word and all(" " in one or one.isdigit() for one in others)
    if len(rows) < 2:
        return True
    named = [cell for cell in first if cell]
    unlike = (len(one) > 60 or len(one.split()) > 6 or NUMBER.fullmatch(one) for one in named)
    if not named or any(unlike) or not _names_what_is_below(first, rows):
        return False
    # A cell that comes again in its own column is a value ("ham"), not a name.
    return not any(
        cell in {row[at].strip() for row in rows[1:] if at < len(row)}
        for at, cell in enumerate(first) if cell
    )  # fmt: skip


def _names_what_is_below(first: Cells, rows: Sequence[Cells]) -> bool:
    """Whether only columns that are empty or count the rows have no name."""
    unnamed = [at for at, cell in enumerate(first) if not cell]
    return all(_counts(rows[1:], at) or not _has_value(rows[1:], at) for at in unnamed)


def _has_value(rows: Sequence[Cells], at: int) -> bool:
    return any(at < len(row) and row[at].strip() for row in rows)
