"""Rows of preferences as tokens: the better and the worse answer after the same question, or one answer with a mark.

The tokens are those that the page shows. Knows nothing about how they are learned.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.data.rows import Rows
from engine.errors import DataError
from engine.spec.run import DataSpec
from engine.work.encode.encode import IGNORED, Encoded, Row, cut, encode_sides, teaches


class Read(NamedTuple):
    """The rows that teach something, and how many do not."""

    sides: list[list[Encoded]]  # one or two of each row
    marks: list[bool]
    lost: int  # have no answer left within the length limit
    same: int  # have two answers that are the same, within the limit
    refused: int  # have an uncertain mask, and are left out because the user chose so


def read(tokenizer: PreTrainedTokenizerBase, rows: Rows, data: DataSpec) -> Read:
    """All rows as tokens, cut; raises DataError for one whose mask is uncertain, or leaves it out."""
    found, marks = [], []
    lost = same = refused = 0
    for at, row in enumerate(rows):
        try:
            sides = as_sides(tokenizer, row, data)
        except DataError as error:
            if "refused" not in data.fixes:
                raise DataError(f"Row {rows.number(at)}: {error}") from error
            refused += 1
            continue
        if not all(map(teaches, sides)):
            lost += 1
        elif len(sides) == 2 and sides[0].ids == sides[1].ids:
            same += 1
        else:
            found.append(sides)
            marks.append(bool(row.get("good", True)))
    return Read(found, marks, lost, same, refused)


def as_sides(tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec) -> list[Encoded]:
    """One row's answers, each after the same question; raises DataError where the template writes it differently."""
    sides = encode_sides(tokenizer, row, data)
    questions = [question(side) for side in sides]
    if any(one != questions[0] for one in questions):
        raise DataError(
            "This model's chat template writes the question differently before the worse answer, so the two cannot be "
            "compared. Choose another chat format (template) on the Data tab."
        )
    return [cut(side, data) for side in sides]


def begin(one: Encoded) -> int:
    """How many tokens stand before the answer."""
    return next((at for at, label in enumerate(one.labels) if label != IGNORED), len(one.ids))


def question(one: Encoded) -> list[int]:
    """The tokens before the answer."""
    return one.ids[: begin(one)]


def answer(one: Encoded) -> list[int]:
    """The answer's tokens: what the template writes behind it is not learned."""
    last = max(at for at, label in enumerate(one.labels) if label != IGNORED)
    return one.ids[begin(one) : last + 1]


def pairs(found: Read) -> list[dict[str, Any]]:
    """Examples of two answers each, as TRL names their parts."""
    return [
        {
            "prompt_ids": question(better),
            "chosen_ids": answer(better),
            "rejected_ids": answer(worse),
        }
        for better, worse in found.sides
    ]


def marked(found: Read) -> list[dict[str, Any]]:
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
            "prompt_ids": question(one),
            "completion_ids": answer(one),
            "KL_completion_ids": answer(other),
            "label": mark,
        }
        for one, other, mark in zip(sides, others, marks, strict=True)
    ]
