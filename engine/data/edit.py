"""Rows edited by hand: what may be changed of a row, the new dataset that results, and its export.

The original dataset stays; the new one names it as its parent.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator

from engine.data import datasets, ingest
from engine.data.infer_schema import infer_schema
from engine.data.normalize import as_table_row, join_labels, normalize_row
from engine.data.prepared import Prepared
from engine.data.rows import HELD_OUT, TRAIN, Row, row_to_json
from engine.errors import DataError
from engine.spec.run import Shape
from engine.store.workspace import Store

EDITABLE_ROWS = 100_000  # more are better edited in a program made for it
# A spreadsheet takes a cell that begins so for a formula (OWASP: CSV injection).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
TURN_TITLES = {role: role.capitalize() for role in ("system", "user", "assistant")}
TURN_TITLES["tool"] = "Tool's answer"


def editable_fields(row: Row) -> list[tuple[str, str]]:
    """What can be changed of a normal row, as (label, text)."""
    if "messages" in row:
        found = [(TURN_TITLES[turn["role"]], turn["content"]) for turn in row["messages"]]
    elif "text" in row:
        found = [("Text", row["text"])]
    else:
        found = [("Prompt", row["prompt"]), ("Answer", row["completion"])]
        if "labels" in row:
            found[1] = ("Labels, one per line", "\n".join(row["labels"]))
    return [*found, ("Worse answer", row["rejected"])] if "rejected" in row else found


def with_edited_fields(row: Row, texts: list[str]) -> Row:
    """Return the row with these texts for its ``editable_fields``; DataError where one is empty."""
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
    if "labels" in made and "prompt" in made:
        made["labels"] = [one.strip() for one in made["completion"].split("\n") if one.strip()]
        made["completion"] = join_labels(made["labels"])
    # What is saved must be read back as it is.
    raw = as_table_row(made)
    schema = infer_schema("This row", list(raw), [raw])
    try:
        normalize_row(raw, schema)
    except DataError as error:
        raise DataError(f"This row cannot be kept: {error}") from None
    return made


def blank_row(row: Row) -> Row:
    """An empty row of the same form: one question and one answer, or one text."""
    defaults = {"prompt": "", "completion": "", "text": "", "rejected": "", "good": True}
    made: Row = {key: value for key, value in (defaults | {"labels": []}).items() if key in row}
    if "messages" in row:
        made["messages"] = [{"role": role, "content": ""} for role in ("user", "assistant")]
    return made


def find_row(prepared: Prepared, number: int) -> Row | None:
    """The row with this number in the user's data, where it is among those that are used."""
    for rows in (prepared.train_rows(), prepared.held_out_rows()):
        if (at := rows.index_of(number)) is not None:
            return rows[at]
    return None


def save_edited_rows(
    store: Store, prepared: Prepared, changed: dict[int, Row | None], added: list[Row], source: str
) -> str:
    """Make a dataset of the used rows, ``changed`` by number (None deletes); return its source."""
    if prepared.train + prepared.held_out > EDITABLE_ROWS:
        raise DataError(
            f"Data of more than {EDITABLE_ROWS:,} rows cannot be changed here. "
            "Change the file and add it again."
        )
    parent = datasets.load_dataset(store, source)
    deleted = sum(row is None for row in changed.values())
    note = (
        f"Edited from '{parent.name}': {len(changed) - deleted} changed, {deleted} deleted, "
        f"{len(added)} added."
    )
    held_out_part = HELD_OUT if parent.held_out > 0 else TRAIN

    def rows() -> Iterator[tuple[Row, int]]:
        parts = ((prepared.train_rows(), TRAIN), (prepared.held_out_rows(), held_out_part))
        seen: set[int] = set()
        for part_rows, part in parts:
            for row, number, _ in part_rows.items():
                # Where one row of the file holds several examples, the first is the one edited.
                new = row if number in seen else changed.get(number, row)
                seen.add(number)
                if new is not None:
                    yield as_table_row(new, prepared.shape), part
        yield from ((as_table_row(row, prepared.shape), TRAIN) for row in added)

    name = _edit_name(store, parent.name)
    return ingest.ingest_rows(store, name, rows(), [note], parent=source, kind="jsonl")


def _edit_name(store: Store, name: str) -> str:
    """The name of the next edit of a dataset: rows.csv (edit 1)."""
    stem = name.split(" (edit ")[0]
    labels = {label for _, label in datasets.list_datasets(store)}
    names = (f"{stem} (edit {number})" for number in range(1, 10_000))
    return next(name for name in names if not any(name in label for label in labels))


def rows_to_jsonl(rows: Iterable[Row], shape: Shape) -> str:
    """Rows as JSON lines, in columns from which their schema is inferred again."""
    return "".join(row_to_json(as_table_row(row, shape)) + "\n" for row in rows)


def rows_to_csv(rows: Iterable[Row], shape: Shape) -> str:
    """Rows as CSV; a conversation is one cell of JSON, and a ' precedes what might be a formula."""
    table = [as_table_row(row, shape) for row in rows]
    columns = list(dict.fromkeys(column for row in table for column in row))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_csv_cell(row.get(column, "")) for column in columns] for row in table)
    return out.getvalue()


def _csv_cell(value: object) -> str:
    if not isinstance(value, str):  # a number stays one
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value
