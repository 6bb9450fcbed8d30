"""JSON lines and JSON files, stricter than the library: no repeated keys, NaN, infinity or endless numbers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.data.readers.encoding import read_lines, read_text
from engine.data.readers.table import DEPTH_LIMIT, TOO_LARGE, Bad, Options, Row
from engine.errors import DataError

SPACE = re.compile(r"[ \t\n\r]*")  # what JSON allows between values
DEEP = f"is nested too deeply (the limit is {DEPTH_LIMIT} levels)."
NOT_AN_OBJECT = 'is not an object like {"prompt": ..., "completion": ...}. Correct or remove it.'


class _Wrong(Exception):
    """What is wrong with a value, as the end of a sentence."""


def _pairs(found: list[tuple[str, Any]]) -> Row:
    row = dict(found)
    if len(row) < len(found):
        keys = [key for key, _ in found]
        again = next(key for key in keys if keys.count(key) > 1)
        raise _Wrong(f"repeats the key '{again}'. Keep one of them.")
    return row


def _constant(word: str) -> Any:
    raise _Wrong(f"holds {word}, which is neither text nor a number. Remove or replace it.")


def _integer(digits: str) -> int:
    if len(digits) > 400:
        raise _Wrong(
            f"holds a number of {len(digits)} digits. Put it in quotes to keep it as text."
        )
    return int(digits)


def _number(digits: str) -> float:
    if math.isinf(value := float(digits)):  # 1e999 is not among the library's constants
        raise _Wrong(f"holds the number {digits[:20]}, which is too large. Put it in quotes.")
    return value


STRICT = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_integer, parse_float=_number
)


def json_lines(path: Path, name: str, options: Options, notes: list[str]) -> Iterator[Row | Bad]:
    """One object per line."""
    held: Bad | None = None  # a bad row waits: the last of a file means that the file was cut off
    good = 0
    for line in read_lines(path, name, options.encoding):
        if not line.text.strip():
            continue
        if held:
            yield held
            held = None
        where = f"Line {line.number}"
        if line.too_long:
            yield Bad(f"{where} {TOO_LARGE}")
            continue
        try:
            row = STRICT.decode(line.text)
        except RecursionError:
            yield Bad(f"{where} {DEEP}")
        except _Wrong as wrong:
            yield Bad(f"{where} {wrong}")
        except json.JSONDecodeError as error:
            # A line that breaks off at its very end may be one that was never written whole.
            if (
                good
                and error.pos
                and (error.pos >= len(line.text.rstrip()) - 1 or "Unterminated" in error.msg)
            ):
                text = f"{where}, the last one, is incomplete; the file may have been cut off. "
                held = Bad(
                    text + f"{good} good row{'s stand' if good > 1 else ' stands'} before it."
                )
            else:
                yield Bad(
                    f"{where} is not valid JSON (character {error.colno}: {error.msg}). Correct it."
                )
        else:
            if isinstance(row, dict):
                good += 1
                yield row
            else:
                yield Bad(f"{where} {NOT_AN_OBJECT}")
    if held:
        yield held


def json_whole(path: Path, name: str, options: Options, notes: list[str]) -> Iterator[Row | Bad]:
    """The rows of one JSON list, or of the one list that an object holds."""
    text = read_text(path, name, options.encoding)
    start = _skip(text, 0)
    if text.startswith("[", start):
        yield from _array(text, start, name)
    else:
        yield from _rows_in(_value(text, name), name, notes)


def _array(text: str, start: int, name: str) -> Iterator[Row | Bad]:
    """The rows of one JSON list, read one at a time so that a problem is named by its row."""
    cut = (
        ""
        if text.rstrip().endswith("]")
        else " The list has no ']' at its end: the file may have been cut off."
    )
    at = _skip(text, start + 1)
    number = 0
    while number or not text.startswith("]", at):
        number += 1
        where = f"'{name}': row {number}"
        try:
            row, at = STRICT.raw_decode(text, at)
        except RecursionError:
            raise DataError(f"{where} {DEEP} Flatten or remove it.") from None
        except _Wrong as wrong:
            raise DataError(f"{where} {wrong}") from None
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, character {error.colno}: {error.msg}"
            raise DataError(f"{where} is not valid JSON ({place}). Correct it.{cut}") from None
        yield row if isinstance(row, dict) else Bad(f"Row {number} {NOT_AN_OBJECT}")
        at = _skip(text, at)
        if text.startswith("]", at):
            break
        if not text.startswith(",", at):
            raise DataError(f"{where} should be followed by ',' or ']'. Correct it.{cut}")
        at = _skip(text, at + 1)
    if text[at + 1 :].strip():
        raise DataError(
            f"'{name}' goes on after the list's closing ']', behind row {number}. Remove what follows it."
        )


def _skip(text: str, at: int) -> int:
    """Where the next JSON value or mark begins."""
    found = SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, name: str) -> Any:
    try:
        return STRICT.decode(text)
    except RecursionError:
        raise DataError(f"'{name}' {DEEP}") from None
    except _Wrong as wrong:
        raise DataError(f"'{name}' {wrong}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, character {error.colno}: {error.msg}"
        raise DataError(f"'{name}' is not valid JSON ({place}). Correct it.") from None


def _rows_in(value: Any, name: str, notes: list[str]) -> Iterator[Row | Bad]:
    """The one list of objects that an object holds; an object that is itself an example is one row."""
    if not isinstance(value, dict):
        raise DataError(
            f"'{name}' holds one value, not a list of examples. Put the examples into a list: [ ... ]."
        )
    lists = [
        key
        for key, inner in value.items()
        if isinstance(inner, list) and inner and isinstance(inner[0], dict)
    ]
    if len(lists) != 1 or "messages" in lists or "conversations" in lists:
        if lists:
            found = ", ".join(map(repr, lists))
            raise DataError(
                f"'{name}' should hold one list of examples; lists found: {found}. Keep exactly one."
            )
        raise DataError(
            f"'{name}' holds no list of examples. Put the examples into a list: [ {{...}}, {{...}} ], or use JSONL."
        )
    notes.append(f"The rows are those of the list '{lists[0]}'.")
    for number, row in enumerate(value[lists[0]], start=1):
        yield row if isinstance(row, dict) else Bad(f"Row {number} {NOT_AN_OBJECT}")
