"""Token cache: encoded rows on disk, memory-mapped, one folder for each set of rows and settings.

    cache/KEY/tokens.arrow   token ids and labels
    cache/KEY/left.json      how many rows it has, and how many were left out

``Dataset.from_generator`` would not keep how many rows were left out, never removes old sets, and
raises ArrowInvalid in every later run once a power cut has damaged a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import Counter
from contextlib import suppress
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from engine.data.rows import Rows
from engine.spec.run import DataSpec
from engine.store.files import remove_whole, whole_folder, write_json
from engine.work.encode.encode import encode_rows

# Raise it when the code encodes any row differently; test_golden.py notices when it must be.
ENCODING_VERSION = 2
LIBRARIES = ("transformers", "tokenizers", "jinja2")  # their versions are part of the key
TOKEN_SETS_KEPT = 24
DRAFT_AGE_LIMIT = 86_400  # seconds after which a draft is one of a process that was killed
ROWS_PER_BATCH = 1000  # written at a time
TOKEN_SCHEMA = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.int32())),
        ("length", pa.int32()),  # tokens
        ("learned", pa.int32()),  # target tokens
        ("cut", pa.bool_()),  # whether the row was longer than the length limit
    ]
)
# Settings that made the rows, and do not change how they are encoded.
ROW_SETTINGS = {"source", "shape", "roles", "held_out", "held_out_source", "seed"}


class EncodedRows(NamedTuple):
    """The rows that have targets, as tokens."""

    rows: Dataset  # columns of TOKEN_SCHEMA
    lost: int  # rows that have no target within the length limit
    refused: int  # rows with an uncertain loss mask, left out because the user chose so

    @property
    def lengths(self) -> list[int]:
        return list(self.rows["length"])


def load_or_encode(
    cache: Path, file: Path, rows: Rows, tokenizer: PreTrainedTokenizerBase, data: DataSpec
) -> EncodedRows:
    """The rows of ``file`` as tokens, cached or encoded; raises DataError as ``encode_rows``."""
    folder = cache / _cache_key(file, tokenizer, data)
    there = folder.exists()
    try:
        return _read_folder(folder)
    except (OSError, ValueError, pa.ArrowInvalid):
        # A folder that cannot be read is half removed, or was damaged by a power cut.
        if there:
            _remove_folder(folder)
    with whole_folder(folder) as draft:
        _write_folder(draft, rows, tokenizer, data)
    _remove_old(cache)
    return _read_folder(folder)


def _read_folder(folder: Path) -> EncodedRows:
    left = json.loads((folder / "left.json").read_text(encoding="utf-8"))
    rows = Dataset.from_file(str(folder / "tokens.arrow"))
    if len(rows) != left["rows"]:
        raise ValueError("rows are missing")
    os.utime(folder)
    return EncodedRows(rows, left["lost"], left["refused"])


def _remove_old(cache: Path) -> None:
    """Keep the sets that were used last; what another process has open stays readable for it."""
    used = sorted(cache.glob("[!.]*"), key=lambda folder: folder.stat().st_mtime)
    for folder in used[:-TOKEN_SETS_KEPT]:
        _remove_folder(folder)
    for draft in cache.glob(".*"):
        with suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > DRAFT_AGE_LIMIT:
                shutil.rmtree(draft, ignore_errors=True)


def _remove_folder(folder: Path) -> None:
    # Another run may have removed it already, or have its files open where that keeps them (NFS,
    # Windows); what is left is hidden, and removed later.
    with suppress(OSError):
        remove_whole(folder)


def _cache_key(file: Path, tokenizer: PreTrainedTokenizerBase, data: DataSpec) -> str:
    """A hash of the rows, tokenizer, chat template, settings and encoder version."""
    with file.open("rb") as opened:
        found = hashlib.sha256(hashlib.file_digest(opened, "sha256").digest())
    for text in (
        tokenizer.backend_tokenizer.to_str(),
        str(tokenizer.chat_template),
        str(tokenizer.special_tokens_map),
        data.model_dump_json(exclude=ROW_SETTINGS),
        str(ENCODING_VERSION),
        *(version(library) for library in LIBRARIES),
    ):
        found.update(text.encode())
    return found.hexdigest()[:32]


def _write_folder(
    folder: Path, rows: Rows, tokenizer: PreTrainedTokenizerBase, data: DataSpec
) -> None:
    left = Counter(rows=0, lost=0, refused=0)
    encoded = encode_rows(tokenizer, rows, data, left)
    with (
        pa.OSFile(str(folder / "tokens.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, TOKEN_SCHEMA) as stream,
    ):
        while batch := list(islice(encoded, ROWS_PER_BATCH)):
            left["rows"] += len(batch)
            columns = {
                "input_ids": [one.ids for one in batch],
                "labels": [one.labels for one in batch],
                "length": [len(one.ids) for one in batch],
                "learned": [one.target_tokens for one in batch],
                "cut": [one.cut_tokens > 0 for one in batch],
            }
            stream.write_batch(pa.record_batch(columns, schema=TOKEN_SCHEMA))
    write_json(folder / "left.json", left)
