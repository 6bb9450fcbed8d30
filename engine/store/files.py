"""Files and folders written so that a reader sees the old or the new one, whole."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PROJECT_FOLDER = Path(__file__).resolve().parent.parent.parent


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees either the old or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        # Else, on some file systems, a power cut leaves the new name and nothing in it.
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON; a reader sees either the old or the new file, whole."""
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=1))


@contextmanager
def draft_folder(parent: Path) -> Iterator[Path]:
    """A new hidden folder to write into; unless it is moved, it is removed when the block ends."""
    draft = parent / f".draft-{secrets.token_hex(6)}"
    draft.mkdir(parents=True)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def publish_folder(draft: Path, target: Path) -> bool:
    """Give a finished draft its name; False where another process has made that folder first."""
    try:
        draft.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        return False
    return True


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A draft that becomes the target when the block ends: it is there whole or not at all."""
    with draft_folder(target.parent) as draft:
        yield draft
        publish_folder(draft, target)


def remove_whole(folder: Path) -> None:
    """Remove a folder; a removal that is cut off leaves only a hidden ``.deleted-`` folder."""
    with suppress(FileNotFoundError):  # another page has removed it
        doomed = folder.rename(folder.with_name(f".deleted-{secrets.token_hex(4)}"))
        shutil.rmtree(doomed)


def paths_in(folder: Path, pattern: str = "*") -> list[Path]:
    """What is in a folder, in order; nothing in one that is not there or is just being removed."""
    try:
        return sorted(folder.glob(pattern))
    except FileNotFoundError:
        return []


def bytes_below(folder: Path) -> int:
    """Bytes of all files below a folder; others may move files meanwhile."""
    found = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found += Path(parent, name).lstat().st_size
    return found


def link_or_copy(source: Path, target: Path) -> None:
    """A file under a second name, for files that are never changed; a copy without hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def keep_private() -> None:
    """Let nobody else read what this process and its children write from now on."""
    os.umask(0o077)


def close_to_others(paths: Iterable[Path]) -> None:
    """Take everybody else's rights to these files and folders; links stay as they are."""
    for path in paths:
        with suppress(OSError):  # it is not there, or belongs to somebody else
            if path.is_symlink():
                continue
            mode = path.stat().st_mode & 0o777
            if mode & 0o077:
                path.chmod(mode & 0o700)


def last_used(path: Path) -> float:
    """When a file or folder was used last, in seconds since 1970; 0 where it has just gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
