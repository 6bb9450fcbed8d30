"""The data's part of a spec: which examples, how they are read, mended and split. Part of engine.spec.run's RunSpec."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from engine.spec.method import SpecPart

SOURCE_PATTERN = r"^(sample|dataset):[a-z0-9-]+$"


class Shape(StrEnum):
    """What the rows of a table are; the value is shown to the user."""

    CHAT = "chat messages"
    ALPACA = "Alpaca (instruction, input, output)"
    COMPLETION = "prompt and completion"
    PREFERENCE = "preferences (prompt, chosen, rejected)"
    FEEDBACK = "feedback (prompt, completion, good or bad)"
    LABEL = "text with a label"
    TEXT = "plain text"


# The first six are made to the rows (engine.data.prepare), the others when a row becomes tokens (engine.work.encode.encode).
Fix = Literal[
    "unusable",
    "duplicates",
    "similar",
    "leaked",
    "personal",
    "balance",
    "refused",
    "literal",
    "shorten",
]
Template = Literal["model", "plain", "chatml", "llama3", "gemma", "phi3", "mistral", "alpaca"]


class DataSpec(SpecPart):
    """Which examples, how they are read, mended, split, shown to the model and cut."""

    source: str = Field(
        "sample:pirate",
        pattern=SOURCE_PATTERN,
        title="Data",
        description="The examples to learn from: a bundled sample or data that you added.",
    )
    shape: Shape | None = Field(
        None,
        title="What a row is",
        description="Found by itself. Change it where it is wrong.",
    )
    roles: dict[str, str] = Field(
        {},
        max_length=8,
        title="Columns",
        description="Which column plays which part. Found by itself. Change it where it is wrong.",
    )
    goal: Literal["auto", "write", "classify", "multilabel", "regress", "prefer"] = Field(
        "auto",
        title="What to learn",
        description="Write answers or text, choose a label, or prefer better answers. Automatic goes by the rows and "
        "the model.",
    )
    system: str = Field(
        "",
        max_length=4000,
        title="Instruction for all rows (system prompt)",
        description="Said to the model before each conversation. Rows that bring their own keep it.",
    )
    template: Template = Field(
        "model",
        title="Chat format (template)",
        description="How turns are written for the model. Keep the model's own unless you know better. A model without "
        "one gets the plain format: lines that begin with User: and Assistant:.",
    )
    learn: Literal["answers", "last", "all"] = Field(
        "answers",
        title="Learn from",
        description="Which words count for the loss (loss mask). Answers is right for nearly everything.",
    )
    fixes: tuple[Fix, ...] = Field(
        (),
        title="Mended",
        description="What is left out or changed before training. Each can be undone; the original stays.",
    )
    held_out: float = Field(
        0.1,
        ge=0.0,
        le=0.5,
        title="Held-out share",
        description="Examples kept aside and never trained on, to see whether the model got better on new ones. "
        "Samples bring their own held-out part.",
    )
    held_out_source: str | None = Field(
        None,
        pattern=SOURCE_PATTERN,
        title="Held-out data",
        description="Other data to keep aside instead of a share of this.",
    )
    max_length: int = Field(
        256,
        ge=16,
        le=32768,
        title="Longest example (tokens)",
        description="Longer examples are cut here. Short limits train faster and need less memory.",
    )
    seed: int = Field(
        42,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="Decides the split, the order of examples and the adapter's start. The same seed repeats a run.",
    )
