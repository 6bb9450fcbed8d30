"""Files as tables: JSONL, JSON, CSV and text, with every problem named by row and field.

Nothing is changed silently: text stays text, and a row that cannot be read is an error, never skipped.
Knows nothing about what the columns mean (engine.shapes does).
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import DataError

Row = dict[str, Any]
ROW_LIMIT = 5 * 2**20  # bytes
FILE_LIMIT = 512 * 2**20  # bytes; larger files would not fit beside the app
DEPTH_LIMIT = 64
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
SPACE = re.compile(r"[ \t\n\r]*")  # what JSON allows between values


class Table(NamedTuple):
    """A file's rows as they stand in it."""

    name: str  # as the user knows the file
    rows: list[Row]
    columns: list[str]
    notes: list[str]  # what was done to read it, for the user


def read_rows(path: Path, name: str) -> Table:
    """The rows of a file whose type its name's ending tells; raises DataError."""
    suffix = Path(name).suffix.lower()
    if suffix not in (".jsonl", ".json", ".csv", ".tsv", ".txt", ".md"):
        raise DataError(f"'{name}': the file type '{suffix or 'none'}' is not accepted. Use JSONL, JSON, CSV or TXT.")
    size = path.stat().st_size
    if size > FILE_LIMIT:
        raise DataError(f"'{name}' has {size / 2**20:.0f} MB; at most {FILE_LIMIT / 2**20:.0f} MB are read. Split it.")
    if number := _long_line(path, suffix):
        raise DataError(f"'{name}': line {number} is larger than the limit of 5 MB for one row. Split or remove it.")
    notes: list[str] = []
    text = _text(path.read_bytes(), name, notes)
    if not text.strip():
        raise DataError(f"'{name}' is empty. Choose a file with examples in it.")
    if suffix in (".jsonl", ".json"):
        rows = _json(text, name, suffix, notes)
    elif suffix in (".csv", ".tsv"):
        rows = _csv(text, name)
    else:
        rows = [{"text": part.strip()} for part in re.split(r"\n\s*\n", text) if part.strip()]
        notes.append("Read as text: one example per paragraph (an empty line stands between two).")
    if not rows:
        raise DataError(f"'{name}' has no rows: 0 examples found. Add some.")
    _check(rows, name)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return Table(name, rows, columns, notes)


def _long_line(path: Path, suffix: str) -> int:
    """The first line longer than a row may be, or 0. Read line by line: decoding such a file whole takes gigabytes."""
    with path.open("rb") as file:
        start = file.read(64)
        # JSON may stand on one line however long it is, and UTF-16 takes two bytes a letter: both are checked by row.
        if suffix == ".json" or start.startswith((b"\xff\xfe", b"\xfe\xff")):
            return 0
        if suffix == ".jsonl" and start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
            return 0
        file.seek(0)
        number = 1
        while line := file.readline(ROW_LIMIT + 2):
            # A "\r" inside: old line ends, so this is many lines and not one.
            if len(line.rstrip(b"\r\n")) > ROW_LIMIT and b"\r" not in line.rstrip(b"\r\n"):
                return number
            number += 1
    return 0


def _text(data: bytes, name: str, notes: list[str]) -> str:
    """The file as text with plain line ends: UTF-8, or UTF-16 where its first bytes say so."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        notes.append("Read as UTF-16.")
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError:
            raise DataError(f"'{name}' begins as UTF-16 but is damaged. Save it again as UTF-8.") from None
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise DataError(
                f"'{name}': line {line} has bytes that are not UTF-8 text. "
                "Save the file again with the encoding UTF-8, then add it once more."
            ) from None
    if (at := text.find("\0")) >= 0:
        raise DataError(
            f"'{name}': line {text[:at].count(chr(10)) + 1} contains binary data. Is it really a text file?"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


# --- JSON ---


def _json(text: str, name: str, suffix: str, notes: list[str]) -> list[Row]:
    """JSON lines, or one JSON value that holds the rows; told apart by the content, not by the ending."""
    first = text.lstrip()[0]
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    whole = first == "[" or (first == "{" and suffix == ".json" and _is_one_value(text, lines))
    if whole:
        if suffix == ".jsonl":
            notes.append("The file holds one JSON list, not one example per line; read as such.")
        return _array(text, name) if first == "[" else _rows_in(_parse(text, f"'{name}'"), name)
    if suffix == ".json":
        notes.append("The file holds one example per line (JSONL); read as such.")
    rows = []
    for number, line in lines:
        if len(line) > ROW_LIMIT:
            raise DataError(
                f"'{name}': line {number} is larger than the limit of 5 MB for one row. Split or remove it."
            )
        where = f"'{name}': line {number}"
        last = number == lines[-1][0] and len(lines) > 1
        row = _parse(line, where, good=len(lines) - 1 if last else 0)
        if not isinstance(row, dict):
            raise DataError(f'{where} is not an object like {{"prompt": ..., "completion": ...}}. Correct the line.')
        rows.append(row)
    return rows


def _is_one_value(text: str, lines: list[tuple[int, str]]) -> bool:
    """Whether an opening brace begins one value for the whole file rather than one per line."""
    if len(lines) == 1:
        return True
    try:
        json.loads(lines[0][1])
    except (ValueError, RecursionError):
        return True
    return False


def _array(text: str, name: str) -> list[Row]:
    """The rows of one JSON list, read one at a time so that a problem is named by its row."""
    rows: list[Row] = []
    cut = "" if text.rstrip().endswith("]") else " The list has no ']' at its end: the file may have been cut off."
    at = _skip(text, text.index("[") + 1)
    while rows or not text.startswith("]", at):
        where = f"'{name}': row {len(rows) + 1}"
        try:
            row, at = _decoder(where).raw_decode(text, at)
        except RecursionError:
            raise DataError(f"{where} is nested too deeply (the limit is {DEPTH_LIMIT} levels).") from None
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, character {error.colno}: {error.msg}"
            raise DataError(f"{where} is not valid JSON ({place}). Correct it.{cut}") from None
        if not isinstance(row, dict):
            raise DataError(f"{where} is not an object with named fields. Correct or remove it.")
        rows.append(row)
        at = _skip(text, at)
        if text.startswith("]", at):
            break
        if not text.startswith(",", at):
            raise DataError(f"{where} should be followed by ',' or ']'. Correct it.{cut}")
        at = _skip(text, at + 1)
    if text[at + 1 :].strip():
        raise DataError(
            f"'{name}' goes on after the list's closing ']', behind row {len(rows)}. Remove what follows it."
        )
    return rows


def _skip(text: str, at: int) -> int:
    """Where the next JSON value or mark begins."""
    found = SPACE.match(text, at)
    return found.end() if found else at


def _decoder(where: str) -> json.JSONDecoder:
    """A JSON decoder stricter than the library's: no repeated keys, NaN, infinity or endless numbers."""

    def pairs(found: list[tuple[str, Any]]) -> Row:
        row = dict(found)
        if len(row) < len(found):
            keys = [key for key, _ in found]
            again = next(key for key in keys if keys.count(key) > 1)
            raise DataError(f"{where} repeats the key '{again}'. Keep one of them.")
        return row

    def constant(word: str) -> Any:
        raise DataError(f"{where} holds {word}, which is neither text nor a number. Remove or replace it.")

    def integer(digits: str) -> int:
        if len(digits) > 400:
            raise DataError(f"{where} holds a number of {len(digits)} digits. Put it in quotes to keep it as text.")
        return int(digits)

    def number(digits: str) -> float:
        if math.isinf(value := float(digits)):  # 1e999 is not among the library's constants
            raise DataError(f"{where} holds the number {digits[:20]}, which is too large. Put it in quotes.")
        return value

    return json.JSONDecoder(object_pairs_hook=pairs, parse_constant=constant, parse_int=integer, parse_float=number)


def _parse(text: str, where: str, good: int = 0) -> Any:
    """One JSON value; ``good`` is how many lines stand before this one where it is the last."""
    try:
        return _decoder(where).decode(text)
    except RecursionError:
        raise DataError(f"{where} is nested too deeply (the limit is {DEPTH_LIMIT} levels).") from None
    except json.JSONDecodeError as error:
        if good:
            raise DataError(
                f"{where}, the last one, is incomplete; the file may have been cut off. "
                f"Remove that line to use the {good} before it."
            ) from None
        place = f"line {error.lineno}, " if "\n" in text else ""
        raise DataError(
            f"{where} is not valid JSON ({place}character {error.colno}: {error.msg}). Correct it."
        ) from None


def _rows_in(value: Row, name: str) -> list[Row]:
    """The one list of objects that an object holds."""
    lists = [key for key, inner in value.items() if isinstance(inner, list) and inner and isinstance(inner[0], dict)]
    if len(lists) != 1:
        found = ", ".join(lists) or "none"
        raise DataError(f"'{name}' should hold one list of examples; lists found: {found}. Keep exactly one.")
    rows: list[Row] = value[lists[0]]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"'{name}': row {number} is not an object with named fields. Correct or remove it.")
    return rows


# --- CSV ---


def _csv(text: str, name: str) -> list[Row]:
    """Every cell as the text it is; the separator is the one that the header has most of."""
    # Only the header, without what it quotes: a comma inside a cell would mislead.
    header_line = re.sub(r'"[^"]*"', "", text.lstrip("\n").split("\n", 1)[0])
    delimiter = max(",;\t", key=header_line.count)
    csv.field_size_limit(ROW_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    header: list[str] = []
    opened = 1
    try:
        for cells in reader:
            # An empty line; a row of empty cells (",") is a row, whose problem normalise() names.
            if len(cells) < 2 and not "".join(cells).strip():
                opened = reader.line_num + 1
                continue
            if not header:
                header = _header(cells, name)
            elif len(cells) != len(header):
                raise DataError(
                    f"'{name}': row {len(rows) + 1} has {len(cells)} values, the header has {len(header)}. "
                    "Put quotes around text that contains the separator."
                )
            else:
                rows.append(dict(zip(header, cells, strict=True)))
            opened = reader.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise DataError(
                f"'{name}': the quote opened on line {opened} is never closed. Close or remove it."
            ) from None
        if "field larger" in str(error):
            raise DataError(f"'{name}': line {opened} has a cell of more than 5 MB. Split or remove it.") from None
        raise DataError(f"'{name}': line {opened} is not valid CSV ({error}). Check its quotes.") from None
    return rows


def _header(cells: list[str], name: str) -> list[str]:
    header = [cell.strip() for cell in cells]
    if header.count("") > 1:
        raise DataError(f"'{name}': {header.count('')} columns have no name. The first line must name every column.")
    for cell in header:
        if header.count(cell) > 1:
            raise DataError(f"'{name}': the column '{cell}' appears twice. Rename or remove one.")
    return header


# --- all ---


def _check(rows: list[Row], name: str) -> None:
    """What no row may hold, whatever its format."""
    for number, row in enumerate(rows, start=1):
        size = 0
        for text, depth in _texts(row, name, number):
            if "\0" in text:  # written as \\u0000, so the file itself has no such byte
                raise DataError(f"'{name}': row {number} contains binary data (a NUL character). Remove it.")
            if depth > DEPTH_LIMIT:
                raise DataError(f"'{name}': row {number} is nested too deeply (the limit is {DEPTH_LIMIT} levels).")
            if LONE_SURROGATE.search(text):
                raise DataError(
                    f"'{name}': row {number} has a broken character (half of a surrogate pair). Correct it."
                )
            size += len(text) if text.isascii() else len(text.encode())
        if size > ROW_LIMIT:
            raise DataError(f"'{name}': row {number} is larger than the limit of 5 MB for one row. Split or remove it.")


def _texts(value: Any, name: str, number: int) -> Iterable[tuple[str, int]]:
    """Every text in a row with its depth; a stack rather than recursion, since depth is what is checked."""
    stack: list[tuple[Any, int]] = [(value, 0)]
    while stack:
        one, depth = stack.pop()
        if isinstance(one, str):
            yield one, depth
        elif depth > DEPTH_LIMIT:
            yield "", depth
        elif isinstance(one, dict):
            stack += [(inner, depth + 1) for pair in one.items() for inner in pair]
        elif isinstance(one, list):
            stack += [(inner, depth + 1) for inner in one]
