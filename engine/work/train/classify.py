"""The goals "classify", "multilabel" and "regress": a new last layer chooses labels or gives a number."""

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

from engine.data.normalize import last_answer
from engine.data.rows import Row, Rows
from engine.errors import DataError
from engine.spec.objective import ObjectiveKind, split_labels
from engine.store.files import write_json
from engine.work.model.classifier import (
    LABELS_FILE,
    REGRESSION,
    NumberScale,
    compute_logits,
    describe_output,
    head_metadata,
    parse_number,
    read_scale,
    row_texts,
    set_pad_token,
    tokenize_texts,
)
from engine.work.model.load import Head, head_of
from engine.work.train.objective import ExampleCounts, TrainingInputs
from engine.work.train.trainer import HoneTrainer

QUESTIONS = 3  # held-out texts that are asked at every check where the user names none
SAMPLE_LABELS_SHOWN = 3

Target = int | float | list[float]


class ClassificationTrainer(HoneTrainer):
    """Trainer that writes what the outputs stand for beside the weights, and means its loss over rows alone."""

    about: dict[str, Any]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Else it leaves it to the model to share the loss among batches that are added up, which only some losses do.
        self.model_accepts_loss_kwargs = False

    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None
    ) -> None:
        super()._save(output_dir, state_dict)
        write_json(Path(output_dir or self.args.output_dir) / LABELS_FILE, self.about)


class LabelledExamples(NamedTuple):
    """Rows as they are learned."""

    ids: list[list[int]]
    targets: list[Target]
    cut: int
    unknown: int  # rows that have a label which no training row has, left out

    def dataset(self) -> Dataset:
        masks = [[1] * len(ids) for ids in self.ids]
        return Dataset.from_dict(
            {"input_ids": self.ids, "attention_mask": masks, "labels": self.targets}
        )


class ClassificationObjective:
    """The lesson of a run that learns to choose labels or to give a number."""

    preference = ""

    def __init__(self, made_of: TrainingInputs) -> None:
        self.of = made_of
        self.reasons: dict[str, str] = {}
        self.flat = False
        self.tokenizer, self.spec = made_of.tokenizer, made_of.spec
        head = head_of(made_of.goal, made_of.labels)
        assert head is not None
        self.head: Head | None = head
        self.layer: Head = head
        require_labels(made_of.goal, head.labels, len(made_of.rows))
        self.scale = label_scale(made_of.rows) if made_of.goal == "regress" else NumberScale()
        if made_of.goal == "regress" and (made_of.start / LABELS_FILE).is_file():
            self.scale = read_scale(
                made_of.start
            )  # a head that is gone on with has learned its own units
        self.data, self.held = self._examples(made_of.rows), self._examples(made_of.held)
        self.lengths = [len(ids) for ids in self.data.ids]
        self.numbers = ExampleCounts(
            rows=len(self.lengths),
            held_out=len(self.held.ids),
            tokens=sum(self.lengths),
            learned=len(self.lengths),
            cut=self.data.cut,
        )
        self.warnings = self._warnings()
        self.asked = list(self.spec.sampling.prompts) or row_texts(
            (made_of.held or made_of.rows)[:QUESTIONS]
        )

    def _examples(self, rows: Rows) -> LabelledExamples:
        targets = [self._target(row, rows.row_number(at)) for at, row in enumerate(rows)]
        known = [
            (row, target) for row, target in zip(rows, targets, strict=True) if target is not None
        ]
        ids, cut = tokenize_texts(
            self.tokenizer, row_texts(row for row, _ in known), self.spec.data
        )
        return LabelledExamples(
            ids, [target for _, target in known], cut, len(targets) - len(known)
        )

    def _target(self, row: Row, number: int) -> Target | None:
        """What the head should say; None where it has no output for it."""
        label, names = last_answer(row), self.layer.labels
        if self.of.goal == "regress":
            return (_require_number(label, number) - self.scale.mean) / self.scale.spread
        if self.of.goal == "classify":
            return names.index(label) if label in names else None
        parts = split_labels(label)
        return (
            [float(name in parts) for name in names] if parts and set(parts) <= set(names) else None
        )

    def _warnings(self) -> list[str]:
        found = []
        if self.held.unknown:
            found.append(
                f"{self.held.unknown} of {len(self.of.held)} held-out examples have a label that no training example "
                "has, so it cannot be learned: they are left out of the checks."
            )
        if self.spec.data.system.strip():
            found.append(
                "The instruction for all rows is not used: a model that chooses labels reads the text alone."
            )
        return found

    def trainer(
        self, model: Any, arguments: dict[str, Any], callbacks: list[TrainerCallback]
    ) -> Trainer:
        """Transformers' Trainer; where labels are chosen its checks count the right ones too."""
        set_pad_token(model, self.tokenizer)
        model.config.get_text_config().use_cache = (
            False  # a decoder would keep what only writing needs
        )
        counts = self.layer.problem != REGRESSION
        trainer = ClassificationTrainer(
            model=model,
            args=TrainingArguments(
                **arguments | {"prediction_loss_only": not counts, "label_names": ["labels"]},
            ),
            train_dataset=self.data.dataset(),
            eval_dataset=self.held.dataset() if self.held.ids else None,
            data_collator=DataCollatorWithPadding(self.tokenizer),
            processing_class=self.tokenizer,
            compute_metrics=label_accuracy if counts else None,
            preprocess_logits_for_metrics=choose_labels if counts else None,
            callbacks=callbacks,
        )
        trainer.about = head_metadata(self.layer, self.scale)
        return trainer

    def ask(self, model: Any) -> list[tuple[str, str]]:
        """What the head says of the fixed texts now."""
        found = compute_logits(
            model, self.tokenizer, tokenize_texts(self.tokenizer, self.asked, self.spec.data).ids
        )
        return [
            (text, describe_output(one, self.layer, self.scale, SAMPLE_LABELS_SHOWN))
            for text, one in zip(self.asked, found, strict=True)
        ]


def choose_labels(logits: Any, labels: torch.Tensor) -> torch.Tensor:
    """The labels that are chosen, in the form of the right ones: chances would be kept for all held-out rows."""
    logits = logits[0] if isinstance(logits, tuple) else logits
    return (logits > 0).to(labels.dtype) if labels.ndim == 2 else logits.argmax(-1)


def label_accuracy(found: EvalPrediction) -> dict[str, float]:
    """The share of rows whose label, or all of whose labels, are right."""
    right = found.predictions == found.label_ids
    return {"accuracy": float((right.all(-1) if right.ndim == 2 else right).mean())}


def require_labels(goal: ObjectiveKind, labels: Sequence[str], rows: int) -> None:
    """Raise DataError where there is nothing to choose from, or where the labels are answers."""
    if goal == "regress":
        return
    if len(labels) < 2:
        only = f"is only one label, '{labels[0]}'" if labels else "are no labels"
        raise DataError(
            f"There {only}, so there is nothing to choose. Add examples with other labels."
        )
    if len(labels) > max(2, rows / 2):
        raise DataError(
            f"There are {len(labels)} different labels in {rows} examples: these look like answers, not labels. "
            "Set what to learn to Write answers or text, or choose another column for the label on the Data tab."
        )


def label_scale(rows: Rows) -> NumberScale:
    """The mean and spread of the numbers; raises DataError for labels that are no numbers, or all the same one."""
    numbers = [
        _require_number(last_answer(row), rows.row_number(at)) for at, row in enumerate(rows)
    ]
    mean, spread = statistics.fmean(numbers), statistics.pstdev(numbers)
    if not spread:
        raise DataError(
            f"All examples have the same number ({numbers[0]:g}), so there is nothing to learn."
        )
    return NumberScale(mean, spread)


def _require_number(label: str, row: int) -> float:
    value = parse_number(label)
    if math.isnan(value):
        raise DataError(
            f"Row {row}: '{label[:40]}' is not a number, and this run learns to give one. Correct the row on the Data "
            "tab, or set what to learn to Choose a label."
        )
    return value
