"""How much held-out rows resemble training rows, and the sentence that stands beside every score.

Text alone never shows that two rows do not say the same. So what was found is counted, and said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from engine.data.quality.words import Numbers, Texts
from engine.data.rows import SCORED_ROWS, spread_indices
from engine.text import count_of

MOST = 0.6  # of a row's wording, a rare word counting more than a frequent one
UNSEEN = "The same thing said in quite other words cannot be found by comparing texts."
NOT_COMPARED = (
    "Whether held-out examples resemble training examples was not looked at when this run began."
)


class Overlap(BaseModel):
    """What held-out rows have in common with training rows."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    compared: int  # held-out rows that were looked at
    of: int  # held-out rows there are
    wording: int  # of those compared, rows that share most of their wording with a training row
    answers: int  # of those compared, rows with a long answer that a training row has, too


class _Questions(NamedTuple):
    """The distinct words of each text, and in which texts each word stands."""

    of_texts: Numbers  # word ids, text by text
    starts: Numbers  # of each text
    of_words: Numbers  # texts, word by word
    places: Numbers  # of each word id in these
    weights: Numbers  # by word id


def measure_overlap(
    texts: Texts, held_out: list[int], trained: list[int], answers: Numbers
) -> tuple[Overlap, list[int]]:
    """Compare held-out rows with training rows; also return those that share their wording.

    ``answers`` is a key of each row's answer, 0 where it is short or a label.
    """
    rows = [held_out[at] for at in spread_indices(len(held_out))]
    is_trained = np.zeros(len(answers), dtype=bool)
    is_trained[trained] = True
    known = np.unique(answers[is_trained])
    again = np.isin(answers[rows], known[known != 0])
    chosen = ~texts.answers & (is_trained | np.isin(np.arange(len(answers)), rows))[texts.rows]
    alike = _rows_worded_alike(texts, np.flatnonzero(chosen), is_trained) if rows else []
    found = Overlap(
        compared=len(rows), of=len(held_out), wording=len(alike), answers=int(again.sum())
    )
    return found, alike


def _rows_worded_alike(texts: Texts, chosen: Numbers, is_trained: Numbers) -> list[int]:
    """The rows among the chosen texts that share most of their wording with one trained row."""
    asked = _index_words(texts, chosen)
    trained = is_trained[texts.rows[chosen]]
    found = []
    for text in np.flatnonzero(~trained):
        words = asked.of_texts[asked.starts[text] : asked.starts[text + 1]]
        whole = float(asked.weights[words].sum())
        common = np.zeros(len(chosen))
        for word in words:
            common[asked.of_words[asked.places[word] : asked.places[word + 1]]] += asked.weights[
                word
            ]
        if whole > 0 and common[trained].max(initial=0.0) >= MOST * whole:
            found.append(int(texts.rows[chosen[text]]))
    return found


def _index_words(texts: Texts, chosen: Numbers) -> _Questions:
    renamed = np.full(len(texts.starts), -1)
    renamed[chosen] = np.arange(len(chosen))
    of_words = renamed[texts.of_words]
    inside = of_words >= 0
    size = len(texts.hashes)
    pairs = np.unique(of_words[inside] * size + texts.words[inside].astype(np.int64))
    of_texts, words = pairs // size, pairs % size
    order = np.argsort(words, kind="stable")
    counts = np.bincount(words, minlength=size)
    return _Questions(
        of_texts=words,
        starts=np.searchsorted(of_texts, np.arange(len(chosen) + 1)),
        of_words=of_texts[order],
        places=np.concatenate([[0], np.cumsum(counts)]),
        weights=np.log(len(chosen) / np.maximum(1, counts)),
    )


# --- in words ---


def describe_overlap(found: Mapping[str, Any] | None) -> str:
    """What to keep in mind beside a score; ``found`` are the fields of an Overlap.

    None stands for a run that is older than this comparison, or whose rows were not compared.
    """
    if found is None:
        return NOT_COMPARED
    overlap = Overlap(**found)
    if not overlap.compared:
        return ""
    shown = f"{overlap.compared:,} held-out examples"
    if overlap.compared < overlap.of:
        shown += f" looked at (of {overlap.of:,})"
    if overlap.compared == 1:
        shown = "the only held-out example"
    answers = ""
    if overlap.answers:
        have = "has an answer" if overlap.answers == 1 else "have answers"
        answers = f" {overlap.answers:,} {have} that training examples have, too."
    if not overlap.wording:
        return f"Of {shown}, none is worded much like a training example.{answers} {UNSEEN}"
    alike = count_of(overlap.wording, "shares", "share")
    text = f"Of {shown}, {alike} most of the wording with a training example.{answers}"
    if 2 * overlap.wording > overlap.compared:
        return f"{text} So this says little about examples that are really new."
    return f"{text} {UNSEEN}"
