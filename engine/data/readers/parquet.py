"""Parquet files: values only. A small file may say that it holds billions, so both are compared."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.data.readers.class_names import metadata_names, name_classes
from engine.data.readers.table import (
    ROW_LIMIT,
    TOO_LARGE,
    BadRow,
    FileRows,
    ReadOptions,
    check_unique,
    require_few_columns,
)
from engine.errors import DataError

BATCH_ROWS, BATCH_BYTES = 1000, 2**26  # read at a time, at most
# From so many values (or bytes) on they are compared with the size of the file: real data does not
# shrink to a thousandth.
MANY_VALUES, VALUES_PER_BYTE = 5_000_000, 100
MANY_BYTES, GROWTH = 2**28, 100


def read_parquet(path: Path, name: str, options: ReadOptions, notes: list[str]) -> FileRows:
    """Yield the rows of a Parquet file, batch by batch; columns of bytes are left out and named."""
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, memory_map=True)
        _require_plausible(file.metadata, path.stat().st_size, name)
        schema = file.schema_arrow
        require_few_columns(len(schema), name)
        check_unique(schema.names, name)
        names = metadata_names(schema.metadata)
        # Values that repeat stay numbers until a row is wanted.
        file = pq.ParquetFile(path, memory_map=True, read_dictionary=_text_columns(file.metadata))
        binary = [field.name for field in schema if _holds_bytes(field.type)]
        columns = [field.name for field in schema if field.name not in binary]
        if binary:
            notes.append(f"Left out, since they hold no text: {', '.join(map(repr, binary))}.")
        rows = _read_batches(file, columns, path.stat().st_size, name)
        yield from name_classes(rows, {key: names[key] for key in columns if key in names}, notes)
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, TypeError) as error:
        reason = str(error).partition("\n")[0][:100]
        raise DataError(
            f"'{name}' cannot be read as Parquet: it is damaged or cut off ({reason}). "
            "Export or download it again."
        ) from None


def _require_plausible(metadata: Any, size: int, name: str) -> None:
    """Raise DataError for a file that would unpack to much more than any real one does."""
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    values = max(
        metadata.num_rows * max(1, metadata.num_columns),
        sum(_count_values(metadata, group) for group in groups),
    )
    if values > max(MANY_VALUES, VALUES_PER_BYTE * size):
        raise DataError(
            f"'{name}' has {size / 2**10:,.0f} kB, but {values:,} values: it repeats the same ones "
            "over and over, or was made to fill the memory. Export the rows that you need."
        )
    _require_growth(sum(group.total_byte_size for group in groups), size, name)


def _count_values(metadata: Any, group: Any) -> int:
    """The values of a group of rows: one for each row and column, and more in lists.

    Only lists are asked for: for a damaged column the library ends the process.
    """
    columns = range(group.num_columns)
    listed = [at for at in columns if metadata.schema.column(at).max_repetition_level]
    in_lists = sum(group.column(at).num_values for at in listed)
    return int(in_lists + group.num_rows * (group.num_columns - len(listed)))


def _require_growth(unpacked: int, size: int, name: str) -> None:
    if unpacked > max(MANY_BYTES, GROWTH * size):
        raise DataError(
            f"'{name}' has {size / 2**10:,.0f} kB and would unpack to {unpacked / 2**20:,.0f} MB. "
            "Export the rows that you need."
        )


def _text_columns(metadata: Any) -> list[str]:
    """The columns of texts, or of lists of them, by their paths."""
    columns = (metadata.schema.column(at) for at in range(metadata.num_columns))
    return [one.path for one in columns if one.physical_type == "BYTE_ARRAY"]


def _read_batches(file: Any, columns: list[str], size: int, name: str) -> FileRows:
    number = 0
    for batch in file.iter_batches(batch_size=_batch_rows(file.metadata), columns=columns):
        unpacked = sum(map(_unpacked_size, batch.columns))
        if not number:
            _require_growth(unpacked * file.metadata.num_rows // max(1, batch.num_rows), size, name)
        small = unpacked <= BATCH_BYTES
        rows = (batch.slice(at, 1) for at in range(batch.num_rows))
        for part in [batch] if small else rows:
            number += part.num_rows
            if not small and sum(map(_unpacked_size, part.columns)) > ROW_LIMIT:
                yield BadRow(f"Row {number} {TOO_LARGE}")
                continue
            for row in part.to_pylist():
                yield {key: _json_value(inner) for key, inner in row.items()}


def _batch_rows(metadata: Any) -> int:
    """How many rows to read at a time: fewer where each has many values or bytes."""
    least = BATCH_ROWS
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        size = int(group.total_byte_size) + 8 * _count_values(metadata, group)
        least = min(least, BATCH_BYTES * max(1, int(group.num_rows)) // max(1, size))
    return max(1, least)


def _unpacked_size(array: Any) -> int:
    """Characters, or values, of a column once each row has its own."""
    kind = array.type
    if pa.types.is_dictionary(kind) and _is_text(kind.value_type):
        lengths = pc.binary_length(array.dictionary)
        return int(pc.sum(lengths.take(array.indices)).as_py() or 0) + len(array)
    if _is_list(kind):
        return _unpacked_size(array.flatten()) + len(array)
    if pa.types.is_struct(kind):
        return sum(map(_unpacked_size, array.flatten()))
    if _is_text(kind):
        return int(pc.sum(pc.binary_length(array)).as_py() or 0) + len(array)
    return len(array)


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_list(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _holds_bytes(kind: Any) -> bool:
    types = pa.types
    if types.is_struct(kind):
        return any(_holds_bytes(field.type) for field in kind)
    if _is_list(kind) or types.is_dictionary(kind):
        return _holds_bytes(kind.value_type)
    if types.is_map(kind) or isinstance(kind, pa.BaseExtensionType):
        return True
    binary = (
        types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view,
    )  # fmt: skip
    return any(is_kind(kind) for is_kind in binary)


def _json_value(value: Any) -> Any:
    """Convert a Parquet value to JSON's types, without the empty fields of Arrow's structs."""
    if isinstance(value, dict):
        return {key: _json_value(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_json_value(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Decimal | datetime.timedelta):
        return str(value)
    return value
