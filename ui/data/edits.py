"""Edits of rows that are not saved yet."""

from __future__ import annotations

from typing import Any

from engine.data import edit
from engine.data.prepared import Prepared
from engine.errors import DataError
from engine.text import count_of
from ui.text import line

# "changed": rows by their number as a string (None: deleted); "added": new rows.
Edits = dict[str, Any]
NO_EDITS: Edits = {"changed": {}, "added": []}
NEW_ROW = 0  # the number that adds a row


def current_row(prepared: Prepared, number: int, edits: Edits) -> dict[str, Any]:
    """A row with its edits, or an empty one to add; raises DataError where there is none."""
    if number == NEW_ROW:
        return edit.blank_row(prepared.train_rows()[0])
    changed = edits["changed"]
    if str(number) not in changed:
        row = edit.find_row(prepared, number)
        if row is None:
            raise DataError(f"There is no row {number:,} in use. The numbers are below the rows.")
        return row
    if changed[str(number)] is None:
        raise DataError(f"Row {number:,} is deleted. Press “Discard the changes” to restore it.")
    return changed[str(number)]  # type: ignore[no-any-return]


def describe_edits(edits: Edits) -> str:
    """What is changed and not saved yet."""
    deleted = sum(row is None for row in edits["changed"].values())
    parts = (
        ("changed", len(edits["changed"]) - deleted),
        ("deleted", deleted),
        ("added", len(edits["added"])),
    )
    words = ", ".join(f"{count_of(number, 'row')} {what}" for what, number in parts if number)
    return line(f"{words}. Not saved yet." if words else "Nothing is changed yet.")
