"""Dates and times that a chat export or subtitles put before what was said."""

from __future__ import annotations

import re

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
    # Subtitles: 12 (a line of its own), 00:00:01,000 --> 00:00:04,000
    r"|(?:^\d{1,5}[ \t]*\n)?^[ \t]*(?:\d{1,2}:)?\d{2}:\d{2}[.,]\d{1,3}[ \t]*-->[ \t]*(?:\d{1,2}:)?"
    r"\d{2}:\d{2}[.,]\d{1,3}[^\n]*\n?"
    # Lyrics and transcripts: [00:12.00] ...   (00:12:01) ...
    r"|^[\[(](?:\d{1,2}:)?\d{1,2}:\d{2}(?:\.\d{1,3})?[\])][ \t]*",
    re.MULTILINE,
)
FIRST_SIGN = re.compile(r"\d[:.h]\d\d")  # without it there is no time


def find_stamp(text: str) -> str:
    """The first such time of a text with what follows; empty for none."""
    match = STAMPS.search(text) if FIRST_SIGN.search(text) else None
    return " ".join(text[match.start() : match.end() + 40].split()) if match else ""


def remove_stamps(text: str) -> str:
    """The text without them; names stay."""
    return STAMPS.sub("", text).strip()
