"""A table as its schema is inferred from it: its columns and some of its rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from engine.data.columns import names as known
from engine.data.columns.cells import decode_cell, is_blank
from engine.data.columns.contents import are_own_texts
from engine.data.columns.paths import ROWS_SEARCHED, nested_paths, read_path
from engine.data.rows import Row
from engine.data.turns.fields import as_list, holds_turns, list_field, role_name

STEPS_INSIDE = 5
PRINTED_OBJECT = re.compile(r"\{'\w+': array\(")  # as pandas writes an object with lists


@dataclass(frozen=True)
class Columns:
    """A table's columns, or paths to what lies in them, and some of its rows."""

    names: Mapping[str, str]  # in lower case -> column or path, as the table writes it
    rows: Sequence[Row]

    @classmethod
    def of(cls, columns: Sequence[str], rows: Sequence[Row]) -> Columns:
        """The columns by their own names."""
        names: dict[str, str] = {}
        for column in columns:
            names.setdefault(column.strip().lower(), column)
        return cls(names, rows)

    def with_nested(self) -> Columns:
        """Also what lies in objects, by the last name of its path, where no column has the name."""
        names = dict(self.names)
        for path in self.nested:
            names.setdefault(path.rsplit(".", 1)[-1].lower(), path)
        return Columns(names, self.rows)

    @cached_property
    def nested(self) -> list[str]:
        """Paths to texts, numbers and conversations in objects, but to nothing in a list."""
        return [path for path in self.nested_everywhere if "[" not in path]

    @cached_property
    def nested_everywhere(self) -> list[str]:
        """Paths to texts, numbers and conversations in objects and at the beginning of lists."""
        paths = nested_paths(self.rows)
        return [path for path in paths if self.texts(path) or self.holds_turns(path)]

    @property
    def columns(self) -> list[str]:
        return list(self.names.values())

    def first(self, names: Sequence[str], *taken: str) -> str:
        """The first of these columns that the table has and that is not taken; else empty."""
        found = (self.names[name] for name in names if name in self.names)
        return next((column for column in found if column not in taken), "")

    def has(self, *names: str) -> bool:
        return set(names) <= set(self.names)

    def values(self, column: str) -> Iterator[Any]:
        return (read_path(row, column) for row in self.rows)

    def filled(self, column: str) -> list[Any]:
        """The values of a column, decoded, without empty ones."""
        found = (decode_cell(value) for value in self.values(column))
        return [value for value in found if not is_blank(value)]

    def texts(self, column: str) -> list[str]:
        """Its texts and whole numbers, as text."""
        return [str(value) for value in self.values(column) if isinstance(value, str | int)]

    def is_list(self, column: str) -> bool:
        """Whether one of its values at least is a list, or a text that holds one as JSON."""
        return any(isinstance(value, list) for value in self.filled(column))

    def holds_turns(self, column: str) -> bool:
        """Whether nearly all its values are conversations with known speakers."""
        values = [as_list(value) for value in self.filled(column)]
        return bool(values) and sum(map(holds_turns, values)) > 0.8 * len(values)

    def inside(self, column: str) -> str:
        """The column, or the path to the text or the conversation in its objects and lists."""
        if not column:
            return ""
        # Not decoded, but for pandas' objects: a list that an answer holds as text is what is said.
        values = (decode_cell(value) if PRINTED_OBJECT.match(str(value)) else value
                  for value in self.values(column) if not is_blank(value))  # fmt: skip
        ways = (_way_inside(column, value) for value in islice(values, ROWS_SEARCHED))
        found = Counter(way for way in ways if way)
        return found.most_common(1)[0][0] if found else column

    def second_answer(self, answer: str) -> str:
        """The path to another answer in the list from which the first is taken; empty if none."""
        column, _, rest = answer.partition("[0]")
        if column == answer:
            return ""
        second = f"{column}[1]{rest}"
        values, texts = self.filled(second), self.texts(second)
        full = len(values) > 0.8 * len(self.filled(answer))
        return second if full and (are_own_texts(texts) or not texts) else ""

    def lies_within(self, column: str, other: str) -> bool:
        """Whether the texts of a column stand in those of another one, in nearly all rows."""
        pairs = zip(self.values(column), self.values(other), strict=True)
        texts = [pair for pair in pairs if all(isinstance(one, str) for one in pair)]
        filled = [(one.strip(), whole) for one, whole in texts if not is_blank(one)]
        return bool(filled) and sum(one in whole for one, whole in filled) > 0.8 * len(filled)

    def input_column(self, prompt: str, *taken: str) -> str:
        """The column with an instruction's input, unless the prompt holds it already."""
        used = {root for path in (prompt, *taken) for root in (path, re.split(r"[.\[]", path)[0])}
        column = self.inside(self.first(known.INPUT_COLUMNS, *used))
        return "" if column and self.lies_within(column, prompt) else column

    def history_column(self, *taken: str) -> str:
        """The column with earlier turns: by its name, or a context that is a conversation."""
        named = (column for name, column in self.names.items()
                 if known.HISTORY_WORDS.intersection(re.split(r"[\W_]+", name)))  # fmt: skip
        turns = (one for one in named if one not in taken and self.holds_turns(one))
        return self.first(known.HISTORY_COLUMNS, *taken) or next(turns, "")

    def system_role(self) -> dict[str, str]:
        column = self.first(known.SYSTEM_COLUMNS)
        return {"system": column} if column else {}


def _way_inside(column: str, value: Any) -> str:
    """The path from a column to the text or the conversation in its value; empty if there is none.

    Of a list it is the first.
    """
    path = column
    for _ in range(STEPS_INSIDE):
        if isinstance(value, list) and not holds_turns(value):
            path, value = f"{path}[0]", value[0] if value else None
        elif isinstance(value, dict) and (field := _inner_field(value)):
            path, value = f"{path}.{field}", value[field]
        else:
            # An object without such a field is a turn, or nothing that can be read.
            unknown = isinstance(value, dict) and not (
                role_name(value) or holds_turns(as_list(value))
            )
            return column if unknown else path
        if is_blank(value):
            return ""
    return column


def _inner_field(value: Row) -> str:
    """The field of an object in which its conversation or its text lies; empty where it is none."""
    if (field := list_field(value)) or holds_turns(as_list(value)):
        return field
    if role_name(value):
        return "content" if isinstance(value.get("content"), str) else ""
    found = next((name for name in known.INNER_FIELDS if name in value), "")
    return found or (str(next(iter(value))) if len(value) == 1 else "")
