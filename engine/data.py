"""Datasets as runs use them: a file or a bundled sample becomes normal rows and a frozen split.

A dataset's id is a hash of its rows, so that adding the same file twice gives one dataset. Rows are
normal rows of engine.shapes; knows nothing about tokens.
"""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from engine import presets
from engine.errors import DataError
from engine.readers import read_rows as read_table
from engine.shapes import normalise, recognise
from engine.spec import DataSpec
from engine.store import Store, read_rows, write_json, write_rows

Row = dict[str, Any]
FEWEST = 4  # below this there is nothing to learn from and nothing to hold out


class Dataset(BaseModel):
    """Normal rows with where they came from."""

    model_config = ConfigDict(frozen=True)
    source: str  # sample:NAME or dataset:HASH, as in DataSpec
    name: str
    shape: str
    reason: str
    rows: list[Row]
    held_out: list[Row] = []  # a fixed held-out part, for samples
    skipped: int = 0  # rows left out because the user chose so
    notes: list[str] = []


def add_file(store: Store, path: Path, name: str, skip_bad: bool = False) -> Dataset:
    """Read a user's file, recognise its shape and keep its rows in the workspace; raises DataError."""
    table = read_table(path, name)
    shape = recognise(table)
    normal = normalise(table, shape, skip_bad=skip_bad)
    if len(normal.rows) < FEWEST:
        hint = (
            " In a text file, an empty line stands between two examples."
            if Path(name).suffix.lower() in (".txt", ".md")
            else ""
        )
        raise DataError(
            f"'{name}': {len(normal.rows)} usable examples found; at least {FEWEST} are needed. Add more.{hint}"
        )
    content = json.dumps([name, normal.rows], ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    folder = store.datasets / digest
    folder.mkdir(exist_ok=True)
    write_rows(folder / "rows.jsonl", normal.rows)
    card = {
        "name": name,
        "shape": shape.shape.value,
        "reason": shape.reason,
        "skipped": normal.skipped,
        "notes": list(table.notes),
    }
    write_json(folder / "card.json", card)
    return load(store, f"dataset:{digest}")


def load(store: Store, source: str) -> Dataset:
    """A bundled sample or a dataset added before; raises DataError where it is not there."""
    kind, _, key = source.partition(":")
    if kind == "sample":
        return _sample(key)
    folder = store.datasets / key
    if kind != "dataset" or not key.isalnum() or not (folder / "card.json").is_file():
        raise DataError(f"There is no dataset '{source}'. Add the file again on the Data tab.")
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return Dataset(source=source, rows=read_rows(folder / "rows.jsonl"), **card)


def _sample(key: str) -> Dataset:
    found = [sample for sample in presets.samples() if sample.id == key]
    if not found:
        names = ", ".join(sample.id for sample in presets.samples())
        raise DataError(f"There is no sample '{key}'. The samples are: {names}.")
    tables = [read_table(path, path.name) for path in (found[0].train_file, found[0].held_out_file)]
    shape = recognise(tables[0])
    rows, held_out = (normalise(table, shape).rows for table in tables)
    return Dataset(
        source=f"sample:{key}",
        name=found[0].title,
        shape=shape.shape.value,
        reason=shape.reason,
        rows=rows,
        held_out=held_out,
    )


def available(store: Store) -> list[tuple[str, str]]:
    """(source, label) of every sample and every added dataset, samples first."""
    found = [(f"sample:{sample.id}", f"Sample: {sample.title}") for sample in presets.samples()]
    cards = sorted(store.datasets.glob("*/card.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in cards:
        try:
            found.append((f"dataset:{path.parent.name}", json.loads(path.read_text(encoding="utf-8"))["name"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a folder that somebody has changed by hand
    return found


def split(dataset: Dataset, spec: DataSpec) -> tuple[list[Row], list[Row]]:
    """(training rows, held-out rows), decided by content and seed alone; a sample's own held-out part is kept."""
    if dataset.held_out:
        return dataset.rows, dataset.held_out
    order = list(range(len(dataset.rows)))
    random.Random(spec.seed).shuffle(order)
    count = round(len(order) * spec.held_out)
    if spec.held_out > 0:
        count = max(1, count)
    held = set(order[:count])
    train = [row for index, row in enumerate(dataset.rows) if index not in held]
    return train, [dataset.rows[index] for index in sorted(held)]
