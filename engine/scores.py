"""Whether a reply is right, for each sample where that can be told. Pure functions of reply and raw row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Score(NamedTuple):
    """How a sample is scored."""

    what: str  # what counts as right, in words
    right: Callable[[str, dict[str, Any]], bool]
    max_new_tokens: int


SCORES: dict[str, Score] = {}
