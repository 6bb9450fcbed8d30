"""Paths to what lies nested in a row: "answers.text[0]", "response.content".

A path serves wherever a column does; a column of that very name comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine.data.columns.cells import decode_cell
from engine.data.rows import Row
from engine.data.turns.fields import holds_turns

STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d{1,4})\]")
DEEPEST_PATH = 5  # steps of a path that is offered
MOST_PATHS = 60
ROWS_SEARCHED = 50


def read_path(row: Row, path: str) -> Any:
    """The value of a column or of a path; None where the row has none."""
    if path in row or not path:
        return row.get(path)
    root = root_column(path, row)
    value = row.get(root)
    for step in STEP.finditer(path, len(root)):
        value = _take_step(decode_cell(value), step)
    return value


def root_column(path: str, columns: Iterable[str]) -> str:
    """The column in which a path begins; empty where there is none."""
    roots = (one for one in columns if path == one or path.startswith((f"{one}.", f"{one}[")))
    return max(roots, key=len, default="")


def _take_step(value: Any, step: re.Match[str]) -> Any:
    name, place = step[1], step[2]
    if name is not None:
        return value.get(name) if isinstance(value, dict) else None
    at = int(place)
    return value[at] if isinstance(value, list) and at < len(value) else None


def nested_paths(rows: Sequence[Row]) -> list[str]:
    """Paths to the texts, numbers and conversations below the columns, as they are met."""
    found: dict[str, None] = {}
    for row in rows[:ROWS_SEARCHED]:
        for column, value in row.items():
            for path in _paths_below(str(column), value, DEEPEST_PATH):
                if len(found) >= MOST_PATHS:
                    return list(found)
                found[path] = None
    return list(found)


def _paths_below(path: str, value: Any, depth: int) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(value, dict):
        below = [(f"{path}.{key}", one) for key, one in value.items() if STEP.fullmatch(str(key))]
    elif isinstance(value, list) and value and not holds_turns(value):
        below = [(f"{path}[0]", value[0])]
    else:
        return
    for inner, one in below:
        if not isinstance(one, dict):
            yield inner
        yield from _paths_below(inner, one, depth - 1)
