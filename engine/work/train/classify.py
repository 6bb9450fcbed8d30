"""The objectives "classify", "multilabel" and "regress": a new last layer is trained."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from transformers import (
    DataCollatorWithPadding,
    EvalPrediction,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from engine.data.normalize import last_answer, row_labels
from engine.data.rows import Row, Rows
from engine.errors import DataError
from engine.spec.objective import ObjectiveKind
from engine.store.files import write_json
from engine.work.model import classifier
from engine.work.train.objective import (
    SAMPLE_PROMPTS,
    ExampleCounts,
    Objective,
    Sample,
    TrainingInputs,
)
from engine.work.train.trainer import HoneTrainer

SAMPLE_LABELS_SHOWN = 3

Target = int | float | list[float]


class ClassificationTrainer(HoneTrainer):
    """Writes what the outputs stand for beside the weights; its loss is a mean over rows."""

    metadata: dict[str, Any]

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        write_json(Path(output_dir or self.args.output_dir) / classifier.LABELS_FILE, self.metadata)


class LabelledExamples(NamedTuple):
    """Tokenised texts with their targets."""

    ids: list[list[int]]
    targets: list[Target]
    cut: int  # texts that lose something at the length limit
    unknown: int  # rows with a label that no training row has, left out

    def to_dataset(self) -> Dataset:
        masks = [[1] * len(ids) for ids in self.ids]
        return Dataset.from_dict(
            {"input_ids": self.ids, "attention_mask": masks, "labels": self.targets}
        )


class ClassificationObjective(Objective):
    """The objective of a run that learns to choose labels or to give a number."""

    def __init__(self, inputs: TrainingInputs) -> None:
        self.inputs, self.tokenizer = inputs, inputs.tokenizer
        assert inputs.head is not None
        self.head = inputs.head
        require_labels(inputs.kind, self.head.labels, len(inputs.train))
        self.scale = _choose_scale(inputs)
        self.train, self.held_out = self._encode(inputs.train), self._encode(inputs.held_out)
        self.lengths = [len(ids) for ids in self.train.ids]
        self.counts = ExampleCounts(
            rows=len(self.lengths),
            held_out=len(self.held_out.ids),
            tokens=sum(self.lengths),
            learned=len(self.lengths),
            cut=self.train.cut,
        )
        self.warnings = self._warnings()
        first = (inputs.held_out or inputs.train)[:SAMPLE_PROMPTS]
        self.prompts = list(inputs.spec.sampling.prompts) or classifier.row_texts(first)

    def _encode(self, rows: Rows) -> LabelledExamples:
        numbered = ((row, rows.row_number(at)) for at, row in enumerate(rows))
        targets = [(row, self._target(row, number)) for row, number in numbered]
        found = [(row, target) for row, target in targets if target is not None]
        texts = classifier.row_texts(row for row, _ in found)
        ids, cut = classifier.tokenize_texts(self.tokenizer, texts, self.inputs.spec.data)
        unknown = len(targets) - len(found)
        return LabelledExamples(ids, [target for _, target in found], cut, unknown)

    def _target(self, row: Row, number: int) -> Target | None:
        """What the head should give; None where it has no output for it."""
        label, names = last_answer(row), self.head.labels
        if self.inputs.kind == "regress":
            return (_require_number(label, number) - self.scale.mean) / self.scale.spread
        if self.inputs.kind == "classify":
            return names.index(label) if label in names else None
        parts = row_labels(row)
        if not parts or not set(parts) <= set(names):
            return None
        return [float(name in parts) for name in names]

    def _warnings(self) -> list[str]:
        found = []
        if self.held_out.unknown:
            found.append(
                f"{self.held_out.unknown} of {len(self.inputs.held_out)} held-out examples have a "
                "label that no training example has, so it cannot be learned: they are left out of "
                "the checks."
            )
        if self.inputs.spec.data.system.strip():
            found.append(
                "The instruction for all rows is not used: a model that chooses labels reads the "
                "text alone."
            )
        return found

    def make_trainer(
        self, model: Any, arguments: dict[str, Any], callbacks: list[TrainerCallback]
    ) -> Trainer:
        """The trainer; where labels are chosen, its checks count the right ones too."""
        classifier.set_pad_token(model, self.tokenizer)
        model.config.get_text_config().use_cache = False  # needed for generating text alone
        counts = self.head.problem != classifier.REGRESSION
        options = {"prediction_loss_only": not counts, "label_names": ["labels"]}
        trainer = ClassificationTrainer(
            model=model,
            args=TrainingArguments(**arguments | options),
            train_dataset=self.train.to_dataset(),
            eval_dataset=self.held_out.to_dataset() if self.held_out.ids else None,
            data_collator=DataCollatorWithPadding(self.tokenizer),
            processing_class=self.tokenizer,
            compute_metrics=label_accuracy if counts else None,
            preprocess_logits_for_metrics=choose_labels if counts else None,
            callbacks=callbacks,
        )
        trainer.metadata = classifier.head_metadata(self.head, self.scale)
        # Else the model would have to spread the loss over accumulated batches; only some do.
        trainer.model_accepts_loss_kwargs = False
        return trainer

    def sample_replies(self, model: Any) -> list[Sample]:
        """What the head says of the fixed texts now."""
        ids = classifier.tokenize_texts(self.tokenizer, self.prompts, self.inputs.spec.data).ids
        outputs = classifier.compute_logits(model, self.tokenizer, ids)
        return [
            (text, classifier.describe_output(one, self.head, self.scale, SAMPLE_LABELS_SHOWN))
            for text, one in zip(self.prompts, outputs, strict=True)
        ]


def choose_labels(logits: Any, labels: torch.Tensor) -> torch.Tensor:
    """The labels that logits choose, shaped as the right ones (less memory than logits)."""
    logits = logits[0] if isinstance(logits, tuple) else logits
    return (logits > 0).to(labels.dtype) if labels.ndim == 2 else logits.argmax(-1)


def label_accuracy(found: EvalPrediction) -> dict[str, float]:
    """The share of rows whose label, or all of whose labels, are right."""
    right = found.predictions == found.label_ids
    return {"accuracy": float((right.all(-1) if right.ndim == 2 else right).mean())}


def require_labels(kind: ObjectiveKind, labels: Sequence[str], rows: int) -> None:
    """Raise DataError where there is nothing to choose from, or where the labels are answers."""
    if kind == "regress":
        return
    if len(labels) < 2:
        only = f"is only one label, '{labels[0]}'" if labels else "are no labels"
        raise DataError(
            f"There {only}, so there is nothing to choose. Add examples with other labels."
        )
    if len(labels) > max(2, rows / 2):
        raise DataError(
            f"There are {len(labels)} different labels in {rows} examples: these look like "
            "answers, not labels. Set what to learn to Write answers or text, or choose another "
            "column for the label on the Data tab."
        )


def _choose_scale(inputs: TrainingInputs) -> classifier.NumberScale:
    """Mean and spread of the numbers; a head that is trained further keeps those it has learned.

    Raises DataError for no number, or equal ones.
    """
    if inputs.kind != "regress":
        return classifier.NumberScale()
    rows, start = inputs.train, inputs.run.start
    numbers = [
        _require_number(last_answer(row), rows.row_number(at)) for at, row in enumerate(rows)
    ]
    mean, spread = statistics.fmean(numbers), statistics.pstdev(numbers)
    if not spread:
        raise DataError(
            f"All examples have the same number ({numbers[0]:g}), so there is nothing to learn."
        )
    if (start / classifier.LABELS_FILE).is_file():
        return classifier.read_scale(start)
    return classifier.NumberScale(mean, spread)


def _require_number(label: str, row: int) -> float:
    value = classifier.parse_number(label)
    if math.isnan(value):
        raise DataError(
            f"Row {row}: '{label[:40]}' is not a number, and this run learns to give one. Correct "
            "the row on the Data tab, or set what to learn to Choose a label."
        )
    return value
