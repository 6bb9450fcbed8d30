"""Hashes that tell whether data and base model are still the ones that a run had, and the versions it ran on."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from engine.errors import RunError
from engine.model import weights

WHOLE_BYTES = 64 * 2**20  # bytes; larger files are told by their header and pieces
PIECE_BYTES, PIECES = 2**20, 16
HASHED_FILES = ("config.json", "tokenizer.json")
HASHED_LIBRARIES = (
    "torch",
    "transformers",
    "peft",
    "trl",
    "accelerate",
    "datasets",
    "tokenizers",
    "safetensors",
)
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
                total.update(
                    f"{file.name} {hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode()
                )
    return total.hexdigest()


def hash_model(folder: Path) -> str:
    """sha256 over a base model's config, tokenizer and weights: names, sizes, headers, and the bytes.

    Of a file above 64 MB only 16 pieces of 1 MB, spread evenly, are read: a fraction of a second for any size.
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
            head = opened.read(8)
            total.update(
                head + opened.read(min(int.from_bytes(head, "little"), weights.HEADER_BYTES))
            )
            for piece in range(PIECES):
                opened.seek((size - PIECE_BYTES) * piece // (PIECES - 1))
                total.update(opened.read(PIECE_BYTES))
    return total.hexdigest()


def require_same_base(known: str, folder: Path) -> None:
    """Raise RunError where the base is another than the one with this hash; older runs know none."""
    if known and known != hash_model(folder):
        raise RunError(OTHER_BASE)


def library_versions() -> dict[str, str]:
    """Of Python and the libraries that decide what a run gives; nothing is imported for it."""
    found = {"python": platform.python_version()}
    for name in HASHED_LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
