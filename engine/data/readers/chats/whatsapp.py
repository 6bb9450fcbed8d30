"""Chats exported by WhatsApp as text: a date, a time and a name before each message.

The form of the date follows the telephone's language; a message may run over several lines.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from engine.data.readers.chats.conversations import LONGEST_NAME, Said, conversation_rows
from engine.data.readers.encoding import TextLine, read_lines
from engine.data.readers.table import BadRow, FileRows, ReadOptions
from engine.text import count_of

# Marks of writing direction.
MARK_LETTERS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
MARKS, AROUND = f"[{MARK_LETTERS}]*", f" \n{MARK_LETTERS}"
# 31.12.24, 22:00 | 12/31/24, 10:00 PM | 2024-12-31 22:00:05 | 24/12/31 下午10:00 | 31/12/24 à 22:00
DATE_MARK = rf"{MARKS}[./\-年년月월]{MARKS}\s?"  # the numbers of a date
LINE_STAMP = (
    rf"(?P<date>\d{{1,4}}{DATE_MARK}\d{{1,2}}{DATE_MARK}\d{{1,4}}[{MARK_LETTERS}.日일]*)"
    r"[^\d\n]{0,14}?(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?:[:.]\d{2})?[^\d\n\]\-–—:]{0,14}?"
)
BARE_END = r"(?:\s[-–—]\s|,\s(?=.{1,60} : ))"
LINE = re.compile(rf"{MARKS}(?P<open>\[)?{LINE_STAMP}(?(open)\]\s|{BARE_END})(?P<rest>.*)")
SENDER = re.compile(rf"(?P<who>[^:\n]{{1,{LONGEST_NAME}}}?):\s(?P<text>.*)")
MORNING = re.compile(r"(?i)a\s?\.?\s?m|π\.?μ|上午|凌晨|오전|午前|ص")
AFTERNOON = re.compile(r"(?i)p\s?\.?\s?m|μ\.?μ|下午|晚上|오후|午後|م")
# What stands in place of a picture, a call or a deleted message.
NO_TEXT = re.compile(
    r"<[^<>\n]{3,60}>"  # <Media omitted> in any language, <attached: ...>
    r"|\S+\.\w{2,4} \([^()\n]{3,40}\)"  # IMG-1.jpg (file attached)
    r"|(?i:null|missed (voice|video) call.*|(voice|video) call.*"
    r"|(this message was|you) deleted( this message)?\.?"
    r"|(diese nachricht wurde|du hast diese nachricht) gelöscht\.?"
    r"|(se eliminó|eliminaste) este mensaje\.?|(ce message a été|vous avez) supprimé.*"
    r"|(essa|esta) mensagem foi apagada\.?|(questo messaggio è stato|hai) eliminato.*"
    r"|waiting for this message.*|.{0,20}\b(image|video|audio|sticker|gif|document) omitted)"
)
EDITED = re.compile(rf"\s*{MARKS}<[^<>\n]{{3,40}}>\s*$")
LEAST_SHARE, LEAST_LINES = 0.4, 4  # of the lines that begin as messages do


class _Line(NamedTuple):
    """A line that begins a message or a notice."""

    numbers: tuple[int, ...]  # of its date, in the file's order
    minute: int  # of the day
    rest: str


def is_whatsapp(lines: list[str]) -> bool:
    """Whether the first lines of a text are those of such a chat."""
    begun = filter(None, map(_begin, lines))
    said = [found for one in begun if (found := SENDER.match(one.rest))]
    enough = len(said) >= max(LEAST_LINES, LEAST_SHARE * len(lines))
    return enough and len({one["who"] for one in said}) < max(3, len(said) // 2 + 1)


def read_whatsapp(path: Path, name: str, options: ReadOptions, notes: list[str]) -> FileRows:
    """Yield the conversations of one chat."""
    lines = [*_messages(read_lines(path, name, options.encoding))]
    bad = [one for one in lines if isinstance(one, BadRow)]
    begun = [one for one in lines if isinstance(one, _Line)]
    dates = [one.numbers for one in begun]
    # Whether 03/04/24 is in April: as the file's other dates say, else yes.
    day_first = not any(len(one) == 3 and one[0] <= 12 < one[1] <= 31 for one in dates)
    written: list[Said] = []
    for one in begun:
        found = SENDER.match(one.rest)
        text = one.rest[found.start("text") :] if found else ""
        # The program's own words begin with a mark of direction, whatever the language.
        if not found or text.startswith("\u200e") or NO_TEXT.fullmatch(text.strip(AROUND)):
            continue
        who = found["who"].strip(f"~\u202f\u00a0{AROUND}")
        if who and (text := EDITED.sub("", text).strip(AROUND)):
            written.append(Said(who, text, _time_of(one, day_first)))
    if silent := len(begun) - len(written):
        notes.append(
            f"{count_of(silent, 'notice or message', 'notices or messages')} without text "
            "(pictures, calls, deleted ones) left out."
        )
    yield from bad
    yield from conversation_rows([written], name, notes)


def _messages(lines: Iterable[TextLine]) -> Iterator[_Line | BadRow]:
    """Messages and notices, with the lines that belong to each."""
    held: _Line | None = None
    for line in lines:
        if line.too_long:
            yield BadRow(f"Line {line.number} is larger than the limit of 5 MB. Remove it.")
            continue
        begun = _begin(line.text)
        if begun:
            if held:
                yield held
            held = begun
        elif held:
            held = held._replace(rest=f"{held.rest}\n{line.text}")
    if held:
        yield held


def _begin(line: str) -> _Line | None:
    found = LINE.match(line[:300])
    if not found:
        return None
    stamp, hours = line[found.start("date") : found.start("rest")], int(found["hour"])
    if AFTERNOON.search(stamp):
        hours = hours % 12 + 12
    elif MORNING.search(stamp):  # half past midnight is 12:30 AM
        hours %= 12
    numbers = tuple(map(int, re.findall(r"\d+", found["date"])))
    return _Line(numbers, hours * 60 + int(found["minute"]), line[found.start("rest") :])


def _time_of(line: _Line, day_first: bool) -> float | None:
    if len(line.numbers) != 3:
        return None
    first, second, third = line.numbers
    if first > 31:
        year, month, day = first, second, third
    else:
        year, day, month = (third, first, second) if day_first else (third, second, first)
    try:
        date = datetime.date(year + 2000 if year < 100 else year, month, day)
    except ValueError:
        return None
    return (date.toordinal() * 1440 + line.minute) * 60.0
