"""Whether a reply is right, for each sample where that can be told. Pure functions of reply and raw held-out row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

Raw = dict[str, Any]


class Score(NamedTuple):
    """How a sample is scored."""

    what: str  # what counts as right, in words
    right: Callable[[str, Raw], bool]
    max_new_tokens: int


def _has(word: str, reply: str) -> bool:
    """Whether a word or phrase stands in a reply, whole, in any case."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", reply, re.IGNORECASE) is not None


def _facts(reply: str, row: Raw) -> bool:
    return all(_has(fact, reply) for fact in row["fact"])


def _pirate(reply: str, row: Raw) -> bool:
    return any(_has(marker, reply) for marker in row["markers"]) and _facts(reply, row)


def _json(reply: str, row: Raw) -> bool:
    try:
        return bool(json.loads(reply) == row["expected"])
    except ValueError:
        return False


def _label(reply: str, row: Raw) -> bool:
    return reply.strip() == str(row["label"])


SCORES: dict[str, Score] = {
    "pirate": Score("Speaks like a pirate and says the right thing", _pirate, 40),
    "support": Score("Names the shop's right fact", _facts, 32),
    "json": Score("Valid JSON with every field right", _json, 48),
    "reviews": Score("The right label", _label, 8),
}
