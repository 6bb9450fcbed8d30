"""Encodes preferences: a chosen and a rejected answer, or one answer marked good or bad.

The tokens are those that the page shows. Knows nothing about training.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.data.rows import Row, Rows
from engine.errors import DataError
from engine.spec.run import DataSpec
from engine.work.encode.encode import (
    IGNORE_INDEX,
    Encoded,
    encode_chosen_and_rejected,
    encode_each,
    has_targets,
    truncate_encoded,
)


class EncodedPreferences(NamedTuple):
    """The rows that can be learned, and how many cannot."""

    sides: list[list[Encoded]]  # one or two answers of each row, the chosen one first
    marks: list[bool]  # whether the row's answer is good
    lost: int  # have no answer within the length limit
    same: int  # have two answers that are the same within the limit
    refused: int  # have an uncertain loss mask, and the user chose to leave them out


def encode_preferences(
    tokenizer: PreTrainedTokenizerBase, rows: Rows, data: DataSpec
) -> EncodedPreferences:
    """All rows as tokens, truncated; raises DataError as ``encode_each`` does."""
    found, marks, left = [], [], Counter[str]()
    encoded = encode_each(rows, lambda row: encode_preference(tokenizer, row, data), data, left)
    for row, sides in encoded:
        if not all(map(has_targets, sides)):
            left["lost"] += 1
        elif len(sides) == 2 and sides[0].ids == sides[1].ids:
            left["same"] += 1
        else:
            found.append(sides)
            marks.append(bool(row.get("good", True)))
    return EncodedPreferences(found, marks, left["lost"], left["same"], left["refused"])


def encode_preference(
    tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec
) -> list[Encoded]:
    """A row's answers after the same prompt, truncated; raises DataError if the prompts differ."""
    sides = encode_chosen_and_rejected(tokenizer, row, data)
    prompts = [question_ids(side) for side in sides]
    if any(one != prompts[0] for one in prompts):
        raise DataError(
            "This model's chat template writes the question differently before the worse answer, "
            "so the two cannot be compared. Choose another chat format (template) on the Data tab."
        )
    return [truncate_encoded(side, data) for side in sides]


def question_ids(one: Encoded) -> list[int]:
    """The tokens before the answer."""
    labelled = (at for at, label in enumerate(one.labels) if label != IGNORE_INDEX)
    return one.ids[: next(labelled, None)]


def answer_ids(one: Encoded) -> list[int]:
    """The answer's tokens, without what the template writes after it."""
    last = max(at for at, label in enumerate(one.labels) if label != IGNORE_INDEX)
    return one.ids[len(question_ids(one)) : last + 1]


def paired_examples(found: EncodedPreferences) -> list[dict[str, Any]]:
    """Examples with a chosen and a rejected answer, with TRL's column names."""
    return [
        {
            "prompt_ids": question_ids(chosen),
            "chosen_ids": answer_ids(chosen),
            "rejected_ids": answer_ids(rejected),
        }
        for chosen, rejected in found.sides
    ]


def unpaired_examples(found: EncodedPreferences) -> list[dict[str, Any]]:
    """Examples with one answer and a label; a row with two gives a good and a bad example.

    KTO compares them with answers to other prompts. Here those come from the example half the rows
    away, since the next row may have the same prompt.
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
