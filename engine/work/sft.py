"""The goal "write": answers or plain text are learned token by token (TRL's SFTTrainer)."""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from transformers import Trainer, TrainerCallback
from trl import SFTConfig, SFTTrainer

from engine.work.asking import Questions
from engine.work.data import Encoded, encode_all
from engine.work.lesson import FasterSecondHalf, Material, Numbers, left_out, require
from engine.work.load import Head


class WritingTrainer(FasterSecondHalf, SFTTrainer):
    """SFTTrainer with the model's own loss: TRL's chunked one takes two to three times as long on a CPU."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        inputs["use_cache"] = False
        return Trainer.compute_loss(self, model, inputs, return_outputs, num_items_in_batch)


class Writing:
    """The lesson of a run that learns to write."""

    head: Head | None = None
    preference = ""

    def __init__(self, made_of: Material) -> None:
        self.of = made_of
        data = made_of.spec.data
        self.data, lost, refused = encode_all(made_of.tokenizer, made_of.rows, data)
        self.held = encode_all(made_of.tokenizer, made_of.held, data).kept
        require(len(self.data), lost, data)
        self.warnings = left_out(lost, refused, len(made_of.rows))
        self.lengths = [len(one.ids) for one in self.data]
        self.numbers = Numbers(
            rows=len(self.data),
            held_out=len(self.held),
            tokens=sum(self.lengths),
            learned=sum(one.learned for one in self.data),
            cut=sum(one.cut > 0 for one in self.data),
        )
        self.questions = Questions(made_of)

    def trainer(self, model: Any, arguments: dict[str, Any], callbacks: list[TrainerCallback]) -> Trainer:
        """SFTTrainer on rows that are tokens already."""
        return WritingTrainer(
            model=model,
            # Rows are cut already, so that the page can show where. The loss is that of the tokens alone: what keeps
            # the experts of a mixture evenly used is no concern of an adapter, and would hide what is learned.
            args=SFTConfig(**arguments, max_length=None, packing=False, router_aux_loss_coef=0.0),
            train_dataset=_dataset(self.data),
            eval_dataset=_dataset(self.held) if self.held else None,
            processing_class=self.of.tokenizer,
            callbacks=callbacks,
        )

    def ask(self, model: Any) -> list[tuple[str, str]]:
        """Greedy replies."""
        return self.questions.ask(model)


def _dataset(encoded: list[Encoded]) -> Dataset:
    return Dataset.from_dict({"input_ids": [one.ids for one in encoded], "labels": [one.labels for one in encoded]})
