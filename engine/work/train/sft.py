"""The objective "write": answers or plain text are learned token by token (fine-tuning, SFT)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, Trainer, TrainerCallback, TrainingArguments

from engine.work import compat
from engine.work.encode.cache import load_or_encode
from engine.work.encode.encode import IGNORE_INDEX
from engine.work.kernels import packing
from engine.work.kernels.packing import Packing, PackingCollator
from engine.work.model.batches import pad_rows
from engine.work.train import objective
from engine.work.train.trainer import HoneTrainer

TOKEN_COLUMNS = ["input_ids", "labels"]


class SftTrainer(HoneTrainer):
    """Trainer on packed or padded batches, with the held-out loss as a mean over target tokens."""

    packing: Packing
    held_out: torch.Tensor  # summed loss and number of the target tokens that a check has seen

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        inputs["use_cache"] = False
        if self.packing.packed:
            return packing.packed_loss(model, self.packing, inputs, num_items_in_batch)
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def prediction_step(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        inputs = compat.prepare_inputs(self, inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            loss = self.compute_loss(model, inputs)
        count = (inputs["labels"][:, 1:] != IGNORE_INDEX).sum()
        self.held_out += torch.stack([loss * count, count]).cpu()
        return loss, None, None

    def evaluation_loop(self, *args: Any, **options: Any) -> Any:
        """The held-out loss is the mean over all target tokens, in whatever batches they come."""
        self.held_out = torch.zeros(2, dtype=torch.float64)
        found = super().evaluation_loop(*args, **options)
        found.metrics["eval_loss"] = float(self.held_out[0] / self.held_out[1])
        return found


class SftData(NamedTuple):
    """Rows of ``input_ids`` and ``labels``."""

    train: Dataset
    held_out: Dataset  # may be empty
    lengths: list[int]  # tokens of each training row


class SftObjective(objective.Objective):
    """The objective of a run that learns to write."""

    def __init__(self, inputs: objective.TrainingInputs) -> None:
        self.tokenizer = tokenizer = inputs.tokenizer
        run, spec, cache = inputs.run, inputs.spec.data, inputs.run.home / "tokens"
        train = load_or_encode(cache, run.train_file, inputs.train, tokenizer, spec)
        objective.require_examples(len(train.rows), train.lost, spec)
        self.warnings = objective.left_out_warnings(train.lost, train.refused, len(inputs.train))
        self.warnings += objective.endless_warnings(inputs)
        held_out = load_or_encode(cache, run.held_out_file, inputs.held_out, tokenizer, spec)
        self.data = SftData(train.rows, held_out.rows, train.lengths)
        self.lengths = train.lengths
        self.counts = objective.ExampleCounts(
            rows=len(train.rows),
            held_out=len(held_out.rows),
            tokens=sum(self.lengths),
            learned=sum(train.rows["learned"]),
            cut=sum(train.rows["cut"]),
        )
        self.sample_replies = objective.SamplePrompts(inputs).sample_replies

    def make_trainer(
        self, model: Any, arguments: dict[str, Any], callbacks: list[TrainerCallback]
    ) -> Trainer:
        """The trainer, with batches packed if the model allows it."""
        trainer = make_sft_trainer(model, self.tokenizer, self.data, arguments, callbacks)
        self.reasons, self.packed = trainer.packing.reasons, trainer.packing.packed
        return trainer


def make_sft_trainer(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    data: SftData,
    arguments: dict[str, Any],
    callbacks: list[TrainerCallback],
) -> SftTrainer:
    """The trainer, with batches packed if this model allows it."""
    batch = arguments["per_device_train_batch_size"]
    chosen = packing.choose_packing(model, data.train, data.lengths, batch)
    config = model.config.get_text_config()
    if hasattr(config, "router_aux_loss_coef"):
        # The loss that keeps the experts of a mixture evenly used is no concern of an adapter, and
        # would hide what is learned.
        config.output_router_logits, config.router_aux_loss_coef = False, 0.0
    padding = partial(pad_examples, filler=tokenizer.pad_token_id)
    held_out = data.held_out.select_columns(TOKEN_COLUMNS) if len(data.held_out) else None
    trainer = SftTrainer(
        model=model,
        args=TrainingArguments(**arguments),
        data_collator=PackingCollator() if chosen.packed else padding,
        train_dataset=data.train.select_columns(TOKEN_COLUMNS),
        eval_dataset=held_out,
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    trainer.packing = chosen
    if chosen.packed:  # the loss is a mean over all target tokens of a step
        trainer.model_accepts_loss_kwargs = trainer.loss_is_scaled_for_ga = True
    return trainer


def pad_examples(examples: Sequence[dict[str, list[int]]], filler: int) -> dict[str, torch.Tensor]:
    """Examples as one batch (examples x longest), padded on the right with ``filler``."""
    ids, mask = pad_rows([one["input_ids"] for one in examples], filler)
    labels, _ = pad_rows([one["labels"] for one in examples], IGNORE_INDEX)
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}
