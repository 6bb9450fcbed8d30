"""The readings of a file between which the user has to choose, each with a row as it gives it."""

from __future__ import annotations

from itertools import islice
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
    shown: list[tuple[int, Row]] = [(0, {})] * len(schemas)
    for raw, number, _ in islice(dataset.read_rows().items(), ROWS_TRIED):
        made = [(number, _read_row(raw, one, dataset.labels)) for one in schemas]
        if all(row for _, row in made):
            shown = made
            break
        shown = [old if old[1] else new for old, new in zip(shown, made, strict=True)]
    return [
        Reading(shape=one.shape, roles=one.roles, title=_title(one), row=row,
                number=number if row else 0)
        for one, (number, row) in zip(schemas, shown, strict=True)
    ]  # fmt: skip


def _read_row(raw: Row, schema: Schema, class_names: dict[str, str]) -> Row:
    """The first normal row of a row; empty where it cannot be read so."""
    try:
        return next(iter(normalize_row(raw, schema, class_names)), {})
    except DataError:
        return {}


def _title(schema: Schema) -> str:
    """What is learned, and which column is which, in the words of the page."""
    parts = (f"{ROLES[schema.shape][role]} = '{path}'" for role, path in schema.roles.items())
    return f"{SHAPE_TASKS[schema.shape].split(':')[0]}: {', '.join(parts)}"
