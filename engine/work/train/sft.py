"""The goal "write": answers or plain text are learned token by token (TRL's SFTTrainer)."""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, Trainer, TrainerCallback
from trl import SFTConfig, SFTTrainer

from engine.work.encode.cache import load_or_encode
from engine.work.encode.encode import IGNORE_INDEX
from engine.work.kernels import packing
from engine.work.kernels.packed_attention import PackingCollator
from engine.work.kernels.packing import Packing
from engine.work.model.load import Head
from engine.work.train.objective import (
    ExampleCounts,
    TrainingInputs,
    left_out_warnings,
    require_examples,
)
from engine.work.train.samples import SamplePrompts
from engine.work.train.trainer import HoneTrainer, preserved_precision

TOKEN_COLUMNS = ["input_ids", "labels"]


class SftTrainer(HoneTrainer, SFTTrainer):
    """SFTTrainer with the loss computed as suits the model: TRL's own takes two to three times as long on a CPU."""

    way: Packing
    held: torch.Tensor  # summed loss and number of the learned tokens that a check has seen

    def take(self, way: Packing) -> None:
        """Set the way; before the first step."""
        self.way = way
        if way.packed:
            self.data_collator = PackingCollator()
            self.model_accepts_loss_kwargs = self.loss_is_scaled_for_ga = (
                True  # the loss is a mean over all of a step
            )

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        inputs["use_cache"] = False
        if self.way.packed:
            found = packing.packed_loss(model, self.way, inputs, num_items_in_batch)
        else:
            found = Trainer.compute_loss(self, model, inputs, return_outputs, num_items_in_batch)
        if not model.training:
            count = (inputs["labels"][:, 1:] != IGNORE_INDEX).sum()
            self.held += torch.stack(
                [(found[0] if return_outputs else found).detach() * count, count]
            ).cpu()
        return found

    def evaluation_loop(self, *args: Any, **options: Any) -> Any:
        """The held-out loss is the mean over all learned tokens, in whatever batches they come."""
        self.held = torch.zeros(2, dtype=torch.float64)
        found = super().evaluation_loop(*args, **options)
        found.metrics["eval_loss"] = float(self.held[0] / self.held[1])
        return found


class SftObjective:
    """The lesson of a run that learns to write."""

    head: Head | None = None
    preference = ""

    def __init__(self, made_of: TrainingInputs) -> None:
        self.of = made_of
        self.reasons: dict[str, str] = {}
        self.flat = False
        data, (train, held) = made_of.spec.data, made_of.files
        found = load_or_encode(made_of.cache, train, made_of.rows, made_of.tokenizer, data)
        require_examples(len(found.rows), found.lost, data)
        self.warnings = left_out_warnings(found.lost, found.refused, len(made_of.rows))
        self.data, self.lengths = found.rows, found.lengths
        self.held = load_or_encode(made_of.cache, held, made_of.held, made_of.tokenizer, data).rows
        self.numbers = ExampleCounts(
            rows=len(self.data),
            held_out=len(self.held),
            tokens=sum(self.lengths),
            learned=sum(self.data["learned"]),
            cut=sum(self.data["cut"]),
        )
        self.questions = SamplePrompts(made_of)

    def trainer(
        self, model: Any, arguments: dict[str, Any], callbacks: list[TrainerCallback]
    ) -> Trainer:
        """SFTTrainer on rows that are tokens already."""
        made = make_sft_trainer(
            model, self.of.tokenizer, self.data, self.held, self.lengths, arguments, callbacks
        )
        self.reasons, self.flat = made.way.reasons, made.way.packed
        return made

    def ask(self, model: Any) -> list[tuple[str, str]]:
        """Greedy replies."""
        return self.questions.ask(model)


def make_sft_trainer(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    held: Dataset,
    lengths: list[int],
    arguments: dict[str, Any],
    callbacks: list[TrainerCallback],
) -> SftTrainer:
    """The trainer for rows of ``input_ids`` and ``labels``, set up the way that suits this model."""
    way = packing.choose_packing(model, train, lengths, arguments["per_device_train_batch_size"])
    with preserved_precision(model):
        trainer = SftTrainer(
            model=model,
            # Rows are cut already, so that the page can show where. The loss is that of the tokens alone: what keeps
            # the experts of a mixture evenly used is no concern of an adapter, and would hide what is learned.
            args=SFTConfig(**arguments, max_length=None, packing=False, router_aux_loss_coef=0.0),
            train_dataset=train.select_columns(TOKEN_COLUMNS),
            eval_dataset=held.select_columns(TOKEN_COLUMNS) if len(held) else None,
            processing_class=tokenizer,
            callbacks=callbacks,
        )
    trainer.take(way)
    return trainer
