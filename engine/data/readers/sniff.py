"""Which format a file has: by its suffix and, more trusted, by its first bytes."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from engine.data.readers.chats.subtitles import is_subtitles
from engine.data.readers.chats.whatsapp import is_whatsapp
from engine.data.readers.table import Format
from engine.errors import DataError

SNIFFED_BYTES, SNIFFED_LINES = 65_536, 300
ACCEPTED = "Use JSONL, JSON, CSV, TSV, Parquet, XLSX, TXT or MD."
ARCHIVES = {".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar", ".zst"}
REFUSED_TYPES = {
    "a pickle, which can run code when it is opened": (".pkl", ".pickle"),
    "PyTorch weights, which can run code when they are opened": (".pt", ".pth"),
    "binary data": (".bin",),
    "a checkpoint": (".ckpt",),
    "model weights, not examples": (".safetensors", ".gguf"),
    "an Arrow file": (".arrow", ".feather"),
    "a program, which Hone never runs": (".py", ".sh", ".exe"),
    "a notebook": (".ipynb",),
    "a Word document": (".doc", ".docx"),
    "a PDF document": (".pdf",),
    "an old Excel file": (".xls",),
    "a web page": (".html", ".htm"),
    "XML": (".xml",),
}
MAGIC = {
    b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image",
    b"%PDF": "a PDF document", b"PK\x03\x04": "a ZIP archive or an Office file",
    b"PK\x05\x06": "a ZIP archive", b"\x1f\x8b": "a gzip archive", b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive", b"7z\xbc\xaf": "a 7-Zip archive", b"Rar!": "a RAR archive",
    b"(\xb5/\xfd": "a Zstandard archive", b"PAR1": "a Parquet file", b"ARROW1": "an Arrow file",
    b"SQLite format 3": "a SQLite database", b"\x7fELF": "a program", b"MZ": "a program",
    b"GGUF": "model weights", b"\xd0\xcf\x11\xe0": "an old Office file",
    b"\x93NUMPY": "a NumPy file", b"\x89HDF": "an HDF5 file", b"RIFF": "a sound or image file",
    b"ID3": "a sound file", b"\x80\x02": "a pickle", b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle", b"\x80\x05": "a pickle",
}  # fmt: skip
# TREC's (NUM:dist How far is it ...) and fastText's (__label__good Nice one).
LABELLED_LINE = re.compile(r"[A-Za-z]+:[A-Za-z]+ \S|__label__\S+\s+\S")
TABLE_MARKS = (("\t", "tabs"), (";", "semicolons"), (",", "commas"), ("|", "bars"))


def check_file_type(path: Path, name: str, declared: Format | None) -> None:
    """Raise DataError for a bad suffix or bad first bytes; ``declared`` is the suffix's format."""
    suffix = Path(name).suffix.lower()
    head = _read_head(path)
    if not head.strip():
        raise DataError(f"'{name}' is empty. Choose a file with examples in it.")
    if suffix in ARCHIVES:
        raise DataError(
            f"'{name}': archives are not accepted. Unpack it and add the files that are in it."
        )
    if refused := next((what for what, all_ in REFUSED_TYPES.items() if suffix in all_), ""):
        raise DataError(f"'{name}': this file type is not accepted: it is {refused}. {ACCEPTED}")
    found = next((what for magic, what in MAGIC.items() if head.startswith(magic)), "")
    if found != (declared.magic if declared else ""):
        looks = f"it looks like {found}" if found else "its first bytes are not those of one"
        title = declared.title if declared else "text"
        raise DataError(f"'{name}' is not a {title} file ({looks}). {ACCEPTED}")


def detect_kind(path: Path, declared: str, encoding: str, notes: list[str]) -> str:
    """Return the kind of a text file by its content; ``declared`` is its suffix's kind or empty."""
    text = _read_head(path).decode(encoding, errors="ignore")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > SNIFFED_BYTES // 4:  # then the last line may have been cut off
        text = text.rpartition("\n")[0] or text
    if declared in ("jsonl", "json"):
        return _json_kind(text, declared, notes)
    if declared in ("txt", ""):
        return _text_kind(text, declared, notes)
    return declared


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SNIFFED_BYTES)


def _json_kind(text: str, declared: str, notes: list[str]) -> str:
    """Return "json" for one JSON value, "jsonl" for one per line, whatever the suffix says."""
    text = text.lstrip("\ufeff \n\t")
    if text.startswith("["):
        # "[" may also begin each of many lines; those are not objects, and the reader says so.
        if declared == "jsonl":
            notes.append("The file holds one JSON list, not one example per line; read as such.")
        return "json"
    first, _, rest = text.partition("\n")
    one_object = first.startswith("{") and first.rstrip().endswith("}")
    if declared == "json" and one_object and rest.lstrip().startswith("{"):
        notes.append("The file holds one example per line (JSONL); read as such.")
        return "jsonl"
    return declared


def _text_kind(text: str, declared: str, notes: list[str]) -> str:
    """Return the kind of a text whose suffix does not say what is in it."""
    rows = [line for line in text.split("\n") if line.strip()]
    kinds = (
        (is_whatsapp, "whatsapp"),
        (is_subtitles, "subtitles"),
        (_begins_with_labels, "labelled"),
    )
    special = next((kind for looks_so, kind in kinds if looks_so(rows[:SNIFFED_LINES])), "")
    if special:
        return special
    if rows and rows[0].lstrip("\ufeff").startswith("{") and (not declared or _are_objects(rows)):
        return "jsonl"
    if not declared and text.lstrip("\ufeff \n").startswith(("[{", "[\n")):
        return "json"
    # A text may have a comma in each line, but hardly a tab.
    for mark, what in TABLE_MARKS[:1] if declared else TABLE_MARKS:
        counts = {row.count(mark) for row in rows}
        alike = len(rows) > 1 and len(counts) == 1 and counts != {0}
        if alike or (mark == "\t" and _are_records(rows)):
            notes.append(f"Read as a table: its columns stand between {what}.")
            return "csv"
    return "txt"


def _are_records(rows: list[str]) -> bool:
    """Whether all records between tabs are as wide as each other; cells may hold several lines."""
    if not rows or "\t" not in rows[0]:
        return False
    try:
        widths = [len(cells) for cells in csv.reader(rows, delimiter="\t", strict=True)]
    except csv.Error:
        return False
    return len(widths) > 1 and len(set(widths[:-1])) == 1  # the last may be cut off


def _are_objects(rows: list[str]) -> bool:
    """Whether each line of a text is an object as JSON."""
    lines = [row.strip("\ufeff \t") for row in rows[:SNIFFED_LINES]]
    return all(line.startswith('{"') and line.endswith("}") for line in lines)


def _begins_with_labels(rows: list[str]) -> bool:
    labels = [found[0].split()[0] for row in rows if (found := LABELLED_LINE.match(row))]
    if len(rows) <= 3 or len(labels) <= 0.98 * len(rows):
        return False
    # Labels repeat; "Romeo:hello there" in a play begins with many different words.
    return len(set(labels)) <= len(rows) // 2
