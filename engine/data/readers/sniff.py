"""Which kind of file it is: by its ending and, more trusted, by its first bytes."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import DataError

HEAD = 65_536  # bytes looked at
ACCEPTED = "Use JSONL, JSON, CSV, TSV, Parquet, XLSX, TXT or MD."
ENDINGS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".tab": "csv",
    ".txt": "txt", ".md": "txt", ".text": "txt", ".parquet": "parquet", ".xlsx": "xlsx", ".xlsm": "xlsx",
}  # fmt: skip
ARCHIVES = {".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar", ".zst"}
REFUSED = {
    ".pkl": "a pickle, which can run code when it is opened",
    ".pickle": "a pickle, which can run code when it is opened",
    ".pt": "PyTorch weights, which can run code when they are opened",
    ".pth": "PyTorch weights, which can run code when they are opened",
    ".bin": "binary data",
    ".ckpt": "a checkpoint",
    ".safetensors": "model weights, not examples",
    ".gguf": "model weights, not examples",
    ".arrow": "an Arrow file",
    ".feather": "an Arrow file",
    ".py": "a program, which Hone never runs",
    ".sh": "a program, which Hone never runs",
    ".exe": "a program, which Hone never runs",
    ".ipynb": "a notebook",
    ".doc": "a Word document",
    ".docx": "a Word document",
    ".pdf": "a PDF document",
    ".xls": "an old Excel file",
    ".html": "a web page",
    ".htm": "a web page",
    ".xml": "XML",
}
MAGIC = {
    b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image", b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or an Office file", b"PK\x05\x06": "a ZIP archive", b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive", b"7z\xbc\xaf": "a 7-Zip archive", b"Rar!": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive", b"PAR1": "a Parquet file", b"ARROW1": "an Arrow file",
    b"SQLite format 3": "a SQLite database", b"\x7fELF": "a program", b"MZ": "a program", b"GGUF": "model weights",
    b"\xd0\xcf\x11\xe0": "an old Office file", b"\x93NUMPY": "a NumPy file", b"\x89HDF": "an HDF5 file",
    b"RIFF": "a sound or image file", b"ID3": "a sound file", b"\x80\x02": "a pickle", b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle", b"\x80\x05": "a pickle",
}  # fmt: skip
WANTED = {"parquet": "a Parquet file", "xlsx": "a ZIP archive or an Office file"}
TYPES = {
    "jsonl": "JSONL", "json": "JSON", "csv": "table", "txt": "text", "parquet": "Parquet", "xlsx": "XLSX",
    "labelled": "text",
}  # fmt: skip
FINE = re.compile(r"[A-Za-z]+:[A-Za-z]+ \S")  # TREC: NUM:dist How far is it ...
FASTTEXT = re.compile(r"__label__\S+\s+\S")


def kind_of(path: Path, name: str, notes: list[str], encoding: str = "") -> str:
    """The kind of a file, by which its reader is chosen; raises DataError for what is not accepted.

    Without an encoding only the ending and the first bytes are looked at; with one, text of an unknown ending too.
    """
    suffix = Path(name).suffix.lower()
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head.strip():
        raise DataError(f"'{name}' is empty. Choose a file with examples in it.")
    if suffix in ARCHIVES:
        raise DataError(
            f"'{name}': archives are not accepted. Unpack it and add the files that are in it."
        )
    if suffix in REFUSED:
        raise DataError(
            f"'{name}': this file type is not accepted: it is {REFUSED[suffix]}. {ACCEPTED}"
        )
    found = next((what for magic, what in MAGIC.items() if head.startswith(magic)), "")
    kind = ENDINGS.get(suffix, "")
    wanted = WANTED.get(kind, "")
    if found != wanted and (found or kind in WANTED):
        looks = f"it looks like {found}" if found else "its first bytes are not those of one"
        raise DataError(f"'{name}' is not a {TYPES.get(kind, 'text')} file ({looks}). {ACCEPTED}")
    if not encoding:
        return kind or "txt"
    text = _whole_lines(head.decode(encoding, errors="ignore"))
    if kind in ("jsonl", "json"):
        return _json_kind(text, kind, notes)
    if kind == "txt" or not kind:
        return _text_kind(text, suffix, notes)
    return kind


def _whole_lines(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text[: text.rfind("\n")] if len(text) > HEAD // 4 and "\n" in text else text


def _json_kind(text: str, kind: str, notes: list[str]) -> str:
    """One JSON value or one per line, by the content."""
    text = text.lstrip("\ufeff \n\t")
    if text.startswith("["):
        # "[" may also begin each of many lines; those are not objects, and the reader says so.
        if kind == "jsonl":
            notes.append("The file holds one JSON list, not one example per line; read as such.")
        return "json"
    first, _, rest = text.partition("\n")
    if (
        kind == "json"
        and first.rstrip().endswith("}")
        and first.startswith("{")
        and rest.lstrip().startswith("{")
    ):
        notes.append("The file holds one example per line (JSONL); read as such.")
        return "jsonl"
    return kind


def _text_kind(text: str, suffix: str, notes: list[str]) -> str:
    """Text of an ending that does not say what is in it."""
    rows = [line for line in text.split("\n") if line.strip()]
    begun = [found[0] for row in rows if (found := FINE.match(row) or FASTTEXT.match(row))]
    # Labels come again and again; "Romeo:hello there" in a play begins with many different words.
    if (
        len(rows) > 3
        and len(begun) > 0.98 * len(rows)
        and len({one.split()[0] for one in begun}) <= len(rows) // 2
    ):
        return "labelled"
    if suffix in (".txt", ".md", ".text"):
        return "txt"
    if rows and rows[0].lstrip("\ufeff").startswith("{"):
        return "jsonl"
    if text.lstrip("\ufeff \n").startswith(("[{", "[\n")):
        return "json"
    for mark, what in (("\t", "tabs"), (";", "semicolons"), (",", "commas"), ("|", "bars")):
        counts = {row.count(mark) for row in rows}
        if len(rows) > 1 and len(counts) == 1 and counts != {0}:
            notes.append(f"Read as a table: its columns stand between {what}.")
            return "csv"
    return "txt"
