"""Rows changed by hand: what may be changed of a row, the new dataset that comes of it, and files of rows.

The original dataset stays; the new one names it as its parent.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from engine.data import datasets, ingest
from engine.data.normalize import as_table_row, normalize_row
from engine.data.prepare import Prepared
from engine.data.rows import HELD_OUT, TRAIN, row_to_json
from engine.data.schema import Schema
from engine.data.infer_schema import infer_schema
from engine.errors import DataError
from engine.spec.run import Shape
from engine.store.workspace import Store

Row = dict[str, Any]
EDITABLE_ROWS = 100_000  # rows; more are better edited in a program made for it
FORMULA_STARTS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
)  # a spreadsheet takes a cell that begins so for a formula (OWASP: CSV injection)
TURN_TITLES = {
    "system": "System",
    "user": "User",
    "assistant": "Assistant",
    "tool": "Tool's answer",
}


def editable_fields(row: Row) -> list[tuple[str, str]]:
    """What can be changed of a normal row, as (label, text)."""
    if "messages" in row:
        found = [(TURN_TITLES[turn["role"]], turn["content"]) for turn in row["messages"]]
    elif "text" in row:
        found = [("Text", row["text"])]
    else:
        found = [("Prompt", row["prompt"]), ("Answer", row["completion"])]
    return [*found, ("Worse answer", row["rejected"])] if "rejected" in row else found


def with_edited_fields(row: Row, texts: list[str]) -> Row:
    """The row with other texts, in the order of ``fields``; raises DataError where one is empty."""
    if len(texts) != len(editable_fields(row)):
        raise DataError("This row has changed meanwhile. Open it again.")
    made: Row = json.loads(row_to_json(row))
    if "rejected" in made:
        *texts, made["rejected"] = texts
    if "messages" in made:
        for turn, text in zip(made["messages"], texts, strict=True):
            turn["content"] = text
    elif "text" in made:
        made["text"] = texts[0]
    else:
        made["prompt"], made["completion"] = texts
    check_row(made)
    return made


def check_row(row: Row) -> None:
    """Raise DataError where a normal row would not be read back as it is."""
    shape = (
        Shape.PREFERENCE
        if "rejected" in row
        else Shape.CHAT
        if "messages" in row
        else Shape.COMPLETION
    )
    raw = as_table_row(row, Shape.TEXT if "text" in row else shape)
    found: Schema = infer_schema("This row", list(raw), [raw])
    try:
        normalize_row(raw, found)
    except DataError as error:
        raise DataError(f"This row cannot be kept: {error}") from None


def blank_row(row: Row) -> Row:
    """An empty row of the same form: one question and one answer, or one text."""
    more: Row = ({"rejected": ""} if "rejected" in row else {}) | (
        {"good": True} if "good" in row else {}
    )
    if "messages" in row:
        return {
            "messages": [{"role": role, "content": ""} for role in ("user", "assistant")]
        } | more
    return {key: "" for key in ("prompt", "completion", "text") if key in row} | more


def find_row(prepared: Prepared, number: int) -> Row | None:
    """The row with this number in the user's data, where it is among those that are used."""
    for rows in (prepared.train_rows(), prepared.held_out_rows()):
        at = rows.index_of(number)
        if at is not None:
            return rows[at]
    return None


def save_edits(
    store: Store, prepared: Prepared, changed: dict[int, Row | None], added: list[Row], source: str
) -> str:
    """The source of a new dataset: the used rows with these changes (None: deleted) and additions."""
    if prepared.train + prepared.held_out > EDITABLE_ROWS:
        raise DataError(
            f"Data of more than {EDITABLE_ROWS:,} rows cannot be changed here. Change the file and add it again."
        )
    parent = datasets.load_dataset(store, source)
    stem = parent.name.split(" (edit ")[0]
    names = {label for _, label in datasets.list_datasets(store)}
    number = next(
        n for n in range(1, 10_000) if not any(f"{stem} (edit {n})" in name for name in names)
    )
    counts = (
        len(changed) - sum(row is None for row in changed.values()),
        sum(row is None for row in changed.values()),
    )
    note = f"Edited from '{parent.name}': {counts[0]} changed, {counts[1]} deleted, {len(added)} added."
    fixed = parent.held_out > 0

    def rows() -> Iterator[tuple[Row, int]]:
        parts = (
            (prepared.train_rows(), TRAIN),
            (prepared.held_out_rows(), HELD_OUT if fixed else TRAIN),
        )
        seen: set[int] = set()
        for part, which in parts:
            for row, at, _ in part.items():
                # Where one row of the file holds several examples, the first is the one that was shown.
                new = changed.get(at, row) if at not in seen else row
                seen.add(at)
                if new is not None:
                    yield as_table_row(new, prepared.shape), which
        yield from ((as_table_row(row, prepared.shape), TRAIN) for row in added)

    return ingest.ingest_rows(
        store, f"{stem} (edit {number})", rows(), [note], parent=source, kind="jsonl"
    )


def rows_to_jsonl(rows: Iterable[Row], shape: Shape) -> str:
    """Rows as JSON lines, in the columns that are recognised again."""
    return "".join(row_to_json(as_table_row(row, shape)) + "\n" for row in rows)


def rows_to_csv(rows: Iterable[Row], shape: Shape) -> str:
    """Rows as CSV; a conversation is one cell of JSON. Cells that a spreadsheet would run get a ' before them."""
    table = [as_table_row(row, shape) for row in rows]
    columns = list(dict.fromkeys(column for row in table for column in row))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in table:
        cells = [row.get(column, "") for column in columns]
        texts = [
            cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
            for cell in cells
        ]
        writer.writerow([f"'{text}" if text.startswith(FORMULA_STARTS) else text for text in texts])
    return out.getvalue()
