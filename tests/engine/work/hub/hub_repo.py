"""A repository of the stand-in for the Hub, and the bytes of its files."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def git_hash(data: bytes) -> str:
    """As git hashes a file."""
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


@dataclass
class Repo:
    """One repository: its files by branch, and how it is to behave."""

    kind: str  # datasets or models
    id: str
    branches: dict[str, dict[str, bytes]]
    card: dict[str, Any] = field(default_factory=dict)
    gated: bool | str = False  # True: auto
    private: bool = False
    # File -> the byte at which every connection breaks.
    cut: dict[str, int] = field(default_factory=dict)
    # Of its page: tags, downloads, library_name, pipeline_tag ...
    more: dict[str, Any] = field(default_factory=dict)
    large: str = "no file"  # how the names of large files end
    slow: float = 0.0  # seconds between pieces of 64 kB

    def find(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """(commit, files) of a branch or a commit."""
        for branch, files in self.branches.items():
            hashes = [(one, git_hash(files[one])) for one in sorted(files)]
            sha = hashlib.sha1(f"{self.id} {branch} {hashes}".encode()).hexdigest()
            if revision in (branch, sha):
                return sha, files
        return None

    def listed(self, path: str, data: bytes) -> dict[str, Any]:
        """What a page tells of a file, if asked; of a large one git keeps a pointer only."""
        if not path.endswith(self.large):
            return {"size": len(data), "blobId": git_hash(data)}
        large = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134}
        return {"size": len(data), "blobId": git_hash(b"a pointer"), "lfs": large}


def parquet(rows: dict[str, list[Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(rows), sink, compression="none")
    return sink.getvalue()


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
