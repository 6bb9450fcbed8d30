"""Files written so that a reader sees the old or the new one, whole."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees either the old or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(
            file.fileno()
        )  # else, on some file systems, a power cut leaves the new name and nothing in it
    os.replace(temporary, path)


def write_json(path: Path, value: Any) -> None:
    """The same for a value as JSON."""
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=1))


def link(source: Path, target: Path) -> None:
    """The same file under a second name, for files that are never changed; a copy where that cannot be."""
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


ROOT = Path(__file__).resolve().parent.parent.parent
