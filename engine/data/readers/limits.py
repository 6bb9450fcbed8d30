"""What no row may hold in any format: binary data, broken characters, deep nesting, megabytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.data.readers.table import DEPTH_LIMIT, ROW_LIMIT, TOO_LARGE
from engine.data.rows import Row

BROKEN = re.compile("[\0\ud800-\udfff]")


def row_problem(row: Row) -> str:
    """What is wrong with a row, as the end of a sentence; empty where nothing is."""
    size = 0
    for text, depth in _texts_with_depth(row):
        if depth > DEPTH_LIMIT:
            return (
                f"is nested too deeply (the limit is {DEPTH_LIMIT} levels). "
                "Put its values higher up."
            )
        if found := BROKEN.search(text):
            return _broken_character(found[0])
        size += len(text)
    return TOO_LARGE if size > ROW_LIMIT else ""


def _broken_character(character: str) -> str:
    if character == "\0":
        return "contains binary data (a NUL character). Remove it."
    # surrogateescape turns a byte that is not UTF-8 into one of these.
    if "\udc80" <= character <= "\udcff":
        return (
            "has bytes that are not UTF-8. Save it again with the encoding UTF-8, or leave it out."
        )
    return "has a broken character (half of a surrogate pair). Correct it."


def _texts_with_depth(value: Any) -> Iterator[tuple[str, int]]:
    """Yield every text in a row with its depth.

    A stack rather than recursion, since depth is what is checked.
    """
    stack: list[tuple[Any, int]] = [(value, 0)]
    while stack:
        one, depth = stack.pop()
        if isinstance(one, str):
            yield one, depth
        elif depth > DEPTH_LIMIT:
            yield "", depth
        elif isinstance(one, dict):
            stack += [(inner, depth + 1) for pair in one.items() for inner in pair]
        elif isinstance(one, list):
            stack += [(inner, depth + 1) for inner in one]
