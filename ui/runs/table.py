"""The table of all runs as data, which ``assets/runs.js`` draws, sorts and searches."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from engine.store.run_dir import RunDir
from ui.runs.rows import COLUMNS, run_row

DAMAGED = (
    "The settings of these runs in workspace/runs cannot be read; they are left as they are: {}."
)


class RunsTable(NamedTuple):
    """The table as text, what tells whether another one is the same, and all tags in it."""

    text: str
    version: str
    tags: list[str]


def runs_table(runs: Iterable[RunDir]) -> RunsTable:
    """Runs in the order given; those that cannot be read are named below."""
    rows, damaged = [], []
    for run in runs:
        row = run_row(run)
        if row is None:
            damaged.append(run.id)
        else:
            rows.append(row)
    data = {
        "columns": [{"key": key, **column._asdict()} for key, column in COLUMNS.items()],
        "rows": rows,
        "damaged": DAMAGED.format(", ".join(damaged)) if damaged else "",
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    version = blake2b(text.encode(errors="replace"), digest_size=16).hexdigest()
    return RunsTable(text, version, sorted({tag for row in rows for tag in row["tags"]}))


def picking_table(table: RunsTable, run_id: str) -> str:
    """The table, which also tells the page which run is picked: nobody clicked on it there."""
    return f'{table.text[:-1]},"picked":{json.dumps(run_id)}}}'
