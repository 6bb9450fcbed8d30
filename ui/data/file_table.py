"""The first rows of a dataset as its file has them: a table, and a sample of each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from engine.data.columns.cells import is_blank
from engine.data.columns.paths import read_path, root_column
from engine.data.datasets import Dataset
from engine.data.rows import Row
from engine.text import count_of
from ui.text import escape_html

ROWS_SHOWN, ROWS_TRIED, COLUMNS_SHOWN = 3, 50, 8
CELL_LETTERS, SAMPLE_LETTERS = 140, 36
NumberedRow = tuple[Row, int]


def first_rows(dataset: Dataset) -> list[NumberedRow]:
    """The first rows as the file has them, without those that hold nothing."""
    raw = islice(dataset.read_rows().items(), ROWS_TRIED)
    filled = ((row, at) for row, at, _ in raw if not all(map(is_blank, row.values())))
    return list(islice(filled, ROWS_SHOWN))


def file_table(
    all_columns: Sequence[str], rows: Sequence[NumberedRow], parts: Mapping[str, str]
) -> str:
    """The first rows of a file as a table; ``parts`` are what its columns are used for."""
    used: dict[str, list[str]] = {}
    for part, path in parts.items():
        used.setdefault(root_column(path, all_columns), []).append(part)
    # Those in use first where not all can be shown.
    first = sorted(all_columns, key=lambda one: one not in used)[:COLUMNS_SHOWN]
    columns = [column for column in all_columns if column in first]
    head = "".join(_head_cell(column, used.get(column, [])) for column in columns)
    body = "".join(f"<tr>{_cells(row, columns, used)}</tr>" for row, _ in rows)
    more = len(all_columns) - len(columns)
    rest = f"<small>and {count_of(more, 'more column')}</small>" if more else ""
    inner = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    shown = f'<table class="plain file-rows">{inner}</table>'
    return f'<div class="scroll" tabindex="0">{shown}</div>{rest}'


def _head_cell(column: str, parts: Sequence[str]) -> str:
    chips = "".join(f'<span class="file-part">{escape_html(one)}</span>' for one in parts)
    return (
        f'<th scope="col" data-used="{str(bool(parts)).lower()}">{escape_html(column)}{chips}</th>'
    )


def _cells(row: Row, columns: Sequence[str], used: Mapping[str, Any]) -> str:
    return "".join(
        f'<td data-used="{str(column in used).lower()}">'
        f"{escape_html(_short(row.get(column), CELL_LETTERS))}</td>"
        for column in columns
    )


def _short(value: Any, letters: int) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= letters else f"{text[:letters].rstrip()}…"


def with_sample(name: str, rows: Sequence[NumberedRow]) -> str:
    """A column's name with the first value that is not empty."""
    found = (read_path(row, name) for row, _ in rows)
    value = next((_short(one, SAMPLE_LETTERS) for one in found if not is_blank(one)), "")
    return f"{name}: {value}" if value else name
