"""Rows on disk: memory-mapped Arrow files of JSON rows, so that a gigabyte costs no memory.

Rows of one file may differ in their fields (chats with tools, with a system turn, with neither),
which a typed table would fill up with empty ones; so each row is one JSON text beside its number in
the user's file. ``datasets.Dataset.from_file`` opens the same files in a worker.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Row = dict[str, Any]
ARROW_SCHEMA = pa.schema([("row", pa.large_string()), ("number", pa.int64()), ("part", pa.int8())])
TRAIN, HELD_OUT = 0, 1  # parts
SCORED_ROWS = 500  # held-out rows that are scored; more would say little more and take longer
WRITE_BATCH = 2**22  # characters written at a time


class RowWriter:
    """Writes rows one by one; a context manager. Memory: one batch."""

    def __init__(self, path: Path) -> None:
        self._sink = pa.OSFile(str(path), "wb")
        self._stream = pa.ipc.new_stream(self._sink, ARROW_SCHEMA)
        self._batch: list[Row] = []
        self._size = 0  # characters of the batch
        self.count = 0

    def add(self, text: str, number: int = 0, part: int = TRAIN) -> None:
        """Add one row as JSON, its number in the user's file, and its part."""
        self.count += 1
        self._batch.append({"row": text, "number": number or self.count, "part": part})
        self._size += len(text)
        if self._size > WRITE_BATCH or len(self._batch) >= 10_000:
            self._flush()

    def _flush(self) -> None:
        self._stream.write_batch(pa.RecordBatch.from_pylist(self._batch, ARROW_SCHEMA))
        self._batch, self._size = [], 0

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._stream.close()
        self._sink.close()


class Rows(Sequence[Row]):
    """The rows of a file, each read from disk when it is used."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        row: Row = json.loads(self.row_json(index))
        return row

    def row_json(self, index: int) -> str:
        return str(self._table.column(0)[index].as_py())

    def __iter__(self) -> Iterator[Row]:
        return (row for row, _, _ in self.items())

    def items(self) -> Iterator[tuple[Row, int, int]]:
        """Yield (row, number in the user's file, part)."""
        for batch in self._table.to_batches():
            columns = (column.to_pylist() for column in batch.columns)
            for text, number, part in zip(*columns, strict=True):
                yield json.loads(text), number, part

    def index_of(self, number: int) -> int | None:
        """Return the index of the row with this number in the user's file, or None."""
        at = self._table.column(1).index(number).as_py()
        return None if at < 0 else int(at)

    def row_number(self, index: int) -> int:
        """Return a row's number in the user's file."""
        return int(self._table.column(1)[index].as_py())

    def are_in(self, other: Rows) -> Any:
        """Whether each of these rows stands in another file, word for word: an array of bools.

        Memory: one batch of the other.
        """
        found = np.zeros(len(self), dtype=bool)
        for batch in other._table.to_batches():
            found |= pc.is_in(self._table.column(0), value_set=batch.column(0)).to_numpy()
        return found


def row_to_json(row: Row) -> str:
    """A row as compact JSON, as it is stored."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def labelled_text(row: Row) -> str:
    """The text of a row that is given a label."""
    if "messages" not in row:
        return str(row["prompt"])
    # An instruction for all rows turns every row into messages.
    turns = [turn for turn in row["messages"] if turn["role"] == "user"]
    return "\n\n".join(str(turn["content"]) for turn in turns)


def read_rows(path: Path) -> Rows:
    """Open a file of rows; an absent file has none."""
    if not path.is_file():
        return Rows(ARROW_SCHEMA.empty_table())
    with pa.ipc.open_stream(pa.memory_map(str(path))) as stream:
        return Rows(stream.read_all())


def spread_indices(rows: int, largest: int = SCORED_ROWS) -> list[int]:
    """Indices of all rows, or of ``largest`` of them, evenly spread; the same each time."""
    count = min(rows, largest)
    return [index * rows // count for index in range(count)]
