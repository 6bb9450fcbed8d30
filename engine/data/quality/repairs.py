"""What is wrong within the texts of rows and can be put right, each kind on request."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from engine.data.quality import characters, stamps, templated
from engine.data.rows import Row
from engine.spec.run import Fix

NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")  # 1,234
DECIMAL_COMMA = re.compile(r"\s*[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+\s*")


class _Repair(NamedTuple):
    find: Callable[[str], str]  # what of a text is wrong; empty where nothing is
    mend: Callable[[str], str]


IN_TEXTS: dict[Fix, _Repair] = {
    "garbled": _Repair(characters.find_garbled, characters.repair_garbled),
    "invisible": _Repair(characters.find_invisible, characters.remove_invisible),
    "stamps": _Repair(stamps.find_stamp, stamps.remove_stamps),
}
REPAIRS: tuple[Fix, ...] = (*IN_TEXTS, "turns", "commas")


def repair_row(
    row: Row, fixes: Collection[Fix], is_label: bool
) -> tuple[Row | None, dict[Fix, str]]:
    """The row with what the chosen fixes mend, and what was found in it, by its fix.

    None in place of a row of which nothing is left, or whose marks make no conversation.
    """
    found: dict[Fix, str] = {}
    made: Row | None = row
    for fix, repair in IN_TEXTS.items():
        texts = _texts(row)
        if example := next(filter(None, map(repair.find, texts)), ""):
            found[fix] = example
            if fix in fixes:
                row = _with_texts(row, list(map(repair.mend, texts)))
                made = row if all(map(str.strip, _texts(row))) else None
    if example := templated.find_marks(row):
        found["turns"] = example
        if "turns" in fixes and made:
            made = templated.without_marks(made)
    if is_label and made and DECIMAL_COMMA.fullmatch(str(made.get("completion", ""))):
        found["commas"] = str(made["completion"])
        if "commas" in fixes:
            made = made | {"completion": with_decimal_point(str(made["completion"]))}
    return made, found


def with_decimal_point(number: str) -> str:
    """1.234,5 as 1234.5."""
    return number.strip().replace(".", "").replace(",", ".")


def has_lost_letter(row: Row) -> bool:
    """Whether a letter was replaced by a question mark in a diamond when the text was saved."""
    return any(characters.LOST in text for text in _texts(row))


def _texts(row: Row) -> list[str]:
    """The texts of a row, in an order that ``_with_texts`` knows."""
    if "messages" in row:
        found = [turn["content"] for turn in row["messages"] if turn["content"]]
    else:
        found = [
            row[key] for key in ("prompt", "completion", "text") if isinstance(row.get(key), str)
        ]
    return [*found, row["rejected"]] if isinstance(row.get("rejected"), str) else found


def _with_texts(row: Row, texts: list[str]) -> Row:
    rest = iter(texts)
    made = dict(row)
    if "messages" in row:
        made["messages"] = [
            turn | {"content": next(rest)} if turn["content"] else turn for turn in row["messages"]
        ]
    else:
        for key in ("prompt", "completion", "text"):
            if isinstance(row.get(key), str):
                made[key] = next(rest)
    if isinstance(row.get("rejected"), str):
        made["rejected"] = next(rest)
    return made
