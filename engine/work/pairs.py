"""Rows of preferences as tokens: the better and the worse answer after the same question, or one answer with a mark.

The tokens are those that the page shows. Knows nothing about how they are learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.errors import DataError
from engine.rows import Rows
from engine.spec import DataSpec
from engine.work.data import IGNORED, Encoded, Row, cut, encode_sides, teaches


class Example(NamedTuple):
    """What is compared: an answer with a worse one, or an answer that is marked, with a question it does not answer."""

    number: int  # unlike that of any other example of the run, so that what the base says of it can be kept
    answer: Encoded
    worse: Encoded | None = None
    good: bool = True
    stray: Encoded | None = None  # another example's answer after this one's question

    @property
    def sides(self) -> list[Encoded]:
        """What is learned of it."""
        return [self.answer] if self.worse is None else [self.answer, self.worse]


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
    questions = [side.ids[: begin(side)] for side in sides]
    if any(question != questions[0] for question in questions):
        raise DataError(
            "This model's chat template writes the question differently before the worse answer, so the two cannot be "
            "compared. Choose another chat format (template) on the Data tab."
        )
    return [cut(side, data) for side in sides]


def begin(one: Encoded) -> int:
    """How many tokens stand before the answer."""
    return next((at for at, label in enumerate(one.labels) if label != IGNORED), len(one.ids))


def pairs(sides: Sequence[Sequence[Encoded]], first: int) -> list[Example]:
    """Examples of two answers each, numbered from ``first``."""
    return [Example(first + at, better, worse) for at, (better, worse) in enumerate(sides)]


def marked(found: Read, first: int, limit: int) -> list[Example]:
    """Examples of one answer each; of a row with two, the better is a good one and the worse a bad one."""
    answers = [side for sides in found.sides for side in sides]
    marks = [
        mark if len(sides) == 1 else which == 0
        for sides, mark in zip(found.sides, found.marks, strict=True)
        for which in range(len(sides))
    ]
    # Far from its own question: the rows beside it may ask the same.
    others = [answers[(at + len(answers) // 2) % len(answers)] for at in range(len(answers))]
    return [
        Example(first + at, answer, good=mark, stray=stray(answer, other, limit))
        for at, (answer, mark, other) in enumerate(zip(answers, marks, others, strict=True))
    ]


def stray(one: Encoded, other: Encoded, limit: int) -> Encoded:
    """The question of one with the answer of another."""
    asked, said = begin(one), begin(other)
    ids = (one.ids[:asked] + other.ids[said:])[:limit]
    labels = ([IGNORED] * asked + other.labels[said:])[:limit]
    return Encoded(ids, labels, asked + len(other.ids) - said)
