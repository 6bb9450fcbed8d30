"""Texts as rows: split by paragraph, line or length; and lines that begin with their label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from engine.data.readers.encoding import TextLine, read_lines
from engine.data.readers.table import TOO_LARGE, BadRow, FileRows, ReadOptions

MIN_PARTS = 4  # with fewer, another way of splitting is tried
SPLIT_LINES = 20_000  # lines looked at to choose how to split
# The second alternative holds Chinese and Japanese ends of sentences.
SENTENCE_END = re.compile(r"(?<=[.!?\u2026])\s+|(?<=[\u3002\uff01\uff1f])\s*|\n+")
SPLIT_NOTES = {
    "paragraph": "Read as text: one example per paragraph (an empty line stands between two).",
    "line": "Read as text: one example per line.",
    "length": "Read as text: split into examples of about {length} characters, "
    "at the ends of sentences.",
}


def read_text_parts(path: Path, name: str, options: ReadOptions, notes: list[str]) -> FileRows:
    """Yield one row {"text": ...} per part."""
    split = options.parts or _choose_split(read_lines(path, name, options.encoding))
    notes.append(SPLIT_NOTES[split].format(length=options.length))
    lines = read_lines(path, name, options.encoding)
    for part in split_text(lines, split, options.length):
        yield {"text": part} if isinstance(part, str) else part


def split_text(lines: Iterable[TextLine], split: str, length: int) -> Iterator[str | BadRow]:
    """The parts of a text, by its lines, its paragraphs or at the ends of sentences."""
    if split == "line":
        return _split_lines(lines)
    if split == "paragraph":
        return _split_paragraphs(lines)
    return _split_by_length(lines, length)


def _choose_split(lines: Iterator[TextLine]) -> str:
    """Paragraphs where there are several, else lines where there are several, else by length."""
    peeked = list(islice(lines, SPLIT_LINES))
    paragraphs = sum(1 for _ in _split_paragraphs(peeked))
    if paragraphs >= MIN_PARTS:
        return "paragraph"
    if sum(bool(line.text.strip()) for line in peeked) >= MIN_PARTS:
        return "line"
    return "paragraph" if paragraphs > 1 else "length"


def _split_lines(lines: Iterable[TextLine]) -> Iterator[str | BadRow]:
    for line in lines:
        if line.too_long:
            yield BadRow(f"Line {line.number} {TOO_LARGE}")
        elif line.text.strip():
            yield line.text.strip()


def _split_paragraphs(lines: Iterable[TextLine]) -> Iterator[str | BadRow]:
    held: list[str] = []
    for line in lines:
        if line.too_long:
            yield BadRow(f"Line {line.number} {TOO_LARGE}")
        elif line.text.strip():
            held.append(line.text)
        elif held:
            yield "\n".join(held).rstrip()
            held = []
    if held:
        yield "\n".join(held).rstrip()


def _split_by_length(lines: Iterable[TextLine], length: int) -> Iterator[str | BadRow]:
    """Yield whole sentences up to the length; a longer sentence stands alone."""
    held = ""
    for paragraph in _split_paragraphs(lines):
        if isinstance(paragraph, BadRow):
            yield paragraph
            continue
        for long in SENTENCE_END.split(paragraph):
            for sentence in _cut_sentence(long, 2 * length):
                if held and len(held) + len(sentence) >= length:
                    yield held
                    held = ""
                held = f"{held} {sentence}".strip()
    if held:
        yield held


def _cut_sentence(sentence: str, most: int) -> Iterator[str]:
    """Yield a sentence, cut between words where it is longer than ``most`` characters."""
    while len(sentence) > most:
        at = sentence.rfind(" ", 1, most)
        at = at if at > 0 else most
        yield sentence[:at]
        sentence = sentence[at:].lstrip()
    yield sentence


def read_labelled_lines(path: Path, name: str, options: ReadOptions, notes: list[str]) -> FileRows:
    """Yield a label and a text per line, as in TREC (``NUM:dist``) or fastText (``__label__x``)."""
    notes.append("Read as lines that begin with their label.")
    for line in read_lines(path, name, options.encoding):
        label, _, rest = line.text.strip().partition(" ")
        if not label:
            continue
        if line.too_long:
            yield BadRow(f"Line {line.number} {TOO_LARGE}")
        elif label.startswith("__label__"):
            yield {"label": label.removeprefix("__label__"), "text": rest.strip()}
        elif ":" in label:
            coarse, _, fine = label.partition(":")
            yield {"label": coarse, "fine_label": f"{coarse}:{fine}", "text": rest.strip()}
        else:
            yield BadRow(f"Line {line.number} does not begin with a label. Correct or remove it.")
