"""One attempt to train a run with one batch layout: its trainer's arguments, its event Started."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from engine.errors import HoneError
from engine.estimate.duration import flops_per_token
from engine.model import fingerprint, local
from engine.spec.batch import BatchLayout
from engine.store import events as ev
from engine.work.model.adapters import parameter_counts
from engine.work.model.load import DeviceSetup
from engine.work.train.checkpoints import saving_folder
from engine.work.train.objective import Objective, TrainingInputs

OPTIMIZERS = {"adamw": "adamw_torch_fused"}  # transformers' names, where not Hone's


class Attempt(NamedTuple):
    """What is trained, and how it is computed."""

    inputs: TrainingInputs
    objective: Objective
    setup: DeviceSetup
    layout: BatchLayout


def flops_of_pass(attempt: Attempt) -> float:
    """Arithmetic of a forward and backward pass of a batch of examples of mean length."""
    inputs, lengths = attempt.inputs, attempt.objective.lengths
    mean = sum(lengths) / len(lengths)
    try:
        each = flops_per_token(inputs.info, inputs.spec.method, mean)
    except HoneError:  # its settings name modules that the model lacks, which is said elsewhere
        return math.inf
    return attempt.layout.batch * mean * each


def training_arguments(attempt: Attempt, fresh: bool) -> dict[str, Any]:
    """TrainingArguments; all that the spec does not set is off or as the library has it.

    ``fresh``: whether the run starts at its first step.
    """
    spec, layout, setup = attempt.inputs.spec, attempt.layout, attempt.setup
    evaluates = bool(attempt.objective.counts.held_out)
    return {
        "output_dir": str(saving_folder(attempt.inputs.run)),
        "num_train_epochs": spec.optim.epochs,
        "learning_rate": spec.optim.learning_rate,
        "per_device_train_batch_size": layout.batch,
        "per_device_eval_batch_size": layout.batch,
        "gradient_accumulation_steps": layout.accumulation,
        "activation_checkpointing": layout.checkpointing,
        "optim": OPTIMIZERS.get(spec.optim.optimizer, spec.optim.optimizer),
        "lr_scheduler_type": spec.optim.schedule,
        "warmup_steps": spec.optim.warmup,  # below 1 it is a share
        "weight_decay": spec.optim.weight_decay,
        "seed": spec.data.seed,
        "bf16": setup.autocast,  # otherwise the weights are bf16 where it pays, without autocast
        "use_cpu": setup.device.type == "cpu",
        "eval_strategy": "steps" if evaluates else "no",  # RunCallback decides when
        "eval_on_start": evaluates and fresh,
        "prediction_loss_only": True,
        "save_strategy": "no",  # RunCallback decides when
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a NaN must be seen
        "include_num_input_tokens_seen": "non_padding",
        "dataloader_pin_memory": setup.device.type == "cuda",
        "disable_tqdm": True,
        "report_to": "none",
    }


def started_event(attempt: Attempt, model: Any) -> Callable[[int], ev.Started]:
    """Makes the event Started of a run of so many steps."""
    inputs, objective, setup, _ = attempt
    run, spec = inputs.run, inputs.spec
    trainable, total = parameter_counts(model)
    base = fingerprint.hash_model(local.checked_folder(spec.model.source))

    def make_started(steps: int) -> ev.Started:
        return ev.Started(
            pid=os.getpid(),
            device=torch.cuda.get_device_name() if setup.device.type == "cuda" else "CPU",
            precision=setup.precision,
            reasons={"precision": setup.reason, **objective.reasons},
            trainable=trainable,
            total=total,
            steps=steps,
            epochs=spec.optim.epochs,
            goal=inputs.kind,
            preference=objective.preference,
            rank=spec.method.rank if spec.method.adapts else 0,
            versions=fingerprint.library_versions(),
            data_hash=fingerprint.hash_files([run.train_file, run.held_out_file]),
            model_hash=base,
            **objective.counts._asdict(),
        )

    return make_started
