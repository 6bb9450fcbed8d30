"""Files that come with data and hold none of its rows: a report, a manifest, a description."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from engine.data.readers.formats import read_table
from engine.data.readers.table import BadRow, NoRowsError, ReadOptions
from engine.errors import DataError

# Beside data they are never its rows; alone, they are refused with the reason.
UNREAD_SUFFIXES = {
    ".py", ".sh", ".ipynb", ".yaml", ".yml", ".toml", ".lock", ".cfg", ".ini", ".log", ".pdf",
    ".png", ".jpg", ".jpeg", ".gif", ".svg", ".html", ".htm", ".xml", ".docx", ".doc", ".sha256",
    ".md5", ".crc", ".bib", ".cff", ".db", ".tmp", ".zip", ".gz", ".safetensors", ".bin",
    ".webp", ".mp3", ".mp4", ".wav",
}  # fmt: skip
TEXT_SUFFIXES = {".txt", ".md", ".text", ""}
ABOUT_DATA = re.compile(
    r"(?i)(^|[_. -])(report|manifest|stats?|statistics|summary|metadata|meta|config|schema|index|"
    r"log|info|errors?|provenance|checksums?|results?|metrics?|scores?|counts?|vocab|users|"
    r"channels|members|submission)([_. -]|$)"
)
REPORT_SIZE = 5 * 2**20  # bytes: a larger JSON file is no report
FIRST_ROWS = 5

File = tuple[Path, str]  # and its name as the user knows it
Fields = set[str] | None  # of a file's first rows; empty: it holds none; None: not known


def find_companions(files: Sequence[File], options: ReadOptions) -> list[str]:
    """The names of the files that hold no rows, or others than those of the data."""
    unread = [name for _, name in files if Path(name).suffix.lower() in UNREAD_SUFFIXES]
    readable = [(path, name) for path, name in files if name not in unread]
    fields = {name: _first_fields(path, name, options) for path, name in readable}
    known = _row_fields(readable, fields)
    aside = [name for path, name in readable if _is_aside(path, name, fields[name], known)]
    return [*aside, *unread] if known else []


def _first_fields(path: Path, name: str, options: ReadOptions) -> Fields:
    if name.lower().endswith(".json") and path.stat().st_size > REPORT_SIZE:
        return None
    try:
        rows = islice(read_table(path, name, options).rows, FIRST_ROWS)
        return {field for row in rows if not isinstance(row, BadRow) for field in row}
    except NoRowsError:
        return set()
    except DataError:
        return None  # told when the file is read


def _row_fields(files: Sequence[File], fields: Mapping[str, Fields]) -> set[str]:
    """The fields of what holds rows: tables, JSON lines and lists, else the largest file."""
    filled = [(path, name) for path, name in files if fields[name]]
    tables = [name for path, name in filled if not _may_describe(path, name)]
    if not tables:
        tables = [name for _, name in sorted(filled, key=lambda one: -one[0].stat().st_size)][:1]
    return {field for name in tables for field in fields[name] or ()}


def _is_aside(path: Path, name: str, fields: Fields, known: set[str]) -> bool:
    """Whether a file is none of those that hold the rows, whose fields are ``known``."""
    if fields is None:
        return False
    if not fields:
        return True
    described = _may_describe(path, name)
    if described and Path(name).suffix.lower() in TEXT_SUFFIXES and len(known) > len(fields):
        return True
    return described and not fields & known


def _may_describe(path: Path, name: str) -> bool:
    """Whether a file may be about the data, by its kind: a text, or JSON that is no list."""
    suffix = Path(name).suffix.lower()
    if suffix in TEXT_SUFFIXES:
        return True
    if suffix != ".json" or ABOUT_DATA.search(Path(name).stem):
        return bool(ABOUT_DATA.search(Path(name).stem))
    with path.open("rb") as file:
        return not file.read(1000).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
