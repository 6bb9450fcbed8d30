"""Scores of classification heads on held-out rows: right labels, or distances from numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.metrics import mean_absolute_error, r2_score  # type: ignore[import-untyped]

from engine.data.normalize import last_answer
from engine.data.rows import Row
from engine.spec.objective import split_labels
from engine.store import events as ev
from engine.work.evaluate.label_scores import LabelAnswers, Labels, label_scores
from engine.work.evaluate.pair import Pair
from engine.work.model.base_and_tuned import TrainedRun
from engine.work.model.classifier import (
    MULTI_LABEL,
    REGRESSION,
    compute_logits,
    has_new_head,
    parse_number,
    predicted_labels,
    read_scale,
    row_texts,
    tokenize_texts,
)

LABEL_CRITERION = {False: "Right label", True: "All labels of the example right, and no other"}


def score_head(
    pair: Pair, trained: TrainedRun, rows: Sequence[Row], train: Sequence[Row], total: int
) -> ev.Scored | ev.NumberScore:
    """The score of base and tuned head, beside always saying the commonest label or the mean.

    A held-out label that no training row has counts as wrong. ``total``: held-out rows there are.
    """
    ids = tokenize_texts(pair.tokenizer, row_texts(rows), pair.data).ids
    found = pair.measure_both(lambda: compute_logits(pair.model, pair.tokenizer, ids))
    guessing, head = has_new_head(trained), trained.head
    assert head is not None
    if head.problem == REGRESSION:
        score = _score_numbers(trained, found, rows, train)
        return score.model_copy(update={"of": total, "guessing": guessing})
    several = head.problem == MULTI_LABEL
    base, tuned = ([frozenset(predicted_labels(one, head)) for one in part] for part in found)
    truth = [_true_labels(row, several) for row in rows]
    common = Counter(_true_labels(row, several) for row in train).most_common(1)[0][0]
    answers = LabelAnswers(truth, base, tuned, common)
    return ev.Scored(
        what=LABEL_CRITERION[several],
        base=answers.count_right(base),
        tuned=answers.count_right(tuned),
        rows=len(rows),
        of=total,
        guessing=guessing,
        labels=label_scores(answers, head.labels if several else ()),
    )


def _true_labels(row: Row, several: bool) -> Labels:
    answer = last_answer(row)
    return frozenset(split_labels(answer) if several else [answer])


def _score_numbers(
    trained: TrainedRun,
    logits: tuple[torch.Tensor, torch.Tensor],
    rows: Sequence[Row],
    train: Sequence[Row],
) -> ev.NumberScore:
    """Mean absolute distance from the right numbers, and the variance that is explained (R²)."""
    scale = read_scale(trained.run.adapter)
    base, tuned = (one[:, 0].numpy() * scale.spread + scale.mean for one in logits)
    truth = np.array([parse_number(last_answer(row)) for row in rows])
    mean = float(np.mean([parse_number(last_answer(row)) for row in train]))
    said = {"base": base, "tuned": tuned, "majority": np.full_like(truth, mean)}
    error = {name: mean_absolute_error(truth, one) for name, one in said.items()}
    explained = None
    if len(set(truth)) > 1:
        squares = {name: r2_score(truth, one) for name, one in said.items()}
        explained = ev.ComparedScore(**squares)
    return ev.NumberScore(
        mean=mean,
        error=ev.ComparedScore(**error),
        explained=explained,
        rows=len(rows),
        of=len(rows),
    )
