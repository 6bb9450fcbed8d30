"""Rows on disk: Arrow files of JSON rows, memory-mapped, so that a gigabyte of them costs no memory.

Rows of one file may differ in their fields (chats with tools, with a system turn, with neither),
which a typed table would fill up with empty ones; so each row is one JSON text beside its number in
the user's file. ``datasets.Dataset.from_file`` opens the same files in a worker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import pyarrow as pa
import pyarrow.compute as pc

Row = dict[str, Any]
ARROW_SCHEMA = pa.schema([("row", pa.large_string()), ("number", pa.int64()), ("part", pa.int8())])
TRAIN, HELD_OUT = 0, 1  # parts
WRITE_BATCH = 2**22  # characters written at a time


class RowWriter:
    """Writes rows one by one; a context manager. Memory: one batch."""

    def __init__(self, path: Path) -> None:
        self._sink = pa.OSFile(str(path), "wb")
        self._stream = pa.ipc.new_stream(self._sink, ARROW_SCHEMA)
        self._texts: list[str] = []
        self._numbers: list[int] = []
        self._parts: list[int] = []
        self._size = 0
        self.count = 0

    def add(self, text: str, number: int = 0, part: int = TRAIN) -> None:
        """One row as JSON, its number in the user's file, and the part it belongs to."""
        self._texts.append(text)
        self._numbers.append(number or self.count + 1)
        self._parts.append(part)
        self._size += len(text)
        self.count += 1
        if self._size > WRITE_BATCH or len(self._texts) >= 10_000:
            self._flush()

    def _flush(self) -> None:
        columns = zip((self._texts, self._numbers, self._parts), ARROW_SCHEMA, strict=True)
        arrays = [pa.array(values, field.type) for values, field in columns]
        self._stream.write_batch(pa.record_batch(arrays, schema=ARROW_SCHEMA))
        self._texts, self._numbers, self._parts, self._size = [], [], [], 0

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._stream.close()
        self._sink.close()


class Rows(Sequence[Row]):
    """The rows of a file; each is read from disk when it is asked for."""

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
        row: Row = json.loads(self.text(index))
        return row

    def text(self, index: int) -> str:
        """A row as JSON."""
        return str(self._table.column(0)[index].as_py())

    def __iter__(self) -> Iterator[Row]:
        return (row for row, _, _ in self.items())

    def items(self) -> Iterator[tuple[Row, int, int]]:
        """(row, number in the user's file, part) of each."""
        for batch in self._table.to_batches():
            for text, number, part in zip(
                *(column.to_pylist() for column in batch.columns), strict=True
            ):
                yield json.loads(text), number, part

    def find(self, number: int) -> int | None:
        """Where the row with this number stands, or None."""
        at = pc.index(self._table.column(1), number).as_py()
        return None if at < 0 else int(at)

    def number(self, index: int) -> int:
        """Which row of the user's file this is."""
        return int(self._table.column(1)[index].as_py())


def row_to_json(row: Row) -> str:
    """A row as it is kept."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows to a file of their own."""
    with RowWriter(path) as writer:
        for row in rows:
            writer.add(row_to_json(row))


def read_rows(path: Path) -> Rows:
    """Rows written before; none where the file is absent."""
    if not path.is_file():
        return Rows(ARROW_SCHEMA.empty_table())
    with pa.ipc.open_stream(pa.memory_map(str(path))) as stream:
        return Rows(stream.read_all())


SCORED_ROWS = 500  # held-out rows that are scored; more would say little more and take longer


def spread_indices(rows: int, largest: int = SCORED_ROWS) -> list[int]:
    """Indices of all rows, or of ``largest`` of them evenly spread, the same ones each time."""
    count = min(rows, largest)
    return [index * rows // count for index in range(count)]
