"""Figures of labels: how many are right, accuracy and F1, beside always saying the commonest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.metrics import f1_score  # type: ignore[import-untyped]

from engine.store import events as ev

Labels = frozenset[str]  # of one row: one label, all that fit, or none


class LabelAnswers(NamedTuple):
    """The right labels of each held-out row, and what base and tuned model say of it."""

    truth: list[Labels]
    base: list[Labels]
    tuned: list[Labels]
    common: Labels  # the commonest labels of the training rows

    def count_right(self, said: list[Labels]) -> int:
        return sum(one == other for one, other in zip(self.truth, said, strict=True))


def label_scores(answers: LabelAnswers, known: Sequence[str] = ()) -> ev.LabelScores:
    """Counts, accuracy and F1; micro F1 too where rows have several of the ``known`` labels."""
    truth, always = answers.truth, [answers.common] * len(answers.truth)
    present = sorted(frozenset[str]().union(*truth))  # the same for all three: comparable averages

    def compare(measure: Callable[[list[Labels]], float]) -> ev.ComparedScore:
        return ev.ComparedScore(
            base=measure(answers.base), tuned=measure(answers.tuned), majority=measure(always)
        )

    def f1(said: list[Labels], columns: list[str], average: str) -> float:
        table = [[[name in one for name in columns] for one in rows] for rows in (truth, said)]
        return float(f1_score(*map(np.array, table), average=average, zero_division=0.0))

    every = sorted({*known, *present})
    return ev.LabelScores(
        majority=", ".join(sorted(answers.common)),
        majority_right=answers.count_right(always),
        accuracy=compare(lambda said: answers.count_right(said) / len(truth)),
        macro_f1=compare(lambda said: f1(said, present, "macro")),
        micro_f1=compare(lambda said: f1(said, every, "micro")) if known else None,
        no_label_base=answers.base.count(frozenset()),
        no_label_tuned=answers.tuned.count(frozenset()),
    )
