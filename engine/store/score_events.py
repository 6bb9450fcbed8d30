"""The events that report a score of base and tuned model, and what every event has.

Their names are on users' disks, like those of engine.store.events.
"""

from __future__ import annotations

import time
from typing import Literal

from pydantic import BaseModel, Field


class EventBase(BaseModel, frozen=True, extra="ignore"):
    v: int = 1  # of the schema
    time: float = Field(default_factory=time.time)  # seconds since 1970


class ComparedScore(BaseModel, frozen=True, extra="ignore"):
    """One figure of three: base model, tuned model, always the most frequent label or the mean."""

    base: float
    tuned: float
    majority: float


class LabelScores(BaseModel, frozen=True, extra="ignore"):
    """The figures beside the count where the right answer is one of a few labels."""

    majority: str  # the commonest label (or list of labels) of the training rows
    majority_right: int  # held-out rows that have it too
    accuracy: ComparedScore  # share of right replies
    macro_f1: ComparedScore  # mean F1 of the labels that the scored rows have, equally weighted
    no_label_base: int  # replies that are no label at all; each counts as wrong
    no_label_tuned: int
    micro_f1: ComparedScore | None = None  # over all labels at once, where rows have several


class Scored(EventBase):
    """Right replies of base and tuned model to held-out rows."""

    kind: Literal["scored"] = "scored"
    what: str  # what counts as right, in words
    base: int  # right replies
    tuned: int
    rows: int  # held-out rows that were asked
    of: int | None = None  # held-out rows there are; None in events that are older than this field
    labels: LabelScores | None = None  # for rows with a label
    guessing: bool = False  # the base model's head is new, so that it guesses


class NumberScore(EventBase):
    """Distance of the numbers that base and tuned model give from the right ones."""

    kind: Literal["number_score"] = "number_score"
    mean: float  # of the training rows
    error: ComparedScore  # mean absolute distance
    explained: ComparedScore | None  # R²; None where all right numbers are the same
    rows: int  # held-out rows that were measured
    of: int  # held-out rows there are
    guessing: bool = False  # the base model's head is new, so that it guesses


class Perplexity(EventBase):
    """Perplexity of base and tuned model on held-out rows: exp of the mean loss of a token."""

    kind: Literal["perplexity"] = "perplexity"
    what: str  # of which tokens, in words
    base: float
    tuned: float
    tokens: int  # measured
    rows: int  # held-out rows that these stand in
    of: int  # held-out rows there are


ScoreEvent = Scored | NumberScore | Perplexity
