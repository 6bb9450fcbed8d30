"""Subtitles (SRT, WebVTT and transcripts with times): the words alone, as text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.data.readers.encoding import TextLine, read_lines
from engine.data.readers.plain_text import split_text
from engine.data.readers.table import BadRow, FileRows, ReadOptions

CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})(?:[.,](\d{1,3}))?"
CUE_TIMES = re.compile(rf"\s*{CLOCK}\s*(?:-->|,)\s*{CLOCK}(\s.*)?")
# A line that holds nothing but a time, as transcripts have, or begins with one (lyrics, .lrc).
TIME_ALONE = re.compile(rf"\s*[\[(]?{CLOCK}[\])]?\s*")
LYRICS_TIME = re.compile(r"\s*(?:[\[<]\d{1,3}:\d{2}(?:[.:]\d{1,3})?[\]>]\s*)+")
LYRICS_FIELD = re.compile(r"\[(ar|ti|al|au|by|re|ve|length|offset):.*\]\s*", re.IGNORECASE)
TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>|<\d[\d:.]*>|\{\\[^{}]{0,100}\}")
VTT_BLOCK = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)\b.*")
LEAST_PARTS = 12
SILENCE = 5.0  # seconds without words after which a new paragraph begins
LEAST_TIMES, LEAST_SHARE = 3, 0.15  # lines with times, of all, from which a text is subtitles
Times = tuple[float, float]  # seconds at which a cue begins and ends
NOTE = "Read as subtitles: the times are left out, and the words are joined to text."


def is_subtitles(lines: list[str]) -> bool:
    """Whether the first lines of a text are cues with their times."""
    cues = sum(bool(CUE_TIMES.fullmatch(line)) for line in lines)
    alone = sum(bool(TIME_ALONE.fullmatch(line) and ":" in line) for line in lines)
    lyrics = sum(bool(LYRICS_TIME.match(line)) for line in lines)
    return max(cues, alone, lyrics // 3) >= max(LEAST_TIMES, LEAST_SHARE * len(lines))


def read_subtitles(path: Path, name: str, options: ReadOptions, notes: list[str]) -> FileRows:
    """Yield {"text": ...}: a cue each where lines are wanted, else about ``options.length``."""
    notes.append(NOTE)
    words = [*_spoken_lines(read_lines(path, name, options.encoding))]
    split = options.parts or "length"
    # A short film still makes enough examples.
    length = min(options.length, max(100, sum(len(one.text) for one in words) // LEAST_PARTS))
    for part in split_text(words, split, length):
        yield part if isinstance(part, BadRow) else {"text": part}


def _spoken_lines(lines: Iterable[TextLine]) -> Iterator[TextLine]:
    """The lines that are spoken; an empty one stands where nobody spoke for a while."""
    said, ended = "", None
    for times, body in _cues(lines):
        if times and ended is not None and times[0] - ended > SILENCE:
            yield TextLine(0, "")
        ended = times[1] if times else None
        for line in _without_notes(body):
            text = html.unescape(TAG.sub("", LYRICS_TIME.sub("", line.text))).strip()
            if text and text != said:  # captions that roll repeat the line before
                yield line._replace(text=text)
                said = text


def _cues(lines: Iterable[TextLine]) -> Iterator[tuple[Times | None, list[TextLine]]]:
    """The lines of each cue, with its beginning and end where the file says both."""
    times: Times | None = None
    body: list[TextLine] = []
    timed = False
    for line in lines:
        found = CUE_TIMES.fullmatch(line.text)
        if not found and not TIME_ALONE.fullmatch(line.text):
            body.append(line)
            continue
        if found and body and _is_cue_name(body):
            body.pop()
        if timed:  # else it is what stands above the first cue
            yield times, body
        times, body, timed = None, [], True
        if found:
            parts = found.groups()
            times = _seconds(*parts[:4]), _seconds(*parts[4:8])
    yield times, body


def _is_cue_name(body: list[TextLine]) -> bool:
    """Whether the last line before times is the number or the name of the cue that begins."""
    last = body[-1].text.strip()
    return bool(last) and (last.isdigit() or len(body) == 1 or not body[-2].text.strip())


def _without_notes(body: list[TextLine]) -> Iterator[TextLine]:
    aside = False
    for line in body:
        text = line.text.strip("\ufeff \t")
        aside = bool(text) and (aside or bool(VTT_BLOCK.fullmatch(text)))
        if not aside and not LYRICS_FIELD.fullmatch(text):
            yield line


def _seconds(hours: str | None, minutes: str, seconds: str, part: str | None) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{part or 0}")
