"""What every goal brings to a run: its examples as tokens, its trainer, and how the model is asked meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol

from transformers import PreTrainedTokenizerBase, Trainer, TrainerCallback

from engine.data.rows import Rows
from engine.errors import DataError
from engine.model.info import ModelInfo
from engine.spec.objective import ObjectiveKind
from engine.spec.run import DataSpec, RunSpec
from engine.work.model.load import Head


class TrainingInputs(NamedTuple):
    """What a lesson is made from."""

    spec: RunSpec
    goal: ObjectiveKind
    info: ModelInfo
    tokenizer: PreTrainedTokenizerBase
    rows: Rows
    held: Rows
    labels: tuple[str, ...]  # of the training rows, where they have any
    files: tuple[Path, Path]  # that hold the rows and the held-out ones
    cache: Path  # where tokens are kept
    start: Path  # the result that is gone on with, if any

    @property
    def context(self) -> int:
        """Tokens that the model reads at once, as far as this run needs to know."""
        return self.info.context or self.spec.data.max_length + self.spec.sampling.max_new_tokens


class ExampleCounts(NamedTuple):
    """Of the training examples as they are learned."""

    rows: int
    held_out: int
    tokens: int
    learned: int  # tokens with a loss; for labels, the examples
    cut: int  # examples that lose something at the length limit


class TrainingObjective(Protocol):
    """One goal's half of a run. Making it raises DataError where nothing can be learned."""

    warnings: list[str]  # about the examples, for the user
    head: Head | None  # a new classification head, where the goal needs one
    numbers: ExampleCounts
    lengths: list[int]  # tokens of each training example, in the order of the trainer's dataset
    preference: str  # dpo, orpo or kto; empty for other goals
    reasons: dict[str, str]  # what the trainer chose by itself, and why
    flat: bool  # its batches have no padding

    def trainer(
        self, model: Any, arguments: dict[str, Any], callbacks: list[TrainerCallback]
    ) -> Trainer:
        """The trainer, with its datasets; ``arguments`` are those that all trainers know."""

    def ask(self, model: Any) -> list[tuple[str, str]]:
        """The run's fixed questions, and what the model answers now."""


def require_examples(kept: int, lost: int, data: DataSpec) -> None:
    """Raise DataError where no example is left to learn from."""
    if not kept and not lost:
        raise DataError(
            "None of the examples fits the model's chat format, so nothing can be learned. Choose another chat format "
            "(template) on the Data tab."
        )
    if not kept:
        raise DataError(
            f"None of the {lost} examples keeps an answer within {data.max_length} tokens, so nothing can be "
            "learned. Raise the longest example on the Data tab, or shorten the prompts."
        )


def left_out_warnings(lost: int, refused: int, rows: int) -> list[str]:
    """What to say about examples that are not learned."""
    found = []
    if lost:
        found.append(f"{lost} of {rows} examples lose their whole answer at this length: left out.")
    if refused:
        found.append(f"{refused} of {rows} examples do not fit the model's chat format: left out.")
    return found
