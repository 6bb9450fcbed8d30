"""Which held-out rows are scored and how, whether a reply is right, and a score in plain sentences.

Functions of rows, replies and events; knows nothing about models or tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from engine.data.normalize import last_answer
from engine.data.rows import SCORED_ROWS, Row
from engine.store import events as ev


class Score(NamedTuple):
    """How a sample is scored."""

    what: str  # what counts as right, in words
    right: Callable[[str, Row], bool]
    max_new_tokens: int


def _has(word: str, reply: str) -> bool:
    """Whether a word or phrase stands in a reply, whole, in any case."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", reply, re.IGNORECASE) is not None


def _facts(reply: str, row: Row) -> bool:
    return all(_has(fact, reply) for fact in row["fact"])


def _pirate(reply: str, row: Row) -> bool:
    return any(_has(marker, reply) for marker in row["markers"]) and _facts(reply, row)


def _json(reply: str, row: Row) -> bool:
    try:
        return bool(json.loads(reply) == row["expected"])
    except ValueError:
        return False


def _label(reply: str, row: Row) -> bool:
    return reply.strip() == str(row["label"])


SCORES: dict[str, Score] = {
    "pirate": Score("Speaks like a pirate and says the right thing", _pirate, 40),
    "support": Score("Names the shop's right fact", _facts, 32),
    "json": Score("Valid JSON with every field right", _json, 48),
    "reviews": Score("The right label", _label, 8),
}


def said_label(reply: str, labels: Collection[str]) -> str | None:
    """The label that a reply is: the whole of it, or its first line. None where it is no label."""
    whole = reply.strip()
    return next(
        (said for said in (whole, whole.partition("\n")[0].strip()) if said in labels), None
    )


def raw_of(rows: Sequence[Row], raw: Sequence[Row]) -> list[Row] | None:
    """The sample's raw row of each normal row; None where the rows are not this sample's.

    Found by the answer: what a raw row holds besides (facts, fields, label) says what its answer must have.
    """
    known = {last_answer(one): one for one in raw}
    found = [known.get(last_answer(row)) for row in rows if "text" not in row]
    return (
        None
        if len(found) < len(rows) or None in found
        else [one for one in found if one is not None]
    )


# --- a score in words ---

GUESSES = "The base model's last layer is new and was never trained, so it guesses."


def sentences(done: ev.ScoreEvent) -> list[str]:
    """A score in plain sentences, each figure beside what it is compared with."""
    if isinstance(done, ev.Perplexity):
        return [
            f"Perplexity (how surprised the model is by new text; lower is better): base {surprise(done.base)}, "
            f"tuned {surprise(done.tuned)}.",
            f"Measured on {done.tokens:,} tokens (pieces of words): {done.what}, in {_part(done.rows, done.of)}.",
        ]
    if isinstance(done, ev.NumberScore):
        return _distances(done)
    labels = done.labels
    if labels is None:
        text = f"{done.what}: base {done.base} of {done.rows}, tuned {done.tuned} of {done.rows}."
        return (
            [text]
            if done.of in (None, done.rows)
            else [text, f"Asked: {_part(done.rows, done.of or done.rows)}."]
        )
    f1, asked = labels.macro_f1, f"Asked: {_part(done.rows, done.of or done.rows)}."
    found = [
        f"{done.what}: base {done.base} of {done.rows}, tuned {done.tuned} of {done.rows}; "
        f"always saying '{labels.majority}' would be right for {labels.majority_right}.",
        f"Macro F1 (1 is best; a rare label counts as much as a frequent one): base {f1.base:.2f}, "
        f"tuned {f1.tuned:.2f}, always '{labels.majority}' {f1.majority:.2f}.",
    ]
    if micro := labels.micro_f1:
        found.append(
            f"Micro F1 (1 is best; every label of every example counts the same): base {micro.base:.2f}, "
            f"tuned {micro.tuned:.2f}, always '{labels.majority}' {micro.majority:.2f}. "
            f"Examples that got no label: base {labels.no_label_base}, tuned {labels.no_label_tuned}."
        )
    if done.guessing:
        return [*found, f"{GUESSES} {asked}"]
    if micro:
        return [*found, asked]
    none = f"base {labels.no_label_base}, tuned {labels.no_label_tuned}"
    return [*found, f"Replies that are no label, counted as wrong: {none}. {asked}"]


def _distances(done: ev.NumberScore) -> list[str]:
    error, explained = done.error, done.explained
    found = [
        f"Mean distance from the right number (lower is better): base {error.base:.3g}, tuned {error.tuned:.3g}; "
        f"always saying the mean of the training examples, {done.mean:.4g}, would give {error.majority:.3g}."
    ]
    if explained:
        found.append(
            f"Share of the differences that is explained (R²; 1 is best, 0 is what the mean does): "
            f"base {explained.base:.2f}, tuned {explained.tuned:.2f}."
        )
    measured = f"Measured on {_part(done.rows, done.of)}."
    return [*found, f"{GUESSES} {measured}" if done.guessing else measured]


def surprise(value: float) -> str:
    """A perplexity with as many decimals as it needs."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _part(rows: int, of: int) -> str:
    """How many of the held-out examples took part."""
    if rows == of:
        return "the only held-out example" if of == 1 else f"all {of:,} held-out examples"
    why = "evenly spread" if of > SCORED_ROWS else "the others are longer than this run reads"
    return f"{rows:,} of {of:,} held-out examples ({why})"
