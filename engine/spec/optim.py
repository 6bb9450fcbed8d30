"""How long and how fast a run learns: epochs, learning rate, batch size, optimizer."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from engine.spec.method import SpecPart


class OptimSpec(SpecPart):
    """How long and how fast it learns."""

    epochs: float = Field(3.0, gt=0.0, le=100.0, title="Epochs")
    """How many times the model goes through all examples."""
    learning_rate: float = Field(1e-3, gt=0.0, le=1.0, title="Learning rate")
    """Size of each step. Too high and the loss jumps; too low and nothing is learned."""
    batch_size: int = Field(8, ge=1, le=512, title="Batch size")
    """Examples processed together. More makes training steadier and needs more memory."""
    accumulation: int = Field(1, ge=1, le=512, title="Gradient accumulation")
    """Batches added up before each step: a larger effective batch without more memory."""
    warmup: float = Field(0.05, ge=0.0, le=0.5, title="Warm-up share")
    """Share of the steps in which the learning rate rises from zero."""
    weight_decay: float = Field(0.0, ge=0.0, le=1.0, title="Weight decay")
    """Pulls the trained weights towards zero. Rarely needed."""
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", title="Learning-rate schedule"
    )
    """How the learning rate falls after the warm-up."""
    optimizer: Literal["adamw", "adamw_8bit", "adafactor"] = Field("adamw", title="Optimizer")
    """How the weights are updated. AdamW in 8 bit and Adafactor store less for each trained weight,
    which matters for full fine-tuning."""
    patience: Literal["off", "gentle", "strict"] = Field(
        "off", title="Stop when it no longer improves (early stopping)"
    )
    """Ends the run when the held-out loss has not improved for five checks in a row (gentle) or two
    (strict). The best version is kept. Has no effect without held-out examples."""
    checkpointing: Literal["auto", "on", "off"] = Field(
        "auto", title="Recompute to save memory (gradient checkpointing)"
    )
    """Needs much less memory for long examples and takes about a third longer. Automatic turns it
    on where the run would not fit otherwise."""

    @property
    def effective_batch(self) -> int:
        """Examples per optimizer step."""
        return self.batch_size * self.accumulation

    def steps(self, rows: int) -> int:
        """Optimizer steps of a whole run, as transformers' Trainer counts them."""
        batches = math.ceil(rows / self.batch_size)
        return math.ceil(self.epochs * max(1, math.ceil(batches / self.accumulation)))
