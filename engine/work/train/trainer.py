"""What Hone's trainers share: LoRA+, checks without side effects, finite losses, whole weights."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from peft.optimizers import create_loraplus_optimizer
from transformers import Trainer

from engine.errors import RunError
from engine.store.files import write_json
from engine.work.memory import out_of_memory
from engine.work.model.asking import ASKING_FILE, Asking


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """The random numbers drawn after it are those that would have come without it."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def preserved_precision(model: torch.nn.Module) -> Iterator[None]:
    """Give the adapter its 32 bits back, which TRL's constructors round to 16 beside 4-bit weights.

    Small steps vanish in 16 bits, and a run that continues reads its checkpoint in 32.
    """
    kept = [(weights, weights.data) for weights in model.parameters() if weights.requires_grad]
    yield
    for weights, data in kept:
        weights.data = data


class HoneTrainer(Trainer):
    """Comes before the library's trainer among the bases of each of Hone's."""

    # LoRA+ (Hayou et al., arXiv:2402.12354): the output matrix learns this much faster.
    lora_plus_ratio: float = 1.0
    # How the result is asked; a classification head is not.
    asking: Asking | None = None
    optimizer: Any
    step_loss: torch.Tensor | float = 0.0  # of the batches of the current step so far

    def create_optimizer(self, model: Any = None) -> Any:
        """The plain optimizer, or PEFT's for LoRA+."""
        if self.lora_plus_ratio > 1 and self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            options["weight_decay"] = self.args.weight_decay
            self.optimizer = create_loraplus_optimizer(
                self.model, kind, loraplus_lr_ratio=self.lora_plus_ratio, **options
            )
        return super().create_optimizer(model)

    def training_step(self, *args: Any, **options: Any) -> torch.Tensor:
        """Raises RunError for a loss that is not finite, before the optimizer takes its step."""
        loss = super().training_step(*args, **options)
        self.step_loss = self.step_loss + loss.detach()
        # Once a step: reading a number from a card makes it wait.
        if self.accelerator.sync_gradients:
            step_loss, self.step_loss = float(self.step_loss), 0.0
            self._require_finite(step_loss, "loss")
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        found = super()._get_grad_norm(model, grad_norm=grad_norm)
        self._require_finite(float(found), "gradient")
        return found

    def evaluate(self, *args: Any, **options: Any) -> dict[str, float]:
        """A check may be left out, so the random numbers that it draws do not count."""
        with preserved_random_state():
            return super().evaluate(*args, **options)

    def evaluation_loop(self, *args: Any, **options: Any) -> Any:
        """Raises RunError for a held-out loss that is not finite."""
        found = super().evaluation_loop(*args, **options)
        loss, rate = found.metrics["eval_loss"], self.args.learning_rate
        if not np.isfinite(loss):
            raise RunError(
                f"At step {self.state.global_step} the loss on the held-out examples is no number "
                f"({loss}), so nothing can tell whether the model gets better. What was saved "
                "before is kept. Look for extreme numbers in the data, choose the precision fp32 "
                f"under More settings, or lower the learning rate ({rate:g})."
            )
        return found

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load a whole model by ``from_pretrained``, which undoes what saving renamed and split.

        The Trainer's own loading would leave weights with other names as they are in the base.
        """
        own: Any = self.model
        if isinstance(own, PeftModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        saved = type(own).from_pretrained(
            resume_from_checkpoint, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
        own.load_state_dict(saved.state_dict())

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Save also what lets other programs ask as Hone does: its ends, and ``asking.json``."""
        super()._save(output_dir, state_dict)
        if self.asking:
            own: Any = self.model
            folder = Path(output_dir or self.args.output_dir)
            own.generation_config.save_pretrained(folder)
            write_json(folder / ASKING_FILE, self.asking._asdict())

    def rehearse_saving(self) -> None:
        """Save everything but a whole model's weights, and remove it; raises RunError.

        What cannot be saved is known before the first step, not at the first checkpoint.
        """
        own: Any = self.model
        folder = Path(str(self.args.output_dir)) / "rehearsal"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if isinstance(own, PeftModel):
                self._save(str(folder))
            else:
                own.config.save_pretrained(folder)
                self.processing_class.save_pretrained(folder)
                if own.can_generate():
                    own.generation_config.save_pretrained(folder)
        except OSError:
            raise  # the disk's fault, which is explained elsewhere
        except Exception as error:
            if out_of_memory(error):
                raise
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise RunError(
                f"What this run trains could not be saved ({reason}), so it was not begun. Get the "
                "model again, or choose another."
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def floating_point_ops(self, inputs: Any) -> int:
        """Nothing: nobody reads the sum, and the library counts all weights anew at every step."""
        return 0

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Nothing: the card is written at export, not beside each checkpoint."""

    def _require_finite(self, value: float, what: str) -> None:
        if np.isfinite(value):
            return
        model: Any = self.model
        precision = ""
        if self.args.bf16 or model.dtype != torch.float32:
            precision = ", and the precision fp32 under More settings if that does not help"
        raise RunError(
            f"At step {self.state.global_step + 1} the {what} was no longer a number ({value}), so "
            "training was ended before that step could spoil the model. The learning rate "
            f"({self.args.learning_rate:g}) is probably too high for this data: start again with a "
            f"third of it{precision}."
        )
