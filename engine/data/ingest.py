"""Takes files, pasted rows and Hub datasets into the workspace: rows as they are, schema inferred.

A dataset's id is a hash of its rows, so adding the same twice gives one dataset, and an edited one
is another. Runs in a process of its own (engine.process.oneshot), so that a damaged file cannot
take the page down with it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from engine.data.columns.described import Described
from engine.data.columns.paths import nested_paths
from engine.data.infer_schema import infer_schema
from engine.data.readers.formats import read_table
from engine.data.readers.table import (
    MAX_COLUMNS,
    BadRow,
    HeldOutRow,
    ReadOptions,
)
from engine.data.rows import HELD_OUT, Row, RowWriter, row_to_json
from engine.data.upload import Arranged, Upload, arrange_uploads
from engine.errors import DataError
from engine.store import data_limits
from engine.store.files import draft_folder, publish_folder, write_json
from engine.store.workspace import Store
from engine.text import OnProgress

MIN_EXAMPLES = 4  # below this there is nothing to learn from and nothing to hold out
PEEK_BYTES = 2**20  # bytes of a large file that are looked at before it is read whole
# Rows from which the schema is inferred, and their fields: fewer rows where they have many.
SCHEMA_ROWS, SCHEMA_CELLS = 1000, 300_000
PROBLEMS_KEPT = 50  # problems kept in words
PROGRESS_INTERVAL = 0.3  # seconds
# Characters of rows from which they are compared with their file, and how much more is too much.
LEAST_UNPACKED, GROWTH = 2**28, 50
ORIGINALS_LIMIT = 64 * 2**20  # bytes of files that are kept, so that they can be read again

RowAndPart = tuple[Row | BadRow, int]  # a row, and TRAIN or HELD_OUT
Card = dict[str, Any]  # the fields of datasets.Dataset


@dataclass
class _Source:
    """Rows to take in, and what the dataset's card says of them."""

    name: str
    rows: Iterable[RowAndPart]
    notes: Sequence[list[str]]  # lists that may grow while the rows are read
    card: Card  # further fields
    class_names: dict[str, str] = field(default_factory=dict)  # by class number
    described: Described = field(default_factory=dict)  # columns by their roles
    originals: Sequence[Upload] = ()


def ingest_files(
    store: Store,
    uploads: list[Upload],
    options: ReadOptions | None = None,
    on_progress: OnProgress = lambda _: None,
) -> str:
    """Take in files as one dataset; return its source. DataError where they hold no examples."""
    data_limits.require_upload(store, [upload.path for upload in uploads])
    arranged = arrange_uploads(uploads, options or ReadOptions())
    tables = [table for table, _ in arranged.tables]
    first, more = tables[0], len(tables) - 1
    name = f"{first.name} and {more} more" if more else first.name
    size = sum(upload.path.stat().st_size for upload in uploads)
    starts: list[tuple[str, int]] = []
    card = {
        "files": [upload.name for upload in uploads],
        "bytes": size,
        "kind": first.kind,
        "options": asdict(first.options),
        "starts": starts,
    }
    notes = [arranged.notes, *(table.notes for table in tables)]
    originals = uploads if size <= ORIGINALS_LIMIT else []
    rows = _rows_of_tables(arranged, starts)
    source = _Source(name, rows, notes, card, arranged.names, arranged.described, originals)
    return _store_dataset(store, source, on_progress)


def _rows_of_tables(arranged: Arranged, starts: list[tuple[str, int]]) -> Iterator[RowAndPart]:
    """Yield the rows of several tables; notes in ``starts`` the number of each table's first."""
    number = 0
    for table, part in arranged.tables:
        starts.append((table.name, number + 1))
        for row in table.rows:
            number += 1
            if isinstance(row, BadRow) and len(arranged.tables) > 1:
                row = BadRow(f"'{table.name}': {row.problem}")
            yield row, HELD_OUT if isinstance(row, HeldOutRow) else part


def reread_files(
    store: Store, folder: Path, options: ReadOptions, on_progress: OnProgress = lambda _: None
) -> str:
    """Read a dataset's own files with other options; DataError where they were not kept."""
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    names = enumerate(card.get("files", []))
    uploads = [Upload(folder / f"original-{number}", name) for number, name in names]
    if not uploads or not all(upload.path.is_file() for upload in uploads):
        raise DataError(
            f"The file of '{card['name']}' was too large to keep. Add it again to read it in "
            "another way."
        )
    return ingest_files(store, uploads, options, on_progress)


def peek_rows(upload: Upload, count: int) -> list[Row]:
    """The first rows of a file that may be huge, at once; none where it cannot be read in part."""
    head = upload.path
    try:
        if upload.suffix != ".parquet":
            head = upload.path.with_name(f"{upload.path.name}.head")
            with upload.path.open("rb") as file:
                head.write_bytes(file.read(PEEK_BYTES).rpartition(b"\n")[0])
        rows = (row for row in read_table(head, upload.name).rows if not isinstance(row, BadRow))
        return list(islice(rows, count))
    except (DataError, OSError):
        return []
    finally:
        if head != upload.path:
            head.unlink(missing_ok=True)


def ingest_rows(
    store: Store,
    name: str,
    rows: Iterable[RowAndPart],
    notes: list[str],
    on_progress: OnProgress = lambda _: None,
    **card: Any,
) -> str:
    """Take in rows from elsewhere than a file (the Hub, the page's editor); return their source.

    ``notes`` may grow while the rows are read; ``card`` are further fields of the dataset's card.
    """
    return _store_dataset(store, _Source(name, rows, [notes], card), on_progress)


def _store_dataset(store: Store, source: _Source, on_progress: OnProgress) -> str:
    """Write rows and card into a draft, then name it: a dataset is there whole or not at all."""
    digest = hashlib.sha256(source.name.encode())
    source.rows = data_limits.bounded_rows(source.rows, source.name, store.limits)
    with draft_folder(store.datasets) as draft:
        found = _write_rows(draft / "rows.arrow", source, digest, on_progress)
        notes = list(dict.fromkeys(chain(*source.notes)))
        card = {"name": source.name, "created": time.time(), **found, **source.card, "notes": notes}
        write_json(draft / "card.json", card)
        for number, upload in enumerate(source.originals):
            shutil.copyfile(upload.path, draft / f"original-{number}")
        key = digest.hexdigest()[:16]
        folder = store.datasets / key
        if not folder.exists():
            data_limits.require_dataset_place(store)
        data_limits.require_space(store, error=DataError)
        if not publish_folder(draft, folder):
            # The same rows are there; the card may say more about where they came from this time.
            write_json(folder / "card.json", card)
    return f"dataset:{key}"


def _write_rows(path: Path, source: _Source, digest: Any, on_progress: OnProgress) -> Card:
    """Write all rows, and return what the card says of them. Adds them to the digest."""
    name = source.name
    seen: list[Row] = []
    columns: dict[str, None] = {}
    spelling: dict[str, str] = {}  # of columns, as met first: files of a table may differ in case
    problems: list[str] = []
    bad = held_out = written = 0
    reported = time.monotonic()
    with RowWriter(path) as writer:
        for number, (row, part) in enumerate(source.rows, start=1):
            if isinstance(row, BadRow):
                bad += 1
                if len(problems) < PROBLEMS_KEPT:
                    problems.append(row.problem)
                continue
            made = {spelling.setdefault(key.lower(), key): value for key, value in row.items()}
            if len(made) < len(row):  # two of its columns differ only in case
                made = row
            text = row_to_json(made)
            digest.update(text.encode() + bytes([part]))
            writer.add(text, number, part)
            columns.update(dict.fromkeys(made))
            written += len(text)
            _require_bounds(source, len(columns), written)
            held_out += part == HELD_OUT
            if len(seen) < SCHEMA_ROWS and len(seen) * len(columns) < SCHEMA_CELLS:
                seen.append(made)
            if time.monotonic() - reported > PROGRESS_INTERVAL:
                reported = time.monotonic()
                on_progress(f"{number:,} rows read")
    if not seen and problems:
        raise DataError(f"'{name}': none of its {bad} rows can be read. {problems[0]}")
    if writer.count < MIN_EXAMPLES:
        raise DataError(
            f"'{name}': {writer.count} examples found; at least {MIN_EXAMPLES} are needed. "
            "Add more."
        )
    schema = infer_schema(name, list(columns), seen, source.described)
    label = schema.roles.get("label", "")
    labels = _names_by_number(
        source.class_names, [str(row.get(label, "")).removesuffix(".0") for row in seen]
    )
    digest.update(f"{bad} {json.dumps(labels, sort_keys=True)}".encode())
    if source.described:  # the same rows, read in another way
        digest.update(json.dumps(dict(source.described), sort_keys=True).encode())
    return {
        "rows": writer.count,
        "held_out": held_out,
        "bad": bad,
        "problems": problems,
        "columns": list(columns),
        **schema.as_card(),
        "nested": nested_paths(seen),
        "labels": labels,
    }


def _require_bounds(source: _Source, columns: int, written: int) -> None:
    """Raise DataError for rows that are no table, or that are far larger than their file."""
    if columns > MAX_COLUMNS:
        raise DataError(
            f"'{source.name}': its rows have more than {MAX_COLUMNS:,} different fields. "
            "Give all rows the same ones."
        )
    size = int(source.card.get("bytes", 0))
    if size and written > max(LEAST_UNPACKED, GROWTH * size):
        raise DataError(
            f"'{source.name}' has {size / 2**20:,.1f} MB, but its rows take more than "
            f"{written / 2**20:,.0f} MB: it repeats the same values or names over and over. "
            "Add the part that you need."
        )


def _names_by_number(names: dict[str, str], values: list[str]) -> dict[str, str]:
    """Names by class number; a list may be counted from 0 or, as in AG News, from 1."""
    numbers = {int(value) for value in values if re.fullmatch("-?[0-9]{1,9}", value)}
    if numbers and 0 not in numbers and len(names) in numbers:
        return {str(int(key) + 1): name for key, name in names.items() if key.isdigit()}
    return names
