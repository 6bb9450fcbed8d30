"""A table as its schema is inferred from it: its columns and some of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.data import column_names as known
from engine.data.columns.cells import decode_cell, is_blank
from engine.data.columns.paths import nested_paths, read_path
from engine.data.rows import Row
from engine.data.turns.fields import holds_turns, role_name

STEPS_INSIDE = 5


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
        for path in nested_paths(self.rows):
            if not path.endswith("]"):
                names.setdefault(path.rsplit(".", 1)[-1].lower(), path)
        return Columns(names, self.rows)

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
        return [value for value in found if not is_blank(value) and value not in ([], {})]

    def texts(self, column: str) -> list[str]:
        """Its texts and whole numbers, as text."""
        return [str(value) for value in self.values(column) if isinstance(value, str | int)]

    def is_list(self, column: str) -> bool:
        """Whether one of its values at least is a list, or a text that holds one as JSON."""
        return any(isinstance(value, list) for value in self.filled(column))

    def holds_turns(self, column: str) -> bool:
        """Whether nearly all its values are conversations with known speakers."""
        values = self.filled(column)
        return bool(values) and sum(map(holds_turns, values)) > 0.8 * len(values)

    def inside(self, column: str) -> str:
        """The column, or the path to the text or the conversation in its objects and lists."""
        path, value = column, next(iter(self.filled(column)), None) if column else None
        for _ in range(STEPS_INSIDE):
            if isinstance(value, dict) and not role_name(value):
                field = next((name for name in known.INNER_FIELDS if name in value), "")
                if not field and len(value) == 1:
                    field = str(next(iter(value)))
                if not field:
                    return column
                path, value = f"{path}.{field}", decode_cell(value[field])
            elif isinstance(value, dict) and isinstance(value.get("content"), str):
                return f"{path}.content"
            elif isinstance(value, list) and value and not holds_turns(value):
                path, value = f"{path}[0]", decode_cell(value[0])
            else:
                return path
        return column

    def system_role(self) -> dict[str, str]:
        column = self.first(known.SYSTEM_COLUMNS)
        return {"system": column} if column else {}
