"""What a field of a row holds: nothing, a text, or a list that a table's cell has as text."""

from __future__ import annotations

import ast
import json
import warnings
from typing import Any

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"  # zero-width characters, which str.strip leaves
JSON_CELL, PYTHON_CELL = 5_000_000, 200_000  # characters that are read as a list at most
UNREADABLE = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError)


def is_blank(value: Any) -> bool:
    """Whether a field holds nothing: None, or a text without a visible character."""
    if isinstance(value, str):
        return not value.strip().strip(INVISIBLE).strip()
    return value is None


def decode_cell(value: Any) -> Any:
    """The list or object that a text holds as JSON, or as pandas writes it; else the value."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text[:1] + text[-1:] not in ("[]", "{}") or len(text) > JSON_CELL:
        return value
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) > PYTHON_CELL:
        return value
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in the user's text
            found = ast.literal_eval(text)
        # As JSON has it: tuples as lists, and keys as texts.
        return json.loads(json.dumps(found)) if isinstance(found, list | dict) else value
    except UNREADABLE:
        return value
