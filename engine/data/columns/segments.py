"""Rows of text in parts, each with whether it is learned (axolotl's template-free "segments")."""

from __future__ import annotations

from typing import Any

from engine.data.columns.table import Columns
from engine.data.schema import Schema
from engine.errors import DataError
from engine.spec.run import Shape


def find_segments(name: str, table: Columns) -> Schema | None:
    """A part that is read and one that is learned; DataError where a row has other parts."""
    column = next((one for one in table.columns if _holds_segments(table.filled(one))), "")
    if not column:
        return None
    if any(_learned(value) != [False, True] for value in table.filled(column)):
        raise DataError(
            f"'{name}': '{column}' holds texts in parts, of which some are learned and others not "
            "(axolotl's segments). Hone learns answers: put what is asked into 'prompt' and what "
            "is learned into 'completion', without the marks of a chat format; or the turns of a "
            "conversation into 'messages', with \"train\": false in those that are not learned."
        )
    reason = (
        f"Every row of '{column}' has a part that is read and one that is learned. They are taken "
        "as the question and the answer, in the chat format of the model. Is that right?"
    )
    roles = {"prompt": f"{column}[0].text", "completion": f"{column}[1].text"}
    return Schema(Shape.COMPLETION, reason, roles, certain=False)


def _holds_segments(values: list[Any]) -> bool:
    return bool(values) and all(
        isinstance(value, list)
        and all(
            isinstance(one, dict)
            and isinstance(one.get("text"), str)
            and isinstance(one.get("label"), bool)
            for one in value
        )
        for value in values
    )


def _learned(segments: list[dict[str, Any]]) -> list[bool]:
    return [one["label"] for one in segments]
