"""Files, pasted rows and Hub datasets into the workspace: rows as they stand, recognised and counted.

A dataset's id is a hash of its rows, so adding the same twice gives one dataset and an edited one is another.
Runs in a process of its own (engine.process.oneshot): a damaged file can then not take the page down with it.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from engine.data.readers import BadRow, ReadOptions, Row, read_table
from engine.data.rows import HELD_OUT, RowWriter, row_to_json
from engine.data.schema import infer_schema
from engine.data.upload import Upload, arrange_uploads
from engine.errors import DataError
from engine.store.files import write_json
from engine.store.workspace import Store

MIN_EXAMPLES = 4  # below this there is nothing to learn from and nothing to hold out
PEEK_BYTES = 2**20  # bytes of a large file that are looked at before it is read whole
SCHEMA_ROWS = 1000  # rows that the shape is recognised from
PROBLEMS_KEPT = 50  # problems kept in words
PROGRESS_INTERVAL = 0.3  # seconds
ORIGINALS_LIMIT = (
    64 * 2**20
)  # bytes of files that are kept, so that they can be read in another way

Tell = Callable[[str], None]
RowAndPart = tuple[Row | BadRow, int]  # a row, and TRAIN or HELD_OUT


def ingest_files(
    store: Store,
    uploads: list[Upload],
    options: ReadOptions | None = None,
    tell: Tell = lambda _: None,
) -> str:
    """The source (``dataset:ID``) of files taken in together; raises DataError where they hold no examples."""
    arranged = arrange_uploads(uploads, options or ReadOptions())
    first = arranged.tables[0][0]
    names = [table.name for table, _ in arranged.tables]
    name = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    several = len(names) > 1
    starts: list[tuple[str, int]] = []

    def items() -> Iterator[RowAndPart]:
        number = 0
        for table, part in arranged.tables:
            starts.append((table.name, number + 1))
            for row in table.rows:
                number += 1
                # Of several files the one is named in which the row stands.
                yield (
                    (
                        BadRow(f"'{table.name}': {row.problem}")
                        if several and isinstance(row, BadRow)
                        else row
                    ),
                    part,
                )

    size = sum(upload.path.stat().st_size for upload in uploads)
    made = {"files": [upload.name for upload in uploads], "bytes": size, "kind": first.kind}

    def notes() -> dict[str, Any]:  # known only when all has been read
        found = [*arranged.notes, *(note for table, _ in arranged.tables for note in table.notes)]
        return {
            "notes": list(dict.fromkeys(found)),
            "options": asdict(first.options),
            "starts": starts,
        }

    kept = uploads if size <= ORIGINALS_LIMIT else []
    return _store_dataset(store, name, items(), tell, made, notes, arranged.names, kept)


def reread_files(
    store: Store, folder: Path, options: ReadOptions, tell: Tell = lambda _: None
) -> str:
    """The source of a dataset's own files read in another way; raises DataError where they were not kept."""
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    uploads = [
        Upload(folder / f"original-{number}", name)
        for number, name in enumerate(card.get("files", []))
    ]
    if not uploads or not all(upload.path.is_file() for upload in uploads):
        raise DataError(
            f"The file of '{card['name']}' was too large to keep. Add it again to read it in another way."
        )
    return ingest_files(store, uploads, options, tell)


def peek_rows(upload: Upload, count: int) -> list[Row]:
    """The first rows of a file that may be huge, at once; nothing where they cannot be read so."""
    head = upload.path
    try:
        if Path(upload.name).suffix.lower() != ".parquet":
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
    tell: Tell = lambda _: None,
    **made: Any,
) -> str:
    """The source of rows that come from elsewhere than a file: the Hub, or the page's editor."""
    return _store_dataset(store, name, iter(rows), tell, made, lambda: {"notes": notes}, {})


def _store_dataset(
    store: Store,
    name: str,
    items: Iterator[RowAndPart],
    tell: Tell,
    made: dict[str, Any],
    notes: Callable[[], dict[str, Any]],
    names: dict[str, str],
    originals: Sequence[Upload] = (),
) -> str:
    """Write rows and card into a draft, then give it its name: a dataset is there whole or not at all."""
    draft = store.datasets / f".draft-{secrets.token_hex(6)}"
    draft.mkdir()
    try:
        digest = hashlib.sha256(name.encode())
        found = _write_draft(draft, name, items, tell, digest, names)
        card = {"name": name, "created": time.time(), **made, **found, **notes()}
        write_json(draft / "card.json", card)
        for number, upload in enumerate(originals):
            shutil.copyfile(upload.path, draft / f"original-{number}")
        key = digest.hexdigest()[:16]
        folder = store.datasets / key
        try:
            draft.rename(folder)
        except (
            OSError
        ):  # the same rows are there; the card may tell more of how they came this time
            write_json(folder / "card.json", card)
        return f"dataset:{key}"
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_draft(
    draft: Path,
    name: str,
    items: Iterator[RowAndPart],
    tell: Tell,
    digest: Any,
    names: dict[str, str],
) -> dict[str, Any]:
    """All rows to disk, and what can be said of them."""
    seen: list[Row] = []
    columns: dict[str, None] = {}
    spelling: dict[str, str] = {}  # of a column's name, as it was met first
    problems: list[str] = []
    bad = held = number = 0
    told = time.monotonic()
    with RowWriter(draft / "rows.arrow") as writer:
        for number, (row, part) in enumerate(items, start=1):
            if isinstance(row, BadRow):
                bad += 1
                if len(problems) < PROBLEMS_KEPT:
                    problems.append(row.problem)
                continue
            made = _with_known_spelling(row, spelling)
            text = row_to_json(made)
            digest.update(text.encode() + bytes([part]))
            writer.add(text, number, part)
            columns.update(dict.fromkeys(made))
            held += part == HELD_OUT
            if len(seen) < SCHEMA_ROWS:
                seen.append(made)
            if time.monotonic() - told > PROGRESS_INTERVAL:
                told = time.monotonic()
                tell(f"{number:,} rows read")
    if not seen and problems:
        raise DataError(f"'{name}': none of its {bad} rows can be read. {problems[0]}")
    if writer.count < MIN_EXAMPLES:
        raise DataError(
            f"'{name}': {writer.count} examples found; at least {MIN_EXAMPLES} are needed. Add more."
        )
    found = infer_schema(name, list(columns), seen)
    label = found.roles.get("label", "")
    labels = _class_names(names, [str(row.get(label, "")) for row in seen])
    digest.update(f"{bad} {json.dumps(labels, sort_keys=True)}".encode())
    return {
        "rows": writer.count,
        "held_out": held,
        "bad": bad,
        "problems": problems,
        "columns": list(columns),
        "shape": found.shape.value,
        "reason": found.reason,
        "roles": found.roles,
        "certain": found.certain,
        "labels": labels,
    }


def _with_known_spelling(row: Row, spelling: dict[str, str]) -> Row:
    """A row whose columns are named as they were first: files of one table often write them in other capitals."""
    made = {spelling.setdefault(key.lower(), key): value for key, value in row.items()}
    return made if len(made) == len(row) else row


def _class_names(names: dict[str, str], values: list[str]) -> dict[str, str]:
    """Names by class number; a list may be counted from 0 or, as in AG News, from 1."""
    numbers = {int(value) for value in values if re.fullmatch("-?[0-9]{1,9}", value)}
    if numbers and 0 not in numbers and len(names) in numbers:
        return {str(int(key) + 1): name for key, name in names.items() if key.isdigit()}
    return names
