"""Rows as tokens on disk, made once for the same rows, tokenizer and settings. Memory-mapped: they cost no memory."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from engine.data.rows import Rows
from engine.spec.run import DataSpec
from engine.store.files import whole_folder, write_json
from engine.work.encode.encode import Encoded, encode_rows

TOKEN_SETS_KEPT = 24  # sets of tokens on disk
DRAFT_AGE_LIMIT = 86_400  # seconds after which nobody works on a draft any more
ROWS_PER_BATCH = 1000  # rows written at a time
TOKEN_SCHEMA = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.int32())),
        ("length", pa.int32()),  # tokens
        ("learned", pa.int32()),  # of these
        ("cut", pa.bool_()),  # loses something at the length limit
    ]
)
ROW_SETTINGS = {
    "source",
    "shape",
    "roles",
    "held_out",
    "held_out_source",
    "seed",
}  # settings that made the rows


class EncodedRows(NamedTuple):
    """The rows that teach something."""

    rows: Dataset  # input_ids and labels; length, learned and cut beside them
    lost: int  # rows that lose their whole answer to the cut
    refused: int  # rows with an uncertain mask, left out because the user chose so

    @property
    def lengths(self) -> list[int]:
        return list(self.rows["length"])


def load_or_encode(
    cache: Path, file: Path, rows: Rows, tokenizer: PreTrainedTokenizerBase, data: DataSpec
) -> EncodedRows:
    """The rows of a file as tokens, from the cache where they are there; raises DataError as ``encode_each`` does."""
    folder = cache / _cache_key(file, tokenizer, data)
    there = folder.exists()
    try:
        return _read_folder(folder)
    except (OSError, ValueError, pa.ArrowInvalid):
        if there:  # half removed, or cut off by a power cut
            _remove_folder(folder)
        with whole_folder(folder) as draft:
            _write_folder(draft, rows, tokenizer, data)
    for old in sorted(cache.glob("[!.]*"), key=lambda one: one.stat().st_mtime)[:-TOKEN_SETS_KEPT]:
        _remove_folder(old)  # files that are open stay readable
    for draft in cache.glob(".draft-*"):  # of one that was killed
        with suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > DRAFT_AGE_LIMIT:
                shutil.rmtree(draft, ignore_errors=True)
    return _read_folder(folder)


def _read_folder(folder: Path) -> EncodedRows:
    left = json.loads((folder / "left.json").read_text(encoding="utf-8"))
    rows = Dataset.from_file(str(folder / "tokens.arrow"))
    if len(rows) != left["rows"]:
        raise ValueError("rows are missing")
    os.utime(folder)
    return EncodedRows(rows, left["lost"], left["refused"])


def _remove_folder(folder: Path) -> None:
    """At once for whoever looks for it: what is half removed must not be found."""
    aside = folder.with_name(f".draft-{secrets.token_hex(6)}")
    with suppress(FileNotFoundError):  # another run may have been quicker
        os.rename(folder, aside)
        shutil.rmtree(aside, ignore_errors=True)


def _cache_key(file: Path, tokenizer: PreTrainedTokenizerBase, data: DataSpec) -> str:
    """By content: of the rows, the tokenizer with its template, the settings, and the code that encodes."""
    found = hashlib.sha256()
    with file.open("rb") as opened:
        found.update(hashlib.file_digest(opened, "sha256").digest())
    for text in (
        tokenizer.backend_tokenizer.to_str(),
        str(tokenizer.chat_template),
        str(tokenizer.special_tokens_map),
        data.model_dump_json(exclude=ROW_SETTINGS),
        *(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))),
    ):
        found.update(text.encode())
    return found.hexdigest()[:32]


def _write_folder(
    folder: Path, rows: Rows, tokenizer: PreTrainedTokenizerBase, data: DataSpec
) -> None:
    left: Counter[str] = Counter(rows=0)
    waiting: list[Encoded] = []
    with (
        pa.OSFile(str(folder / "tokens.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, TOKEN_SCHEMA) as stream,
    ):

        def flush() -> None:
            made: list[Any] = [[one.ids for one in waiting], [one.labels for one in waiting]]
            made += [[len(one.ids) for one in waiting], [one.learned for one in waiting]]
            made.append([one.cut > 0 for one in waiting])
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(made, TOKEN_SCHEMA, strict=True)
            ]
            stream.write_batch(pa.record_batch(arrays, schema=TOKEN_SCHEMA))
            waiting.clear()

        for one in encode_rows(tokenizer, rows, data, left):
            waiting.append(one)
            left["rows"] += 1
            if len(waiting) >= ROWS_PER_BATCH:
                flush()
        flush()
    write_json(folder / "left.json", {name: left[name] for name in ("rows", "lost", "refused")})
