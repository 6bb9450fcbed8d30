"""The data part of a RunSpec: which examples, how they are read, fixed, split and cut."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from engine.spec.method import SpecPart

SOURCE_PATTERN = r"^(sample|dataset):[a-z0-9-]+$"


class Shape(StrEnum):
    """The format of the rows; the value is shown to the user."""

    CHAT = "chat messages"
    ALPACA = "Alpaca (instruction, input, output)"
    COMPLETION = "prompt and completion"
    PREFERENCE = "preferences (prompt, chosen, rejected)"
    FEEDBACK = "feedback (prompt, completion, good or bad)"
    LABEL = "text with a label"
    TEXT = "plain text"


# The first line's change the rows (engine.data.prepare), the others their tokens
# (engine.work.encode.encode).
Fix = Literal[
    "unusable", "garbled", "invisible", "stamps", "turns", "commas", "lost", "contradictions",
    "duplicates", "similar", "leaked", "personal", "balance",
    "refused", "literal", "shorten",
]  # fmt: skip
Template = Literal["model", "plain", "chatml", "llama3", "gemma", "phi3", "mistral", "alpaca"]


class DataSpec(SpecPart):
    """Which examples, and how they are read, fixed, split, formatted for the model and cut."""

    source: str = Field("sample:pirate", pattern=SOURCE_PATTERN, title="Data")
    """The examples to learn from: a bundled sample or your own data."""
    shape: Shape | None = Field(None, title="Row format")
    """Detected automatically. Change it if it is wrong."""
    roles: dict[str, str] = Field({}, max_length=8, title="Columns")
    """Which column plays which part. Detected automatically. Change it if it is wrong."""
    goal: Literal["auto", "write", "classify", "multilabel", "regress", "prefer"] = Field(
        "auto", title="What to learn"
    )
    """Write answers or text, choose a label, or prefer better answers. Automatic decides by the
    rows and the model."""
    system: str = Field("", max_length=4000, title="Instruction for all rows (system prompt)")
    """Given to the model before each conversation. Rows with their own keep it."""
    template: Template = Field("model", title="Chat format (template)")
    """How messages are written for the model. Keep the model's own unless you know better. A model
    without one gets the plain format: lines that start with User: and Assistant:."""
    learn: Literal["answers", "last", "all"] = Field("answers", title="Learn from")
    """Which words count in the loss (loss mask). Answers is right in nearly all cases."""
    fixes: tuple[Fix, ...] = Field((), title="Fixes")
    """What is left out or changed before training. Each fix can be undone; the original is kept."""
    left_out: dict[str, tuple[str, ...]] = Field(
        {}, max_length=16, title="Rows left out by a column"
    )
    """Rows in which a column has one of these values are not learned. A column without values does
    not matter."""
    held_out: float = Field(0.1, ge=0.0, le=0.5, title="Held-out share")
    """Share of the examples that are never trained on, to check whether the model gets better on
    new ones. Samples bring their own held-out part."""
    held_out_source: str | None = Field(None, pattern=SOURCE_PATTERN, title="Held-out data")
    """Other data to hold out instead of a share of this data."""
    max_length: int = Field(256, ge=16, le=32768, title="Longest example (tokens)")
    """Longer examples are cut here. A lower limit trains faster and needs less memory."""
    seed: int = Field(42, ge=0, le=2**31 - 1, title="Seed")
    """Decides the split, the order of the examples and the adapter's first weights. The same seed
    repeats a run."""
