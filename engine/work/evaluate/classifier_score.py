"""Heads on held-out rows: right labels, or distances from the right number, of base and tuned model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import f1_score  # type: ignore[import-untyped]

from engine.data.normalize import last_answer
from engine.data.rows import Row
from engine.spec.objective import split_labels
from engine.store import events as ev
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

if TYPE_CHECKING:
    from engine.work.evaluate.pair import Pair

Chosen = frozenset[str]  # one label, or all that are chosen
LABEL_CRITERION = {False: "Right label", True: "All labels of the example right, and no other"}


def score_head(
    pair: Pair, of: TrainedRun, rows: Sequence[Row], count: int, train: Sequence[Row]
) -> ev.Scored | ev.NumberScore:
    """The score of base and tuned head, beside what needs no model: the commonest answer, or the mean.

    A held-out label that no training row has counts as wrong.
    """
    ids = tokenize_texts(pair.tokenizer, row_texts(rows), pair.data).ids
    found = pair.measure_both(lambda: compute_logits(pair.model, pair.tokenizer, ids))
    assert of.head is not None
    if of.head.problem == REGRESSION:
        scale = read_scale(of.run.adapter)
        distances = [one[:, 0].numpy() * scale.spread + scale.mean for one in found]
        mean = float(np.mean([parse_number(last_answer(row)) for row in train]))
        return number_figures(rows, distances[0], distances[1], mean, count, has_new_head(of))
    several = of.head.problem == MULTI_LABEL
    base, tuned = ([frozenset(predicted_labels(one, of.head)) for one in part] for part in found)
    truth = [_true_labels(row, several) for row in rows]
    common = Counter(_true_labels(row, several) for row in train).most_common(1)[0][0]
    return label_figures(
        truth, base, tuned, common, of.head.labels, count, has_new_head(of), several
    )


def _true_labels(row: Row, several: bool) -> Chosen:
    answer = last_answer(row)
    return frozenset(split_labels(answer) if several else [answer])


def label_figures(
    truth: list[Chosen], base: list[Chosen], tuned: list[Chosen], common: Chosen, names: Sequence[str], of: int,
    guessing: bool, several: bool,
) -> ev.Scored:  # fmt: skip
    """Counts and F1 of the labels that base, tuned and "always the commonest" choose."""
    always = [common] * len(truth)
    present = sorted(frozenset[str]().union(*truth))
    known = sorted({*names, *present})

    def right(said: list[Chosen]) -> int:
        return sum(one == other for one, other in zip(truth, said, strict=True))

    def f1(said: list[Chosen], columns: list[str], average: str) -> float:
        table = [[[name in one for name in columns] for one in rows] for rows in (truth, said)]
        return float(f1_score(*map(np.array, table), average=average, zero_division=0.0))

    def compared(measure: Any, *how: Any) -> ev.ComparedScore:
        return ev.ComparedScore(
            base=measure(base, *how), tuned=measure(tuned, *how), majority=measure(always, *how)
        )

    return ev.Scored(
        what=LABEL_CRITERION[several],
        base=right(base),
        tuned=right(tuned),
        rows=len(truth),
        of=of,
        guessing=guessing,
        labels=ev.LabelScores(
            majority=", ".join(sorted(common)),
            majority_right=right(always),
            accuracy=compared(lambda said: right(said) / len(truth)),
            macro_f1=compared(f1, present, "macro"),
            micro_f1=compared(f1, known, "micro") if several else None,
            no_label_base=base.count(frozenset()),
            no_label_tuned=tuned.count(frozenset()),
        ),
    )


def number_figures(
    rows: Sequence[Row], base: Any, tuned: Any, mean: float, of: int, guessing: bool
) -> ev.NumberScore:
    """Distances from the right numbers, and the share of their differences that is explained (R²)."""
    truth = np.array([parse_number(last_answer(row)) for row in rows])
    said = {"base": base, "tuned": tuned, "majority": np.full_like(truth, mean)}
    differences = float(((truth - truth.mean()) ** 2).sum())
    return ev.NumberScore(
        mean=mean,
        error=ev.ComparedScore(
            **{name: float(np.abs(truth - one).mean()) for name, one in said.items()}
        ),
        explained=ev.ComparedScore(
            **{
                name: 1 - float(((truth - one) ** 2).sum()) / differences
                for name, one in said.items()
            }
        )
        if differences
        else None,
        rows=len(truth),
        of=of,
        guessing=guessing,
    )
