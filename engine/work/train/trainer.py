"""What our trainers share: LoRA+, random numbers that checks leave alone, losses that are numbers, whole weights."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from peft.optimizers import create_loraplus_optimizer
from transformers import Trainer

from engine.errors import RunError


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Whatever is drawn inside, the random numbers after it are those that would have come without it."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def preserved_precision(model: torch.nn.Module) -> Iterator[None]:
    """TRL's trainers, made inside, round an adapter beside quantised weights to 16 bits; it gets its 32 bits back.

    Small steps vanish in 16 bits, and a run that continues reads its checkpoint in 32.
    """
    kept = [(weights, weights.data) for weights in model.parameters() if weights.requires_grad]
    yield
    for weights, data in kept:
        weights.data = data


class HoneTrainer(Trainer):
    """Comes before the library's trainer among the bases of each of ours."""

    plus: float = (
        1.0  # LoRA+ (Hayou et al., arXiv:2402.12354): the output matrix learns this much faster
    )
    optimizer: Any
    raw: torch.Tensor | float = 0.0  # loss of the step that is being made, as the batches gave it

    def create_optimizer(self, model: Any = None) -> Any:
        """The plain optimizer, or PEFT's for LoRA+."""
        if self.plus > 1 and self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            options["weight_decay"] = self.args.weight_decay
            self.optimizer = create_loraplus_optimizer(
                self.model, kind, loraplus_lr_ratio=self.plus, **options
            )
        return super().create_optimizer(model)

    def training_step(self, *args: Any, **options: Any) -> torch.Tensor:
        """Raises RunError where the loss is no number, before the optimizer takes its step with it."""
        loss = super().training_step(*args, **options)
        self.raw = self.raw + loss.detach()
        if self.accelerator.sync_gradients:  # once a step: asking a card for a number makes it wait
            raw, self.raw = float(self.raw), 0.0
            self._require_number(raw, "loss")
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        found = super()._get_grad_norm(model, grad_norm=grad_norm)
        self._require_number(float(found), "gradient")
        return found

    def evaluate(self, *args: Any, **options: Any) -> dict[str, float]:
        """A check draws random numbers too, and may not change what comes after it: it can be left out."""
        with preserved_random_state():
            found: dict[str, float] = super().evaluate(*args, **options)
        return found

    def evaluation_loop(self, *args: Any, **options: Any) -> Any:
        """Raises RunError where the held-out loss is no number."""
        found = super().evaluation_loop(*args, **options)
        loss, rate = found.metrics["eval_loss"], self.args.learning_rate
        if not np.isfinite(loss):
            raise RunError(
                f"At step {self.state.global_step} the loss on the held-out examples is no number ({loss}), so nothing "
                "can tell whether the model gets better. What was saved before is kept. Look for extreme numbers in "
                f"the data, choose the precision fp32 under More settings, or lower the learning rate ({rate:g})."
            )
        return found

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """A whole model by the library's own loading: only that undoes the renaming and splitting (experts) of saving.

        The Trainer's would leave what has another name as it was in the base, and go on.
        """
        own: Any = self.model
        if isinstance(own, PeftModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        saved = type(own).from_pretrained(
            resume_from_checkpoint, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
        own.load_state_dict(saved.state_dict())

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Written at export, not beside each checkpoint."""

    def _require_number(self, value: float, what: str) -> None:
        if np.isfinite(value):
            return
        model: Any = self.model
        sixteen = self.args.bf16 or model.dtype != torch.float32
        precision = (
            ", and the precision fp32 under More settings if that does not help" if sixteen else ""
        )
        raise RunError(
            f"At step {self.state.global_step + 1} the {what} was no longer a number ({value}), so training was ended "
            "before that step could spoil the model. "
            f"The learning rate ({self.args.learning_rate:g}) is probably too high for this data: start again with a "
            f"third of it{precision}."
        )
