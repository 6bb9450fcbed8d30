"""How much of its wording a text shares with another: common words, of which rare ones weigh more.

Pairs of texts that may be alike are found by MinHash with weights (Chum, Philbin and Zisserman
2008): a word is chosen the likelier, the rarer it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.data.likeness.words import Numbers, Texts, distinct, mix, sums_between

BANDS, BAND_HASHES = 21, 3  # of two texts that share half of their wording, 94 % are found
PAIRS_COMPARED = 2**21  # at most
WORDS_AT_ONCE = 2**20  # of pairs that are compared together; each takes some 50 bytes


class Wording(NamedTuple):
    """The distinct words of chosen texts, and in which of them each word stands."""

    known: Numbers  # text * number of all words + word id, sorted
    words: Numbers  # ids, text by text
    starts: Numbers  # of each text in these, and the end
    texts: Numbers  # word by word
    places: Numbers  # of each word id in these, and the end
    weights: Numbers  # by word id: 0 for a word that all texts have
    totals: Numbers  # weight of each text

    def shared_with_all(self, text: int) -> Numbers:
        """The share of a text's wording that each text has, too."""
        common = np.zeros(len(self.totals))
        for word in self.words[self.starts[text] : self.starts[text + 1]]:
            common[self.texts[self.places[word] : self.places[word + 1]]] += self.weights[word]
        return common / self.totals[text] if self.totals[text] else np.zeros_like(common)


def index_wording(texts: Texts, chosen: Numbers) -> Wording:
    """Index the words of these texts."""
    renamed = np.full(len(texts.starts), -1)
    renamed[chosen] = np.arange(len(chosen))
    of_words = renamed[texts.of_words]
    inside, size = of_words >= 0, len(texts.hashes)
    pairs = distinct(of_words[inside] * size + texts.words[inside].astype(np.int64))
    of_texts, words = pairs // size, pairs % size
    counts = np.bincount(words, minlength=size)
    starts = np.searchsorted(of_texts, np.arange(len(chosen) + 1))
    weights = np.log(max(1, len(chosen)) / np.maximum(1, counts))
    return Wording(
        known=pairs,
        words=words,
        starts=starts,
        texts=of_texts[np.argsort(words, kind="stable")],
        places=np.concatenate([[0], np.cumsum(counts)]),
        weights=weights,
        totals=sums_between(weights[words], starts[:-1], starts[1:]),
    )


def find_alike(wording: Wording, least: float) -> list[tuple[int, int]]:
    """Pairs of texts that share at least this much of their wording, the most alike first."""
    one, other = _candidate_pairs(wording)
    alike = share_of_pairs(wording, one, other)
    order = np.lexsort((other, one, -alike))
    order = order[alike[order] >= least]
    return list(zip(one[order].tolist(), other[order].tolist(), strict=True))


def share_of_pairs(wording: Wording, one: Numbers, other: Numbers) -> Numbers:
    """What the texts of each pair share, of what they hold on average; a single word is nothing."""
    lengths = wording.starts[one + 1] - wording.starts[one]
    cuts = np.flatnonzero(np.diff(np.cumsum(lengths) // WORDS_AT_ONCE)) + 1
    blocks = zip(np.split(one, cuts), np.split(other, cuts), strict=True)
    return np.concatenate([_share_of_block(wording, *block) for block in blocks])


def _share_of_block(wording: Wording, one: Numbers, other: Numbers) -> Numbers:
    lengths = wording.starts[one + 1] - wording.starts[one]
    ends = np.cumsum(lengths)
    places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(
        wording.starts[one] - ends + lengths, lengths
    )
    words, size = wording.words[places], len(wording.weights)
    known = wording.known
    wanted = np.repeat(other, lengths) * size + words
    found = known[np.minimum(np.searchsorted(known, wanted), len(known) - 1)] == wanted
    shared = sums_between(wording.weights[words] * found, ends - lengths, ends)
    shared *= sums_between(found.astype(np.int64), ends - lengths, ends) > 1
    both = wording.totals[one] + wording.totals[other]
    alike: Numbers = np.divide(2 * shared, both, out=np.zeros(len(one)), where=both > 0)
    return alike


def _candidate_pairs(wording: Wording) -> tuple[Numbers, Numbers]:
    texts = np.flatnonzero(wording.totals > 0)
    starts, count = wording.starts[texts], len(wording.totals)
    found = [np.zeros(0, dtype=np.int64)]
    for band in range(BANDS):
        key = np.zeros(len(texts), dtype=np.uint64)
        for number in range(band * BAND_HASHES, (band + 1) * BAND_HASHES):
            key = mix(key + _least_hashes(wording, starts, number))
        order = np.argsort(key, kind="stable")
        same = key[order][1:] == key[order][:-1]
        one, other = texts[order[:-1][same]], texts[order[1:][same]]
        found.append(np.minimum(one, other) * count + np.maximum(one, other))
    pairs = distinct(np.concatenate(found))[:PAIRS_COMPARED]
    return pairs // count, pairs % count


def _least_hashes(wording: Wording, starts: Numbers, number: int) -> Numbers:
    """A word of each text, as its hash; the same in two texts as often as they share wording."""
    seed = np.uint64(number * len(wording.weights))
    chance = (mix(np.arange(len(wording.weights), dtype=np.uint64) + seed) >> np.uint64(11)) / 2**53
    with np.errstate(divide="ignore"):
        drawn = -np.log(chance) / wording.weights
    if not len(starts):
        return np.zeros(0, dtype=np.uint64)
    least: Numbers = np.minimum.reduceat(drawn[wording.words], starts)
    return least.view(np.uint64)
