"""Near duplicates: MinHash over shingles of three words (Broder 1997), with rensa."""

from __future__ import annotations

import re

from rensa import RMinHash, RMinHashLSH

PERMUTATIONS = 128
BANDS = 16  # of 8 hashes: pairs from a similarity of about 0.7 are looked at
MIN_JACCARD = 0.8  # share of common shingles from which rows count as nearly the same
COMPARED_ROWS = 100_000  # rows compared; more would take too much memory
LONG_ANSWER = 12  # words from which an answer weighs enough by itself
COMPARED_LETTERS = 20_000  # of a row that are compared
WORD = re.compile(r"\w+")


class NearDuplicates:
    """Groups rows as they come; a group is named by the number of its first row."""

    def __init__(self) -> None:
        self._index = RMinHashLSH(threshold=0.7, num_perm=PERMUTATIONS, num_bands=BANDS)
        self._hashes: list[RMinHash] = []
        self._group: list[int] = []
        self._answer: list[int] = []  # a key of each short answer

    def add(self, text: str, answer: str = "") -> int:
        """Add a row; return its group: that of the first row it nearly equals, or a new one.

        Rows with short answers must have the same one: they often share a long instruction and
        little else.
        """
        number = len(self._hashes)
        made = RMinHash(num_perm=PERMUTATIONS, seed=42)
        made.update(shingles(text[:COMPARED_LETTERS]))
        words = WORD.findall(answer.lower())
        key = hash(tuple(words)) if len(words) < LONG_ANSWER else 0
        alike = (
            other
            for other in self._index.query(made)
            if key == self._answer[other] and made.jaccard(self._hashes[other]) >= MIN_JACCARD
        )
        first = min((self._group[other] for other in alike), default=number)
        self._index.insert(number, made)
        self._hashes.append(made)
        self._answer.append(key)
        self._group.append(first)
        return first


def shingles(text: str) -> list[str]:
    """Groups of three words; of four letters in a script without spaces."""
    words = WORD.findall(text.lower())
    if words and max(map(len, words)) > 40 and not text.isascii():
        whole = "".join(words)
        return [whole[at : at + 4] for at in range(max(1, len(whole) - 3))]
    return [" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))]
