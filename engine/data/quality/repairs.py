"""What is wrong within the texts of rows and can be put right, each kind on request."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from engine.data.quality import characters, templated
from engine.data.rows import Row
from engine.spec.run import Fix

NUMBER_LABEL = re.compile(r"[+-]?\d+(?:[.,\s']\d+)*")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")  # 1,234
DECIMAL_COMMA = re.compile(r"\s*[+-]?(?:\d{1,3}(?:[.\s']\d{3})+|\d+),\d+\s*")
# Dates and times that a chat export or subtitles put before what was said.
_DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}"
_TIME = r"\d{1,2}[:.h]\d{2}(?:[:.]\d{2})?(?:[ \u00a0\u202f]?[AaPp]\.?[ ]?[Mm]\.?)?"
_BEFORE_NAME = r"(?=[^\n:<]{1,40}:[ \t])"
STAMPS = re.compile(
    # WhatsApp: 12.03.24, 14:22 - Anna: ...   [3/12/24, 2:22:05 PM] Anna: ...
    rf"^[\u200e\ufeff]*\[?{_DATE},?[ \u00a0\u202f]+{_TIME}\]?[ ]*[-\u2013]?[ ]*{_BEFORE_NAME}"
    # A log of a chat: [14:22:05] <anna> ...   2024-03-12 14:22 <anna> ...
    rf"|^\[?(?:{_DATE}[ T,]+)?{_TIME}\]?[ ]+(?=<[^>\n]{{1,40}}>)"
    # Telegram, copied: Anna, [12.03.24 14:22]
    rf"|,[ ]\[{_DATE}[, ]+{_TIME}\](?=:?\n)"
    # LINE and Zoom: 14:22 TAB Anna TAB ...   14:22:05 From Anna to Everyone:   and KakaoTalk:
    # [Anna] [\uc624\ud6c4 2:22] ...
    rf"|^{_TIME}(?:\t[ ]*(?:From[ ]+)?|[ ]+From[ ]+)(?=\S)"
    rf"|(?<=\])[ ]\[(?:\uc624\uc804[ ]|\uc624\ud6c4[ ])?{_TIME}\](?=[ ])"
    # iMessage, exported: a line of its own
    rf"|^[A-Z][a-z]{{2,8}}[ ]\d{{1,2}},[ ]\d{{4}},?[ ]+{_TIME}[ \t]*\n"
    # Subtitles: 12 (a line of its own), 00:00:01,000 --> 00:00:04,000
    r"|(?:^\d{1,5}[ \t]*\n)?^[ \t]*(?:\d{1,2}:)?\d{2}:\d{2}[.,]\d{1,3}[ \t]*-->[ \t]*(?:\d{1,2}:)?"
    r"\d{2}:\d{2}[.,]\d{1,3}[^\n]*\n?"
    # Lyrics and transcripts: [00:12.00] ...   (00:12:01) ...
    r"|^[\[(](?:\d{1,2}:)?\d{1,2}:\d{2}(?:\.\d{1,3})?[\])][ \t]*",
    re.MULTILINE,
)
FIRST_SIGN = re.compile(r"\d[:.h]\d\d")  # without it there is no time


def find_stamp(text: str) -> str:
    """The first time stamp of a text with what follows; empty for none."""
    match = STAMPS.search(text) if FIRST_SIGN.search(text) else None
    return " ".join(text[match.start() : match.end() + 40].split()) if match else ""


def remove_stamps(text: str) -> str:
    """The text without them; names stay."""
    return STAMPS.sub("", text).strip()


class _Repair(NamedTuple):
    find: Callable[[str], str]  # what of a text is wrong; empty where nothing is
    mend: Callable[[str], str]


IN_TEXTS: dict[Fix, _Repair] = {
    "garbled": _Repair(characters.find_garbled, characters.repair_garbled),
    "invisible": _Repair(characters.find_invisible, characters.remove_invisible),
    "stamps": _Repair(find_stamp, remove_stamps),
}
REPAIRED_FIELDS = ("prompt", "completion", "text", "rejected")
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
        if example := next(filter(None, map(repair.find, _texts(row))), ""):
            found[fix] = example
            if fix in fixes:
                row = _with_texts(row, repair.mend)
                made = row if all(map(str.strip, _texts(row))) else None
    if example := templated.find_marks(row):
        found["turns"] = example
        if "turns" in fixes and made:
            made = templated.without_marks(made)
    if is_label and made and DECIMAL_COMMA.fullmatch(str(made.get("completion", ""))):
        found["commas"] = str(made["completion"])
        if "commas" in fixes:
            number = re.sub(r"[.\s']", "", str(made["completion"])).replace(",", ".")
            made = made | {"completion": number}  # 1.234,5 as 1234.5
    return made, found


def has_lost_letter(row: Row) -> bool:
    """Whether a letter was replaced by a question mark in a diamond when the text was saved."""
    return any(characters.LOST in text for text in _texts(row))


def _texts(row: Row) -> list[str]:
    """What is said in a row, without empty turns."""
    turns = [turn["content"] for turn in row.get("messages", ()) if turn["content"]]
    return turns + [row[name] for name in REPAIRED_FIELDS if isinstance(row.get(name), str)]


def _with_texts(row: Row, mend: Callable[[str], str]) -> Row:
    """The row with each text as ``mend`` makes it."""
    made = row | {
        name: mend(row[name]) for name in REPAIRED_FIELDS if isinstance(row.get(name), str)
    }
    if "messages" in row:
        made["messages"] = [turn | {"content": mend(turn["content"])} for turn in row["messages"]]
    return made
