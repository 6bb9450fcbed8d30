"""Rows of preferences as tokens: the better and the worse answer after the same question, or one answer with a mark.

The tokens are those that the page shows. Knows nothing about how they are learned.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.data.rows import Rows
from engine.errors import DataError
from engine.spec.run import DataSpec
from engine.work.encode.encode import (
    IGNORE_INDEX,
    Encoded,
    Row,
    encode_chosen_and_rejected,
    has_targets,
    truncate_encoded,
)


class EncodedPreferences(NamedTuple):
    """The rows that teach something, and how many do not."""

    sides: list[list[Encoded]]  # one or two of each row
    marks: list[bool]
    lost: int  # have no answer left within the length limit
    same: int  # have two answers that are the same, within the limit
    refused: int  # have an uncertain mask, and are left out because the user chose so


def encode_preferences(
    tokenizer: PreTrainedTokenizerBase, rows: Rows, data: DataSpec
) -> EncodedPreferences:
    """All rows as tokens, cut; raises DataError for one whose mask is uncertain, or leaves it out."""
    found, marks = [], []
    lost = same = refused = 0
    for at, row in enumerate(rows):
        try:
            sides = encode_preference(tokenizer, row, data)
        except DataError as error:
            if "refused" not in data.fixes:
                raise DataError(f"Row {rows.row_number(at)}: {error}") from error
            refused += 1
            continue
        if not all(map(has_targets, sides)):
            lost += 1
        elif len(sides) == 2 and sides[0].ids == sides[1].ids:
            same += 1
        else:
            found.append(sides)
            marks.append(bool(row.get("good", True)))
    return EncodedPreferences(found, marks, lost, same, refused)


def encode_preference(
    tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec
) -> list[Encoded]:
    """One row's answers, each after the same question; raises DataError where the template writes it differently."""
    sides = encode_chosen_and_rejected(tokenizer, row, data)
    questions = [question_ids(side) for side in sides]
    if any(one != questions[0] for one in questions):
        raise DataError(
            "This model's chat template writes the question differently before the worse answer, so the two cannot be "
            "compared. Choose another chat format (template) on the Data tab."
        )
    return [truncate_encoded(side, data) for side in sides]


def answer_start(one: Encoded) -> int:
    """How many tokens stand before the answer."""
    return next((at for at, label in enumerate(one.labels) if label != IGNORE_INDEX), len(one.ids))


def question_ids(one: Encoded) -> list[int]:
    """The tokens before the answer."""
    return one.ids[: answer_start(one)]


def answer_ids(one: Encoded) -> list[int]:
    """The answer's tokens: what the template writes behind it is not learned."""
    last = max(at for at, label in enumerate(one.labels) if label != IGNORE_INDEX)
    return one.ids[answer_start(one) : last + 1]


def paired_examples(found: EncodedPreferences) -> list[dict[str, Any]]:
    """Examples of two answers each, as TRL names their parts."""
    return [
        {
            "prompt_ids": question_ids(better),
            "chosen_ids": answer_ids(better),
            "rejected_ids": answer_ids(worse),
        }
        for better, worse in found.sides
    ]


def unpaired_examples(found: EncodedPreferences) -> list[dict[str, Any]]:
    """Examples of one answer each; of a row with two, the better is a good one and the worse a bad one.

    KTO measures them against answers to other questions, here those of the example half the rows away: the rows
    beside it may ask the same.
    """
    sides = [side for row in found.sides for side in row]
    marks = [
        mark if len(row) == 1 else which == 0
        for row, mark in zip(found.sides, found.marks, strict=True)
        for which in range(len(row))
    ]
    others = [sides[(at + len(sides) // 2) % len(sides)] for at in range(len(sides))]
    return [
        {
            "prompt_ids": question_ids(one),
            "completion_ids": answer_ids(one),
            "KL_completion_ids": answer_ids(other),
            "label": mark,
        }
        for one, other, mark in zip(sides, others, marks, strict=True)
    ]
