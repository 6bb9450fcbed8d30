"""Rows for the tests of data, and what was noticed in them."""

from __future__ import annotations

import json

from engine.data.prepared import Prepared
from engine.data.quality.findings import Finding

SUBJECTS = (
    "cat", "river", "engine", "letter", "garden", "number", "window", "bridge", "story", "market",
)  # fmt: skip
VERBS = (
    "sleeps near", "crosses", "warms", "opens", "follows", "remembers", "paints", "carries",
    "finds", "leaves",
)  # fmt: skip


SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu")


def name_of(number: int) -> str:
    """A made-up name for each number."""
    return "".join(SYLLABLES[int(digit)] for digit in str(number))


def row(number: int) -> dict[str, str]:
    """Rows that are unlike each other: question and answer have names of their own."""
    one, two = SUBJECTS[number % 10], SUBJECTS[number // 10 % 10]
    name, other = name_of(number), name_of(number + 5000)
    return {
        "prompt": f"What does the {one} {name} do at {number}?",
        "completion": f"The {one} {name} {VERBS[number * 7 % 10]} a {two} {other}.",
    }


def make_rows(*bounds: int) -> list[dict[str, str]]:
    """Rows from the first number up to, without it, the second."""
    return [row(number) for number in range(*bounds)]


def labelled_rows(labels: list) -> list[dict]:
    """A text with each of these labels."""
    return [
        {"text": f"{row(n)['completion']} {n}", "label": label} for n, label in enumerate(labels)
    ]


def to_jsonl(rows: list) -> str:
    """Rows, or lines as they are, as JSON lines."""
    return "\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows)


def find(prepared: Prepared, kind: str) -> Finding | None:
    return next((finding for finding in prepared.findings if finding.kind == kind), None)


def rows_of(prepared: Prepared) -> list[dict]:
    return [*prepared.train_rows(), *prepared.held_out_rows()]
