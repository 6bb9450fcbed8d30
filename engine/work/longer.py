"""A run that goes on for more epochs: its learning rate goes on along the longer schedule, from the first step."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class OnSchedule(TrainerCallback):
    """A checkpoint brings the rate of the schedule that it was made with, such as the 0 at its end."""

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        optimizer: Optimizer,
        lr_scheduler: LambdaLR,
        **_: Any,
    ) -> None:
        """Set the rates that the schedule has at this step; those of a run that is not longer stay as they are."""
        rates = zip(
            optimizer.param_groups, lr_scheduler.base_lrs, lr_scheduler.lr_lambdas, strict=True
        )
        for group, base, share in rates:
            group["lr"] = base * share(lr_scheduler.last_epoch)
        lr_scheduler._last_lr = [
            group["lr"] for group in optimizer.param_groups
        ]  # what the trainer tells
