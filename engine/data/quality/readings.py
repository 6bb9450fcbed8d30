"""The readings of a file between which the user has to choose, each with a row as it gives it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from engine.data.datasets import Dataset
from engine.data.normalize import normalize_row
from engine.data.rows import Row
from engine.data.schema import ROLES, SHAPE_TASKS, Schema
from engine.errors import DataError
from engine.spec.run import Shape

ROWS_TRIED = 50


class Reading(BaseModel):
    """One way to read a file: its columns, what would be learned, and the first row so read."""

    model_config = ConfigDict(frozen=True)
    shape: Shape
    roles: dict[str, str]
    title: str
    row: dict[str, Any] = {}  # a normal row; empty where no row can be read so
    number: int = 0  # of the row in the user's data


def list_readings(schema: Schema, dataset: Dataset) -> list[Reading]:
    """The readings of an uncertain schema: of the same row, where both can read one."""
    schemas = [schema, *([schema.alternative] if schema.alternative else [])]
    shown: list[tuple[int, Row] | None] = [None] * len(schemas)
    for raw, number in _first_rows(dataset):
        made = [_read_row(raw, one, dataset.labels) for one in schemas]
        if all(made):
            shown = [(number, row) for row in made if row]
            break
        shown = [old or ((number, row) if row else None)
                 for old, row in zip(shown, made, strict=True)]  # fmt: skip
    return [_make_reading(one, found) for one, found in zip(schemas, shown, strict=True)]


def _first_rows(dataset: Dataset) -> Iterable[tuple[Row, int]]:
    for count, (row, number, _) in enumerate(dataset.read_rows().items()):
        if count == ROWS_TRIED:
            return
        yield row, number


def _read_row(raw: Row, schema: Schema, class_names: dict[str, str]) -> Row | None:
    try:
        return normalize_row(raw, schema, class_names)[0]
    except DataError:
        return None


def _make_reading(schema: Schema, found: tuple[int, Row] | None) -> Reading:
    number, row = found or (0, {})
    title = f"{SHAPE_TASKS[schema.shape].split(':')[0]}: {describe_roles(schema)}"
    return Reading(shape=schema.shape, roles=schema.roles, title=title, row=row, number=number)


def describe_roles(schema: Schema) -> str:
    """Which column is which, in the words of the page."""
    parts = (f"{ROLES[schema.shape][role]} = '{path}'" for role, path in schema.roles.items())
    return ", ".join(parts)
