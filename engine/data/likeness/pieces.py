"""What texts can have in common: the whole, a clause, the rest after a usual beginning, a template.

A piece is known by a key made of its words in any order, so that neither case, punctuation nor the
order of words makes another. In questions all numbers are alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.data.likeness.words import Numbers, Texts, count_each, distinct, mix, sums_between

MIN_WORDS = 3  # of a piece; fewer are in too many texts by chance
LONGEST_OPENING = 10  # words of a usual beginning or end
MIN_BRANCHES = 3  # ways in which a usual beginning goes on
MIN_FIXED = 4  # words that a template fixes
FIXED_SHARE = 0.5  # of a text's words that its template fixes
LONGEST_SLOT = 3  # words in a template's slot; a longer one holds a sentence of its own
# A word is fixed that stands beside another one in so many rows, and in this share of those in
# which the most frequent pair of its clause stands.
MIN_ROWS, FIXED_PAIRS = 4, 0.25
WHOLE, CLAUSE, REST, TEMPLATE = range(4)


class Pieces(NamedTuple):
    """A piece of a text in each place."""

    keys: Numbers
    texts: Numbers
    sizes: Numbers  # words
    kinds: Numbers
    checked: Numbers  # it counts only where the answers agree, too

    def select(self, chosen: Numbers) -> Pieces:
        return Pieces(*(column[chosen] for column in self))


def find_pieces(texts: Texts, answers: Numbers) -> Pieces:
    """All pieces of all texts; ``answers`` is a key of each row's label, 0 where it has none."""
    found = [
        _whole_texts(texts),
        _clauses(texts),
        *_rests(texts, backwards=False),
        *_rests(texts, backwards=True),
        _templates(texts, answers),
    ]
    return Pieces(*map(np.concatenate, zip(*found, strict=True)))


def _make_pieces(texts: Numbers, keys: Numbers, sizes: Numbers, kind: int) -> Pieces:
    kinds = np.full(len(keys), kind, dtype=np.int8)
    return Pieces(keys, texts, sizes, kinds, np.zeros(len(keys), dtype=bool))


def _masked_words(texts: Texts) -> Numbers:
    """The key of each word; numbers are alike in questions, not in answers."""
    exact = texts.answers[texts.of_words]
    return np.where(exact, texts.hashes[texts.words], texts.masked[texts.words])


def _number_words(texts: Texts) -> Numbers:
    """Whether each word is a number that is masked."""
    return texts.numbers[texts.words] & ~texts.answers[texts.of_words]


def _whole_texts(texts: Texts) -> Pieces:
    ends = texts.starts + texts.sizes
    keys = sums_between(texts.hashes[texts.words], texts.starts, ends)
    made = _make_pieces(np.arange(len(keys)), keys, texts.sizes, WHOLE)
    return made.select(made.sizes > 1)


def _clauses(texts: Texts) -> Pieces:
    ends = np.append(texts.clauses[1:], len(texts.words))
    keys = sums_between(_masked_words(texts), texts.clauses, ends)
    numbers = sums_between(_number_words(texts).astype(np.int64), texts.clauses, ends)
    sizes = ends - texts.clauses
    made = _make_pieces(texts.of_words[texts.clauses], keys, sizes, CLAUSE)
    made = made._replace(checked=numbers > 0)
    return made.select(sizes - numbers >= MIN_WORDS)


def _rests(texts: Texts, backwards: bool) -> list[Pieces]:
    """What is left of texts without a beginning (``backwards``: an end) that many have.

    A greeting goes on in many ways, a sentence in one.
    """
    words, numbers = _masked_words(texts), _number_words(texts)
    ends = texts.starts + texts.sizes
    totals = sums_between(words, texts.starts, ends)
    masked = sums_between(numbers.astype(np.int64), texts.starts, ends)
    # Of answers, such rests are often the same values of the same fields by chance.
    at: Numbers = np.flatnonzero(~texts.answers & (texts.sizes > MIN_WORDS))
    opening: Numbers = np.zeros(len(at), dtype=np.uint64)  # key of the words so far, in their order
    removed: Numbers = np.zeros(len(at), dtype=np.uint64)  # the same in any order
    hidden: Numbers = np.zeros(len(at), dtype=np.int64)  # numbers among them
    found = []
    for length in range(1, LONGEST_OPENING + 1):
        here = ends[at] - length if backwards else texts.starts[at] + length - 1
        after = ends[at] - length - 1 if backwards else texts.starts[at] + length
        opening = mix(opening + words[here])
        removed, hidden = removed + words[here], hidden + numbers[here]
        usual = _branches(opening, texts.words[after]) >= MIN_BRANCHES
        sizes, rest_numbers = texts.sizes[at] - length, masked[at] - hidden
        made = _make_pieces(at, totals[at] - removed, sizes, REST)
        made = made._replace(checked=rest_numbers > 0)
        found.append(made.select(usual & (sizes - rest_numbers >= MIN_WORDS)))
        kept = texts.sizes[at] > length + MIN_WORDS
        at, opening, removed, hidden = (part[kept] for part in (at, opening, removed, hidden))
    return found


def _branches(openings: Numbers, following: Numbers) -> Numbers:
    """For each opening, in how many ways it goes on in all texts."""
    order = np.argsort(openings)
    begins = np.append(True, openings[order][1:] != openings[order][:-1])[: len(order)]
    group = np.cumsum(begins) - 1  # of each place in this order
    ways = distinct((group.astype(np.uint64) << np.uint64(32)) + following[order])
    found = np.empty(len(order), dtype=np.int64)
    found[order] = np.bincount((ways >> np.uint64(32)).astype(np.int64), minlength=1)[group]
    return found


def _templates(texts: Texts, answers: Numbers) -> Pieces:
    """Texts that are alike but for words in slots: "My name is {x} and I want {y}"."""
    keys, fixed = _skeletons(texts)
    least = np.where(texts.answers, MIN_FIXED // 2, MIN_FIXED)
    enough = fixed >= np.maximum(least, FIXED_SHARE * texts.sizes)
    # A template of questions has one of answers beside it, or one label.
    replies = answers.astype(np.uint64)
    rows = texts.rows.astype(np.uint64)  # beside signed numbers, keys would become floats
    replies[texts.rows[texts.answers]] = np.where(enough, keys, rows)[texts.answers]
    asked = np.flatnonzero(enough & ~texts.answers)
    both = mix(mix(keys[asked]) + replies[texts.rows[asked]])
    return _make_pieces(asked, both, fixed[asked], TEMPLATE)


def _skeletons(texts: Texts) -> tuple[Numbers, Numbers]:
    """A key of the words of each text that other texts have in the same place, and their number."""
    of_words, words = texts.of_words, texts.hashes[texts.words]
    frequency = np.zeros(len(words), dtype=np.int64)  # of the most frequent pair of each word
    for distance in (1, 2):  # a slot of one word may stand between two fixed ones
        pairs = mix(mix(words[:-distance]) + words[distance:] + np.uint64(distance))
        inside = of_words[:-distance] == of_words[distance:]
        frequent = np.where(inside, count_each(pairs), 0)
        np.maximum(frequency[:-distance], frequent, out=frequency[:-distance])
        np.maximum(frequency[distance:], frequent, out=frequency[distance:])
    lengths = np.diff(np.append(texts.clauses, len(words)))
    # A clause is judged by itself, unless it is as short as those between the marks of JSON.
    whole = np.maximum.reduceat(frequency, texts.starts)[of_words[texts.clauses]]
    clause = np.maximum.reduceat(frequency, texts.clauses)
    most = np.where(lengths >= MIN_WORDS, clause, whole)
    fixed = frequency >= np.repeat(np.maximum(MIN_ROWS, FIXED_PAIRS * most), lengths)
    place = np.cumsum(fixed)
    place = place - place[texts.starts[of_words]]  # among the fixed words of the text
    gap = np.append(False, ~fixed[:-1])  # a slot stands before it
    gap[texts.starts] = False
    signs = mix(words + mix((2 * place + gap).astype(np.uint64)))
    ends = texts.starts + texts.sizes
    keys = sums_between(np.where(fixed, signs, np.uint64(0)), texts.starts, ends)
    here = np.arange(len(words))
    before = np.maximum.accumulate(np.where(fixed, here, -1))  # the last fixed word
    slots = here - np.maximum(before, texts.starts[of_words] - 1)
    short = np.maximum.reduceat(slots, texts.starts) <= LONGEST_SLOT
    return keys, short * sums_between(fixed.astype(np.int64), texts.starts, ends)
