"""Hashes that show whether data and base model are those of a run; versions of the libraries."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path

from engine.errors import RunError
from engine.model import weights

WHOLE_BYTES = 64 * 2**20  # larger files are hashed by their header and pieces
PIECE_BYTES, PIECES = 2**20, 16
HASHED_FILES = ("config.json", "tokenizer.json")
RUN_LIBRARIES = (
    "torch", "transformers", "peft", "trl", "accelerate", "datasets", "tokenizers", "safetensors",
)  # fmt: skip
OTHER_BASE = (
    "The adapter of this run was made for another model than the one that is in its folder now. "
    "Put that model back, or train again."
)


def hash_files(files: Iterable[Path]) -> str:
    """sha256 over names and bytes of files; those that are not there are left out."""
    total = hashlib.sha256()
    for file in files:
        if file.is_file():
            with file.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            total.update(f"{file.name} {digest}\n".encode())
    return total.hexdigest()


def hash_model(folder: Path) -> str:
    """sha256 over a base model's config, tokenizer and weights: names, sizes, headers and bytes.

    Of a file above 64 MB only 16 pieces of 1 MB, spread evenly, are read: a fraction of a second
    for any size.
    """
    total = hashlib.sha256(hash_files(folder / name for name in HASHED_FILES).encode())
    for name in sorted(weights.weight_files(folder)):
        file = folder / name
        size = file.stat().st_size
        total.update(f"{name} {size}\n".encode())
        with file.open("rb") as opened:
            if size <= WHOLE_BYTES:
                total.update(hashlib.file_digest(opened, "sha256").digest())
                continue
            start = opened.read(8)
            header = min(int.from_bytes(start, "little"), weights.HEADER_BYTES)
            total.update(start + opened.read(header))
            for piece in range(PIECES):
                opened.seek((size - PIECE_BYTES) * piece // (PIECES - 1))
                total.update(opened.read(PIECE_BYTES))
    return total.hexdigest()


def require_same_base(known: str, folder: Path) -> None:
    """Raise RunError unless the base has this hash; an empty one, from an older run, fits any."""
    if known and known != hash_model(folder):
        raise RunError(OTHER_BASE)


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a run's result; imports none of them."""
    found = {"python": platform.python_version()}
    for name in RUN_LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
