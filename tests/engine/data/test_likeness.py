"""The numbers with which texts are compared: exact keys, and a bound on the memory."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest

from engine.data.likeness import pieces, wording
from engine.data.likeness.words import TextCollector, Texts


def collect(rows: list[tuple[str, str]]) -> Texts:
    """The texts of questions and answers."""
    collector = TextCollector()
    for number, (question, answer) in enumerate(rows):
        collector.add(number, question)
        collector.add(number, answer, is_answer=True)
    return collector.finish()


def made_texts(count: int, words: int) -> Texts:
    chance = random.Random(5)
    known = [f"word{number}" for number in range(2 * words)]
    return collect([(" ".join(chance.sample(known, words)), "") for _ in range(count)])


def all_pairs(count: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    one, other = np.triu_indices(count, k=1)
    return one[:most], other[:most]


def test_many_pairs_are_compared_in_little_memory() -> None:
    indexed = wording.index_wording(made_texts(600, 120), np.arange(600))
    pairs = all_pairs(600, 150_000)
    tracemalloc.start()
    try:
        shares = wording.share_of_pairs(indexed, *pairs)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(shares) == 150_000 and 0.3 < shares.mean() < 0.7
    assert peak < 120 * 2**20  # all at once, they take 850 MB


@pytest.mark.parametrize("at_once", [1, 100, 2**20])
def test_the_parts_in_which_pairs_are_compared_change_nothing(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed = wording.index_wording(made_texts(30, 9), np.arange(30))
    one, other = all_pairs(30, 400)
    expected = [share_of(indexed, *pair) for pair in zip(one, other, strict=True)]
    monkeypatch.setattr(wording, "WORDS_AT_ONCE", at_once)
    assert wording.share_of_pairs(indexed, one, other) == pytest.approx(np.array(expected))
    assert len(wording.share_of_pairs(indexed, one[:0], other[:0])) == 0


def share_of(indexed: wording.Wording, one: int, other: int) -> float:
    """What two texts share, from the sets of their words."""
    first, second = (set(indexed.words[indexed.starts[text] : indexed.starts[text + 1]].tolist())
                     for text in (one, other))  # fmt: skip
    common = first & second
    shared = sum(indexed.weights[list(common)]) if len(common) > 1 else 0
    return 2 * shared / (indexed.totals[one] + indexed.totals[other])


def test_keys_of_answers_that_differ_in_their_last_bit_stay_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = collect(
        [("What is it about?", "one two three"), ("What is it about?", "four five six")]
    )
    keys = np.array([7, 2**63 + 1, 7, 2**63 + 2], dtype=np.uint64)
    monkeypatch.setattr(pieces, "_skeletons", lambda _: (keys, np.array([9, 9, 9, 9])))
    found = pieces.find_pieces(texts, np.zeros(2, dtype=np.int64))
    templates = found.keys[found.kinds == pieces.TEMPLATE]
    assert len(set(templates.tolist())) == 2
