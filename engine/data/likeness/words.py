"""Many texts as numbers: the words of each, so that numpy compares all of them at once."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from array import array
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]
WORDS_COMPARED = 256  # of one text, where there are not too many
FEWEST_COMPARED = 24
TOKENS_COMPARED = 2**23  # of all texts; more would take too much memory
# Scripts that put no spaces between words (Thai, Lao, Burmese, Khmer, kana, Chinese characters):
# each letter counts as a word.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
# Accents, and letters of no width.
ACCENTS = re.compile("[\u0300-\u036f\u00ad\u200b-\u200f\u2060\ufeff]")
TOKEN = re.compile(
    rf"[{UNSPACED}]|[^\W_{UNSPACED}]+|[.!?;:,\n\r…。！？；：，、()\[\]{{}}|–—]+"  # noqa: RUF001  marks
)


class Texts(NamedTuple):
    """The words of all texts in one row of numbers. A text belongs to a row of the data."""

    words: Numbers  # ids
    starts: Numbers  # of each text, in words
    sizes: Numbers  # words of each text
    clauses: Numbers  # starts of the parts between punctuation marks, in words
    rows: Numbers  # the row of each text
    answers: Numbers  # whether it is an answer
    hashes: Numbers  # by word id
    masked: Numbers  # the same, but one for all numbers
    numbers: Numbers  # whether a word is a number, by word id

    def without_answers(self) -> Texts:
        """The questions alone."""
        asked = ~self.answers[self.of_words]
        begins = np.zeros(len(self.words), dtype=bool)
        begins[self.clauses] = True
        sizes = self.sizes[~self.answers]
        return self._replace(
            words=self.words[asked],
            starts=np.cumsum(sizes) - sizes,
            sizes=sizes,
            clauses=np.flatnonzero(begins[asked]),
            rows=self.rows[~self.answers],
            answers=self.answers[~self.answers],
        )

    @property
    def of_words(self) -> Numbers:
        """The text of each word."""
        return np.repeat(np.arange(len(self.starts)), self.sizes)


class TextCollector:
    """Takes in texts one by one."""

    def __init__(self) -> None:
        self._ids: defaultdict[str, int] = defaultdict()
        self._ids.default_factory = self._ids.__len__
        self._tokens, self._sizes = array("I"), array("I")
        self._rows, self._answers = array("q"), array("b")
        self._longest = WORDS_COMPARED

    def expect(self, texts: int) -> None:
        """Prepare for this many more texts: of many texts only the first words are compared."""
        share = (TOKENS_COMPARED - len(self._tokens)) // max(1, texts)
        self._longest = min(WORDS_COMPARED, max(FEWEST_COMPARED, share))

    @property
    def is_full(self) -> bool:
        return len(self._tokens) >= TOKENS_COMPARED

    def add(self, row: int, text: str, is_answer: bool = False) -> None:
        """Add a text of a row; what comes after its first words is not compared."""
        found = TOKEN.findall(plain_letters(text[: 12 * self._longest]))[: self._longest]
        self._tokens.extend(map(self._ids.__getitem__, found))
        self._sizes.append(len(found))
        self._rows.append(row)
        self._answers.append(is_answer)

    def finish(self) -> Texts:
        """All texts that hold a word."""
        known = [*self._ids, "."]
        is_mark = np.array([not token[0].isalnum() for token in known])
        is_number = np.array([not token.isalpha() for token in known]) & ~is_mark
        hashes = mix(np.arange(len(known), dtype=np.uint64))
        tokens = np.array(self._tokens, dtype=np.uint32)
        marks = is_mark[tokens]
        sizes = np.array(self._sizes, dtype=np.int64)
        of_tokens = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[~marks]
        present, starts, counts = np.unique(of_tokens, return_index=True, return_counts=True)
        passed = np.cumsum(marks, dtype=np.int32)[~marks]  # marks before each word
        begins = np.diff(passed, prepend=-1) != 0
        begins[starts] = True
        return Texts(
            words=tokens[~marks],
            starts=starts,
            sizes=counts,
            clauses=np.flatnonzero(begins),
            rows=np.array(self._rows, dtype=np.int64)[present],
            answers=np.array(self._answers, dtype=bool)[present],
            hashes=hashes,
            masked=np.where(is_number, np.uint64(1), hashes),
            numbers=is_number,
        )


def plain_letters(text: str) -> str:
    """A text in lower case, without accents, wide letters and what nobody sees."""
    if text.isascii():
        return text.lower()
    parts = ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", parts).casefold()


def mix(values: Numbers) -> Numbers:
    """Well spread 64-bit numbers, one for each number (the finaliser of SplitMix64)."""
    found = (values + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Numbers = found ^ (found >> np.uint64(31))
    return mixed


def count_each(keys: Numbers) -> Numbers:
    """How often the value of each place stands in all places."""
    order = np.argsort(keys)
    ordered = keys[order]
    begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    counts = np.diff(np.append(begins, len(keys)))
    found = np.empty(len(keys), dtype=np.int32)
    found[order] = np.repeat(counts, counts)
    return found


def distinct(keys: Numbers) -> Numbers:
    """The different values, sorted; np.unique hashes them, which takes 30 times as long."""
    ordered: Numbers = np.sort(keys)
    found: Numbers = ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]
    return found


def sums_between(values: Numbers, starts: Numbers, ends: Numbers) -> Numbers:
    """The sum of the values of each stretch; whole numbers wrap around."""
    running = np.concatenate([np.zeros(1, values.dtype), np.cumsum(values, dtype=values.dtype)])
    found: Numbers = running[ends] - running[starts]
    return found


def text_key(text: str) -> int:
    """A number for a text in any case and with any blanks; 0 for an empty one."""
    words = plain_letters(text).strip(" .!?\n\t").split()
    digest = hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1 if words else 0
