"""What the head of a run says of one text, as the desk answers it."""

from __future__ import annotations

from pydantic import BaseModel

from engine.spec.objective import ObjectiveKind


class HeadAnswer(BaseModel, frozen=True):
    """What one head gives: labels, or a number."""

    probabilities: tuple[float, ...] = ()  # of each label, in the order of the labels
    chosen: tuple[str, ...] = ()  # the likeliest label, or all that are likelier than not
    value: float | None = None


class LabelAnswer(BaseModel, frozen=True):
    """The answer to one text."""

    kind: ObjectiveKind  # classify, multilabel or regress
    labels: tuple[str, ...]
    tuned: HeadAnswer
    base: HeadAnswer | None  # None where its head is new, so that it would only guess
    tokens: int  # that were read
    cut: bool  # the text is longer than that
    numbers: tuple[float, float] | None = None  # the lowest and highest of the training rows
