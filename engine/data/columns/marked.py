"""Columns that say of each answer whether it is good."""

from __future__ import annotations

from collections.abc import Mapping

from engine.data import column_names as known
from engine.data.columns.marks import (
    MOOD_WORDS,
    are_marks,
    is_against,
    is_verdict_name,
    judges,
    words_of,
)
from engine.data.columns.table import Columns
from engine.data.schema import Schema
from engine.spec.run import Shape


def add_mark(table: Columns, found: Schema, roles: Mapping[str, str] | None = None) -> Schema:
    """The schema as feedback, where a column marks its answers; asked where it only may do so.

    ``roles`` are those of feedback, where they are not the schema's own.
    """
    mark, sure = find_mark(table, found)
    if not mark:
        return found
    reason = f"{found.reason} '{mark}' says whether the answer is good."
    marked = Schema(Shape.FEEDBACK, reason, {**(roles or found.roles), "mark": mark})
    if sure and found.certain:
        return marked
    words = f"{found.reason} All answers are learned as good ones; '{mark}' is not used."
    return marked._replace(reason=f"{reason} Is that right?").or_else(found._replace(reason=words))


def find_mark(table: Columns, found: Schema) -> tuple[str, bool]:
    """The column that marks the answers, and whether that is sure; empty where there is none."""
    rest = [column for column in table.columns if column not in found.roles.values()]
    marks = [one for one in rest if are_marks(table.values(one)) and not is_against(one)]
    named = [table.names[name] for name in known.MARK_COLUMNS if name in table.names]
    for column in named:
        if column in marks:
            return column, not words_of(table.values(column)) <= MOOD_WORDS
    for column in marks:
        words = words_of(table.values(column))
        if len(words) > 1 and (is_verdict_name(column) or judges(table.values(column))):
            return column, False
    return "", False
