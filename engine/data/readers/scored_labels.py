"""Labels that a row lists with 1 and 0 ({"POS": 1.0, "NEG": 0.0}, as spaCy has them), as labels."""

from __future__ import annotations

from itertools import chain, islice
from typing import Any

from engine.data.columns.cells import decode_cell
from engine.data.readers.table import BadRow, FileRows, HeldOutRow, peek_row

# Columns of that form which hold labels by their name; others are asked about.
SCORED_COLUMNS = (
    "cats", "categories", "labels", "label", "classes", "class", "tags", "topics", "intents",
    "emotions",
)  # fmt: skip
SCORED_ROWS_PEEKED = 1000  # rows looked at to tell whether one may have several labels


def name_scored_labels(rows: FileRows, notes: list[str]) -> FileRows:
    """Yield the rows; what scores its labels with 1 and 0 has those with 1 as "label".

    It is a list in every row where one of the first rows has several.
    """
    first, rows = peek_row(rows)
    named = (key for key in first or {} if key.strip().lower() in SCORED_COLUMNS)
    column = next((key for key in named if _scored(first, key) is not None), "")
    if first is None or not column:
        yield from rows
        return
    peeked = list(islice(rows, SCORED_ROWS_PEEKED))
    several = any(len(_scored(row, column) or ()) > 1 for row in peeked)
    target = column if "label" in first else "label"
    which = "labels of a row are those" if several else "label of a row is the one"
    notes.append(f"The {which} that '{column}' scores with 1.")
    for row in chain(peeked, rows):
        found = _scored(row, column)
        if isinstance(row, BadRow) or found is None:
            yield row
            continue
        made = {key: value for key, value in row.items() if key != column}
        one = found[0] if len(found) == 1 else found
        made[target] = found if several else one
        yield HeldOutRow(made) if isinstance(row, HeldOutRow) else made


def _scored(row: Any, column: str) -> list[str] | None:
    """The names with 1 in an object of 1 and 0; None where a column holds anything else."""
    value = decode_cell(row.get(column)) if isinstance(row, dict) else None
    if not isinstance(value, dict) or len(value) < 2:
        return None
    numbers = all(isinstance(one, int | float) and one in (0, 1) for one in value.values())
    return [str(name) for name, one in value.items() if one] if numbers else None
