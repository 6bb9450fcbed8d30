"""What rows ask and answer, collected one by one: which rows belong on one side of the split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

import numpy as np

from engine.data.likeness.clusters import Clusters, join_by_substance, join_by_wording
from engine.data.likeness.contradictions import Contradictions
from engine.data.likeness.overlap import Overlap, measure_overlap
from engine.data.likeness.words import Numbers, TextCollector, Texts, text_key

# Words from which an answer is no label, name or number that many questions can have in common.
ANSWER_WORDS = 4


class SubstanceCollector:
    """Takes in rows; memory: a few numbers for each word."""

    def __init__(self) -> None:
        self._texts = TextCollector()
        self._answers: list[int] = []  # a key of each row's answer or label; 0 for none
        self.contradictions = Contradictions()
        # A column and its value -> the rows that have it, where such rows belong together.
        self._together: dict[tuple[str, str], list[int]] = defaultdict(list)

    def expect(self, rows: int) -> None:
        """Prepare for this many more rows."""
        self._texts.expect(2 * rows)

    def add(
        self, question: str, answer: str, is_label: bool, places: Iterable[tuple[str, str]]
    ) -> None:
        """Add the next row; ``places`` are (column, value) of what it is a part of."""
        row = len(self._answers)
        self._answers.append(text_key(answer))
        is_short = is_label or len(answer.split(None, ANSWER_WORDS)) < ANSWER_WORDS
        self.contradictions.add(row, text_key(question), self._answers[-1], is_short)
        for place in places:
            self._together[place].append(row)
        if self._texts.is_full:
            return
        self._texts.add(row, question)
        if not is_short:
            self._texts.add(row, answer, is_answer=True)

    def find_clusters(self, groups: list[int], labels: bool) -> list[int]:
        """The cluster of each row: one for rows that share their substance.

        ``groups`` are those of near duplicates; ``labels`` says that answers are class labels.
        """
        clusters = Clusters(groups)
        for rows in self._together.values():
            clusters.join(rows, always=True)
        clusters.begin()
        join_by_substance(clusters, self._finished, self._answer_keys, labels)
        join_by_wording(clusters, self._finished, self._answer_keys, labels)
        return clusters.names()

    def find_repeated_questions(self, groups: list[int], labels: bool) -> list[int]:
        """The same for rows whose questions alone say the same."""
        clusters = Clusters(groups)
        asked = self._finished.without_answers()
        join_by_substance(clusters, asked, self._answer_keys, labels, templates=False)
        return clusters.names()

    def measure_overlap(
        self, held_out: list[int], trained: list[int], labels: bool
    ) -> tuple[Overlap, list[int]]:
        """What these rows have in common, and the held-out ones that share their wording."""
        return measure_overlap(self._finished, held_out, trained, self._answer_keys, labels)

    @cached_property
    def _finished(self) -> Texts:
        return self._texts.finish()

    @cached_property
    def _answer_keys(self) -> Numbers:
        return np.array(self._answers, dtype=np.int64)
