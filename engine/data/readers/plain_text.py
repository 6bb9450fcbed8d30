"""Texts as rows: split by paragraph, by line or by length; and lines that begin with their label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from engine.data.readers.encoding import Line, read_lines
from engine.data.readers.table import TOO_LARGE, Bad, Options, Row

FEW = 4  # parts below which another way of splitting is tried
PEEKED = 20_000  # lines looked at to choose the way
SENTENCE_END = re.compile(
    r"(?<=[.!?\u2026])\s+|(?<=[\u3002\uff01\uff1f])\s*|\n+"
)  # also Chinese and Japanese ends
NOTES = {
    "paragraph": "Read as text: one example per paragraph (an empty line stands between two).",
    "line": "Read as text: one example per line.",
    "length": "Read as text: split into examples of about {length} characters, at the ends of sentences.",
}


def text(path: Path, name: str, options: Options, notes: list[str]) -> Iterator[Row | Bad]:
    """One row {"text": ...} per part."""
    way = options.parts or _way(read_lines(path, name, options.encoding))
    notes.append(NOTES[way].format(length=options.length))
    lines = read_lines(path, name, options.encoding)
    if way == "line":
        for line in lines:
            if line.too_long:
                yield Bad(f"Line {line.number} {TOO_LARGE}")
            elif line.text.strip():
                yield {"text": line.text.strip()}
        return
    for part in _paragraphs(lines) if way == "paragraph" else _lengths(lines, options.length):
        yield {"text": part} if isinstance(part, str) else part


def _way(lines: Iterator[Line]) -> str:
    """Paragraphs where there are some, else lines where there are some, else by length."""
    peeked = list(islice(lines, PEEKED))
    paragraphs = sum(1 for _ in _paragraphs(peeked))
    if paragraphs >= FEW:
        return "paragraph"
    if sum(bool(line.text.strip()) for line in peeked) >= FEW:
        return "line"
    return "paragraph" if paragraphs > 1 else "length"


def _paragraphs(lines: Iterable[Line]) -> Iterator[str | Bad]:
    held: list[str] = []
    for line in lines:
        if line.too_long:
            yield Bad(f"Line {line.number} {TOO_LARGE}")
        elif line.text.strip():
            held.append(line.text)
        elif held:
            yield "\n".join(held).rstrip()
            held = []
    if held:
        yield "\n".join(held).rstrip()


def _lengths(lines: Iterable[Line], length: int) -> Iterator[str | Bad]:
    """Whole sentences up to the length; a longer sentence stands alone."""
    held = ""
    for paragraph in _paragraphs(lines):
        if isinstance(paragraph, Bad):
            yield paragraph
            continue
        for sentence in (
            part for long in SENTENCE_END.split(paragraph) for part in _pieces(long, 2 * length)
        ):
            if held and len(held) + len(sentence) >= length:
                yield held
                held = ""
            held = f"{held} {sentence}".strip()
    if held:
        yield held


def _pieces(sentence: str, most: int) -> Iterator[str]:
    """A sentence; one that is endless is cut between words."""
    while len(sentence) > most:
        at = sentence.rfind(" ", 1, most)
        at = at if at > 0 else most
        yield sentence[:at]
        sentence = sentence[at:].lstrip()
    yield sentence


def labelled(path: Path, name: str, options: Options, notes: list[str]) -> Iterator[Row | Bad]:
    """Lines of a label and a text: ``NUM:dist How far ...`` (TREC) or ``__label__good Nice ...`` (fastText)."""
    notes.append("Read as lines that begin with their label.")
    for line in read_lines(path, name, options.encoding):
        label, _, rest = line.text.strip().partition(" ")
        if not label:
            continue
        if line.too_long:
            yield Bad(f"Line {line.number} {TOO_LARGE}")
        elif label.startswith("__label__"):
            yield {"label": label.removeprefix("__label__"), "text": rest.strip()}
        elif ":" in label:
            coarse, _, fine = label.partition(":")
            yield {"label": coarse, "fine_label": f"{coarse}:{fine}", "text": rest.strip()}
        else:
            yield Bad(f"Line {line.number} does not begin with a label. Correct or remove it.")
