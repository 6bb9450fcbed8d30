"""What a field of a row holds: nothing, a text, or a list that a table's cell has as text."""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any

# Letters that nobody sees and str.strip leaves: of no width, marks of direction, fillers.
UNSEEN_LETTERS = "\u200b\u200c\u200d\u200e\u200f\u2060\u2800\u3164\ufeff"
JSON_CELL, PYTHON_CELL = 5_000_000, 200_000  # characters that are read as a list at most
LIST_BEGINS = re.compile(r"[\[{]|array\(|\(['\"\[{]")
# An item of a list, and blanks between it and the next: numpy writes no commas there.
ITEM = re.compile(
    r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\]})]|[\w.+-]+)(\s+(?=['"\[{\w.+-]))?""", re.DOTALL
)


def is_blank(value: Any) -> bool:
    """Whether a field holds nothing: None, an empty list, or a text without a visible letter."""
    if isinstance(value, str):
        return not value.strip().strip(UNSEEN_LETTERS).strip()
    return value is None or value in ([], {})


def decode_cell(value: Any) -> Any:
    """The list or object that a text holds as JSON, or as pandas writes it; else the value."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not LIST_BEGINS.match(text) or text[-1] not in "])}" or len(text) > JSON_CELL:
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
            found = ast.literal_eval(_PlainLists().visit(_parse_list(text)))
        # As JSON has it: keys as texts.
        return json.loads(json.dumps(found)) if isinstance(found, list | dict) else value
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return value


def _parse_list(text: str) -> ast.expr:
    parted = ITEM.sub(lambda item: f"{item[1]}, " if item[2] else item[1], text)
    return ast.parse(parted, mode="eval").body


class _PlainLists(ast.NodeTransformer):
    """Makes lists of sets, of tuples and of numpy's arrays."""

    def visit_Set(self, node: ast.Set | ast.Tuple) -> ast.AST:
        return self.generic_visit(ast.List(node.elts, ast.Load()))

    visit_Tuple = visit_Set

    def visit_Call(self, node: ast.Call) -> ast.AST:
        is_array = isinstance(node.func, ast.Name) and node.func.id == "array"
        return self.visit(node.args[0]) if is_array and node.args else node
