"""Whether a reply to a sample's row is right, and scores in plain sentences.

Functions of rows, replies and events; knows nothing about models or tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from engine.data.normalize import last_answer
from engine.data.rows import SCORED_ROWS, Row
from engine.store.score_events import LabelScores, NumberScore, Perplexity, ScoreEvent


class SampleScorer(NamedTuple):
    """How a sample is scored."""

    what: str  # what counts as right, in words
    right: Callable[[str, Row], bool]
    max_new_tokens: int


def _has_word(word: str, reply: str) -> bool:
    """Whether a word or phrase stands in a reply, whole, in any case."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", reply, re.IGNORECASE) is not None


def _has_facts(reply: str, row: Row) -> bool:
    return all(_has_word(fact, reply) for fact in row["fact"])


def _is_pirate_answer(reply: str, row: Row) -> bool:
    return any(_has_word(marker, reply) for marker in row["markers"]) and _has_facts(reply, row)


def _is_expected_json(reply: str, row: Row) -> bool:
    try:
        return bool(json.loads(reply) == row["expected"])
    except ValueError:
        return False


def _is_label(reply: str, row: Row) -> bool:
    return reply.strip() == str(row["label"])


SAMPLE_SCORERS: dict[str, SampleScorer] = {
    "pirate": SampleScorer("Speaks like a pirate and says the right thing", _is_pirate_answer, 40),
    "support": SampleScorer("Names the shop's right fact", _has_facts, 32),
    "json": SampleScorer("Valid JSON with every field right", _is_expected_json, 48),
    "reviews": SampleScorer("The right label", _is_label, 8),
}


def find_label(reply: str, labels: Collection[str]) -> str | None:
    """The label that a reply is: the whole of it, or its first line. None where it is no label."""
    whole = reply.strip()
    first_line = whole.partition("\n")[0].strip()
    return next((said for said in (whole, first_line) if said in labels), None)


def match_raw_rows(rows: Sequence[Row], raw: Sequence[Row]) -> list[Row] | None:
    """The sample's raw row of each normalized row; None where the rows are not this sample's.

    Rows are matched by their answer. A raw row also holds what its answer must have: facts,
    fields or a label.
    """
    known = {last_answer(one): one for one in raw}
    found = [known.get(last_answer(row)) for row in rows if "text" not in row]
    matched = [one for one in found if one is not None]
    return matched if len(matched) == len(rows) else None


# --- a score in words ---

GUESSES = "The base model's last layer is new and was never trained, so it guesses."


class ShortScore(NamedTuple):
    """A score for a table: the figure, what it is, the base model's, and how good it is.

    ``rank`` is greater where a score is better: shares of right replies are 0 or more, perplexities
    and distances negative, so that each kind stays together when a table is sorted.
    """

    figure: str
    what: str
    base: str
    rank: float


def short_score(done: ScoreEvent) -> ShortScore:
    """A score in a few words."""
    if isinstance(done, Perplexity):
        base, tuned = f"base {format_perplexity(done.base)}", format_perplexity(done.tuned)
        return ShortScore(tuned, "perplexity", base, -done.tuned)
    if isinstance(done, NumberScore):
        base, tuned = f"base {done.error.base:.3g}", f"{done.error.tuned:.3g}"
        return ShortScore(tuned, "off on average", base, -done.error.tuned)
    share = done.tuned / done.rows if done.rows else 0.0
    right = f"{done.tuned} of {done.rows}"
    return ShortScore(f"{100 * share:.0f} %", right, f"base {done.base} of {done.rows}", share)


def score_sentences(done: ScoreEvent) -> list[str]:
    """A score in plain sentences, each figure beside what it is compared with."""
    if isinstance(done, Perplexity):
        return [
            "Perplexity (how surprised the model is by new text; lower is better): "
            f"base {format_perplexity(done.base)}, tuned {format_perplexity(done.tuned)}.",
            f"Measured on {done.tokens:,} tokens (pieces of words): {done.what}, in "
            f"{_rows_measured(done.rows, done.of)}.",
        ]
    if isinstance(done, NumberScore):
        return _number_sentences(done)
    right = f"{done.what}: base {done.base} of {done.rows}, tuned {done.tuned} of {done.rows}"
    asked = f"Asked: {_rows_measured(done.rows, done.of or done.rows)}."
    if done.labels is None:
        return [f"{right}."] if done.of in (None, done.rows) else [f"{right}.", asked]
    always = done.labels.majority, done.labels.majority_right
    first = f"{right}; always saying '{always[0]}' would be right for {always[1]}."
    return [first, *_label_sentences(done.labels, done.guessing, asked)]


def _label_sentences(labels: LabelScores, guessing: bool, asked: str) -> list[str]:
    f1, majority = labels.macro_f1, f"always '{labels.majority}'"
    none = f"base {labels.no_label_base}, tuned {labels.no_label_tuned}"
    found = [
        "Macro F1 (1 is best; a rare label counts as much as a frequent one): "
        f"base {f1.base:.2f}, tuned {f1.tuned:.2f}, {majority} {f1.majority:.2f}."
    ]
    if micro := labels.micro_f1:
        found.append(
            "Micro F1 (1 is best; every label of every example counts the same): "
            f"base {micro.base:.2f}, tuned {micro.tuned:.2f}, {majority} {micro.majority:.2f}. "
            f"Examples that got no label: {none}."
        )
    if guessing:
        return [*found, f"{GUESSES} {asked}"]
    if micro:
        return [*found, asked]
    return [*found, f"Replies that are not a label, counted as wrong: {none}. {asked}"]


def _number_sentences(done: NumberScore) -> list[str]:
    error, explained = done.error, done.explained
    found = [
        f"Mean distance from the right number (lower is better): base {error.base:.3g}, "
        f"tuned {error.tuned:.3g}; always saying the mean of the training examples, "
        f"{done.mean:.4g}, would give {error.majority:.3g}."
    ]
    if explained:
        found.append(
            "Share of the differences that is explained (R²; 1 is best, 0 is what the mean does): "
            f"base {explained.base:.2f}, tuned {explained.tuned:.2f}."
        )
    measured = f"Measured on {_rows_measured(done.rows, done.of)}."
    return [*found, f"{GUESSES} {measured}" if done.guessing else measured]


def format_perplexity(value: float) -> str:
    """A perplexity with as many decimals as it needs."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _rows_measured(rows: int, of: int) -> str:
    """How many of the held-out examples took part."""
    if rows == of:
        return "the only held-out example" if of == 1 else f"all {of:,} held-out examples"
    why = "evenly spread" if of > SCORED_ROWS else "the others are longer than this run reads"
    return f"{rows:,} of {of:,} held-out examples ({why})"
