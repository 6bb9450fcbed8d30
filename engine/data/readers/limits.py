"""What no row may hold, whatever its format: binary data, broken characters, endless nesting, megabytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.data.readers.table import DEPTH_LIMIT, ROW_LIMIT, TOO_LARGE, Row

BROKEN = re.compile("[\0\ud800-\udfff]")


def problem_of(row: Row) -> str:
    """What is wrong with a row as the end of a sentence, or nothing."""
    size = 0
    for text, depth in _texts(row):
        if depth > DEPTH_LIMIT:
            return f"is nested too deeply (the limit is {DEPTH_LIMIT} levels). Put its values higher up."
        if found := BROKEN.search(text):
            if found[0] == "\0":
                return "contains binary data (a NUL character). Remove it."
            if (
                "\udc80" <= found[0] <= "\udcff"
            ):  # what surrogateescape makes of a byte that is not UTF-8
                return "has bytes that are not UTF-8. Save it again with the encoding UTF-8, or leave it out."
            return "has a broken character (half of a surrogate pair). Correct it."
        size += len(text)
    return TOO_LARGE if size > ROW_LIMIT else ""


def _texts(value: Any) -> Iterator[tuple[str, int]]:
    """Every text in a row with its depth; a stack rather than recursion, since depth is what is checked."""
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
