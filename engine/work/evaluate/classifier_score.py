"""Scores of labels and numbers on held-out rows: right labels, accuracy and F1, or distances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics import f1_score, mean_absolute_error, r2_score  # type: ignore[import-untyped]

from engine.data.normalize import last_answer, row_labels
from engine.data.rows import Row
from engine.store.score_events import ComparedScore, LabelScores, NumberScore, Scored
from engine.work.model import classifier
from engine.work.model.base_and_tuned import Pair, TrainedRun

Labels = frozenset[str]  # of one row: one label, all that fit, or none


class LabelAnswers(NamedTuple):
    """The right labels of each held-out row, and what base and tuned model say of it."""

    truth: list[Labels]
    base: list[Labels]
    tuned: list[Labels]
    common: Labels  # the commonest labels of the training rows


def score_label_answers(
    answers: LabelAnswers, total: int, known: Sequence[str] = (), guessing: bool = False
) -> Scored:
    """Right labels, accuracy and F1, beside always saying the commonest label.

    ``known``: all labels, where rows may have several (micro F1, too). ``total``: held-out rows.
    """
    truth, always = answers.truth, [answers.common] * len(answers.truth)
    present = sorted(frozenset[str]().union(*truth))  # the same for all three: comparable averages
    every = sorted({*known, *present})

    def count_right(said: list[Labels]) -> int:
        return sum(one == other for one, other in zip(truth, said, strict=True))

    def f1(said: list[Labels], columns: list[str], average: str) -> float:
        table = [[[name in one for name in columns] for one in rows] for rows in (truth, said)]
        return float(f1_score(*map(np.array, table), average=average, zero_division=0.0))

    def compare(measure: Callable[[list[Labels]], float]) -> ComparedScore:
        base, tuned = measure(answers.base), measure(answers.tuned)
        return ComparedScore(base=base, tuned=tuned, majority=measure(always))

    return Scored(
        what="All labels of the example right, and no other" if known else "Right label",
        base=count_right(answers.base),
        tuned=count_right(answers.tuned),
        rows=len(truth),
        of=total,
        guessing=guessing,
        labels=LabelScores(
            majority=", ".join(sorted(answers.common)),
            majority_right=count_right(always),
            accuracy=compare(lambda said: count_right(said) / len(truth)),
            macro_f1=compare(lambda said: f1(said, present, "macro")),
            micro_f1=compare(lambda said: f1(said, every, "micro")) if known else None,
            no_label_base=answers.base.count(frozenset()),
            no_label_tuned=answers.tuned.count(frozenset()),
        ),
    )


def score_head(
    pair: Pair, trained: TrainedRun, rows: Sequence[Row], train: Sequence[Row], total: int
) -> Scored | NumberScore:
    """The score of base and tuned head, beside always saying the commonest label or the mean.

    A held-out label that no training row has counts as wrong. ``total``: held-out rows there are.
    """
    ids = classifier.tokenize_texts(pair.tokenizer, classifier.row_texts(rows), pair.data).ids
    found = pair.measure_both(lambda: classifier.compute_logits(pair.model, pair.tokenizer, ids))
    guessing, head = classifier.has_new_head(trained), trained.head
    assert head is not None
    if head.problem == classifier.REGRESSION:
        score = _score_numbers(trained, found, rows, train)
        return score.model_copy(update={"of": total, "guessing": guessing})
    several = head.problem == classifier.MULTI_LABEL
    base, tuned = (
        [frozenset(classifier.predicted_labels(one, head)) for one in part] for part in found
    )
    truth = [_true_labels(row, several) for row in rows]
    common = Counter(_true_labels(row, several) for row in train).most_common(1)[0][0]
    answers = LabelAnswers(truth, base, tuned, common)
    return score_label_answers(answers, total, head.labels if several else (), guessing)


def _true_labels(row: Row, several: bool) -> Labels:
    return frozenset(row_labels(row) if several else [last_answer(row)])


def _score_numbers(
    trained: TrainedRun,
    logits: tuple[torch.Tensor, torch.Tensor],
    rows: Sequence[Row],
    train: Sequence[Row],
) -> NumberScore:
    """Mean absolute distance from the right numbers, and the variance that is explained (R²)."""
    scale = classifier.read_scale(trained.run.adapter)
    base, tuned = (one[:, 0].numpy() * scale.spread + scale.mean for one in logits)
    truth = np.array([classifier.parse_number(last_answer(row)) for row in rows])
    mean = float(np.mean([classifier.parse_number(last_answer(row)) for row in train]))
    said = {"base": base, "tuned": tuned, "majority": np.full_like(truth, mean)}
    distances = {name: mean_absolute_error(truth, one) for name, one in said.items()}
    explained = None
    if len(set(truth)) > 1:
        squares = {name: r2_score(truth, one) for name, one in said.items()}
        explained = ComparedScore(**squares)
    error = ComparedScore(**distances)
    return NumberScore(mean=mean, error=error, explained=explained, rows=len(rows), of=len(rows))
