"""JSON lines and JSON files; repeated keys, NaN, infinity and huge numbers are refused."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from engine.data.readers.chats.people import is_slack_message
from engine.data.readers.encoding import TextLine, read_lines, read_text
from engine.data.readers.exports import plain_export_rows
from engine.data.readers.json_shapes import NOT_AN_OBJECT, plain_rows, rows_of_value
from engine.data.readers.table import TOO_DEEP, TOO_LARGE, BadRow, FileRows, ReadOptions
from engine.data.rows import Row
from engine.errors import DataError
from engine.text import count_of

JSON_SPACE = re.compile(r"[ \t\n\r]*")  # what JSON allows between values


class _InvalidValue(Exception):
    """What is wrong with a value, as the end of a sentence."""


def _unique_keys(found: list[tuple[str, Any]]) -> Row:
    row = dict(found)
    if len(row) < len(found):
        counted = Counter(key for key, _ in found)
        again = next(key for key, times in counted.items() if times > 1)
        raise _InvalidValue(f"repeats the key '{again}'. Keep one of them.")
    return row


def _refuse_constant(word: str) -> Any:
    raise _InvalidValue(f"holds {word}, which is neither text nor a number. Remove or replace it.")


def _short_integer(digits: str) -> int:
    if len(digits) > 400:
        raise _InvalidValue(
            f"holds a number of {len(digits)} digits. Put it in quotes to keep it as text."
        )
    return int(digits)


def _finite_number(digits: str) -> float:
    if math.isinf(value := float(digits)):  # 1e999 is not among the library's constants
        raise _InvalidValue(
            f"holds the number {digits[:20]}, which is too large. Put it in quotes."
        )
    return value


STRICT_JSON = json.JSONDecoder(
    object_pairs_hook=_unique_keys,
    parse_constant=_refuse_constant,
    parse_int=_short_integer,
    parse_float=_finite_number,
)


def read_json_lines(path: Path, name: str, options: ReadOptions, notes: list[str]) -> FileRows:
    """Yield one object per line; those of a known export as plain rows."""
    return plain_export_rows(_read_lines_of_json(path, name, options), name, notes)


def _read_lines_of_json(path: Path, name: str, options: ReadOptions) -> FileRows:
    lines = (line for line in read_lines(path, name, options.encoding) if line.text.strip())
    end = TextLine(0, "")
    good = 0
    for line, following in pairwise(chain(lines, [end])):
        where = f"Line {line.number}"
        if line.too_long:
            yield BadRow(f"{where} {TOO_LARGE}")
            continue
        try:
            row = _decode_line(line.text, where)
        except json.JSONDecodeError as error:
            if good and following is end and _breaks_off(line.text, error):
                yield BadRow(
                    f"{where}, the last one, is incomplete; the file may have been cut off. "
                    f"Before it: {count_of(good, 'good row')}."
                )
            else:
                problem = f"character {error.colno}: {error.msg}"
                yield BadRow(f"{where} is not valid JSON ({problem}). Correct it.")
        else:
            good += isinstance(row, dict)
            yield row


def _decode_line(text: str, where: str) -> Row | BadRow:
    """One line's object; raises JSONDecodeError where it is not JSON at all."""
    try:
        row = STRICT_JSON.decode(text)
    except RecursionError:
        return BadRow(f"{where} {TOO_DEEP}")
    except _InvalidValue as wrong:
        return BadRow(f"{where} {wrong}")
    return row if isinstance(row, dict) else BadRow(f"{where} {NOT_AN_OBJECT}")


def _breaks_off(text: str, error: json.JSONDecodeError) -> bool:
    """Whether a line ends in the middle of a value: it may never have been written completely."""
    at_end = error.pos >= len(text.rstrip()) - 1 or "Unterminated" in error.msg
    return error.pos > 0 and at_end


def read_json_file(path: Path, name: str, options: ReadOptions, notes: list[str]) -> FileRows:
    """Yield the rows of one JSON value: of its list, or of what an object holds."""
    text = read_text(path, name, options.encoding)
    start = _skip_space(text, 0)
    if text.startswith("[", start) and not _is_special_list(text, start):
        rows = _read_array(text, start, name)
    else:
        with _naming_errors(f"'{name}'"):
            values = _decode_values(text, start)
        one = len(values) == 1
        rows = rows_of_value(values[0], name, notes) if one else plain_rows(values)
    return plain_export_rows(rows, name, notes)


def _decode_values(text: str, at: int) -> list[Any]:
    """A file's value; several where objects simply follow each other."""
    values: list[Any] = []
    while not values or text.startswith("{", at):
        value, at = STRICT_JSON.raw_decode(text, at)
        values.append(value)
        at = _skip_space(text, at)
    if at < len(text):
        STRICT_JSON.decode(text)  # says where there is something else
    return values


def _is_special_list(text: str, start: int) -> bool:
    """Whether a list is no list of objects, each a row: of lists, or of a channel's messages."""
    try:
        first, _ = STRICT_JSON.raw_decode(text, _skip_space(text, start + 1))
    except (ValueError, RecursionError, _InvalidValue):
        return False  # told with its row's number
    is_header = isinstance(first, list) and bool(first) and isinstance(first[0], str | dict)
    return is_header or (isinstance(first, dict) and is_slack_message(first))


def _read_array(text: str, start: int, name: str) -> FileRows:
    """Yield the rows of one JSON list, read one at a time so that a problem is named by its row."""
    cut = " The list has no ']' at its end: the file may have been cut off."
    if text.rstrip().endswith("]"):
        cut = ""
    at = _skip_space(text, start + 1)
    number = 0
    while number or not text.startswith("]", at):
        number += 1
        where = f"'{name}': row {number}"
        with _naming_errors(where, f"{TOO_DEEP} Flatten or remove it.", cut):
            row, at = STRICT_JSON.raw_decode(text, at)
        yield row if isinstance(row, dict) else BadRow(f"Row {number} {NOT_AN_OBJECT}")
        at = _skip_space(text, at)
        if text.startswith("]", at):
            break
        if not text.startswith(",", at):
            raise DataError(f"{where} should be followed by ',' or ']'. Correct it.{cut}")
        at = _skip_space(text, at + 1)
    if text[at + 1 :].strip():
        raise DataError(
            f"'{name}' goes on after the list's closing ']', behind row {number}. "
            "Remove what follows it."
        )


def _skip_space(text: str, at: int) -> int:
    """The position of the next JSON value or mark."""
    found = JSON_SPACE.match(text, at)
    return found.end() if found else at


@contextmanager
def _naming_errors(where: str, too_deep: str = TOO_DEEP, cut: str = "") -> Iterator[None]:
    """Turn what is wrong with a value into a DataError that begins with ``where``."""
    try:
        yield
    except RecursionError:
        raise DataError(f"{where} {too_deep}") from None
    except _InvalidValue as wrong:
        raise DataError(f"{where} {wrong}") from None
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}, character {error.colno}: {error.msg}"
        raise DataError(f"{where} is not valid JSON ({problem}). Correct it.{cut}") from None
