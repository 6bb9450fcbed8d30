"""Memory test: before a run starts, its longest examples go forward and backward.

It shows that the batch layout fits into memory, and how long a pass takes.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import torch
from transformers import Trainer

from engine.estimate.case import MemoryInputs
from engine.estimate.memory import OPTIMIZER_BYTES, estimate_memory
from engine.estimate.recommend import rate_for
from engine.hardware import GB
from engine.model import parameters
from engine.store import events as ev
from engine.work import compat
from engine.work.kernels.packing import longest_examples, padding_share
from engine.work.memory import memory_gb
from engine.work.train.attempt import Attempt

# Of the estimated time, the shortest and the longest that training took on eleven runs of the
# pocket model.
TRAINING_TIME_RANGE = (0.75, 1.4)
# Of each batch beside its tokens: a short one costs more per token than the longest did.
BATCH_SECONDS = 0.02


class MemoryTest(NamedTuple):
    """What a pass of the longest examples cost."""

    memory_gb: float  # peak
    seconds: float  # of one forward and backward pass
    tokens: int  # in it, padding counted


def run_memory_test(trainer: Trainer, attempt: Attempt) -> MemoryTest:
    """Two passes of the longest batch, the second one timed; an out-of-memory error is raised."""
    layout, objective, device = attempt.layout, attempt.objective, attempt.setup.device
    model: Any = trainer.model
    indices = longest_examples(objective.lengths, layout.batch)
    if layout.checkpointing:
        model.activation_checkpointing_enable()
    # Memory of the size of the optimizer's states, which come with the first step only.
    each = OPTIMIZER_BYTES[attempt.inputs.spec.optim.optimizer]
    reserved = [
        torch.ones(weights.numel() * each, dtype=torch.uint8, device=weights.device)
        for weights in model.parameters()
        if weights.requires_grad
    ]
    try:
        # The run begins with the same random numbers with and without a test.
        with torch.random.fork_rng():
            model.train()
            for _ in range(2):
                began = time.perf_counter()
                _forward_backward(trainer, indices, attempt)
                if device.type == "cuda":
                    torch.cuda.synchronize()
                seconds = time.perf_counter() - began
        sizes = [objective.lengths[at] for at in indices]
        tokens = sum(sizes) if objective.packed else layout.batch * max(sizes)
        return MemoryTest(memory_gb(), seconds, tokens)
    finally:
        del reserved
        model.zero_grad(set_to_none=True)
        for noted in compat.noted_metrics(trainer).values():
            noted.clear()


def _forward_backward(trainer: Trainer, indices: list[int], attempt: Attempt) -> None:
    model: Any = trainer.model
    setup = attempt.setup
    rows = [trainer.train_dataset[at] for at in indices]
    inputs = compat.prepare_inputs(trainer, trainer.data_collator(rows))
    with torch.autocast(setup.device.type, torch.bfloat16, enabled=setup.autocast):
        loss = trainer.compute_loss(model, inputs)
    loss.backward()
    # Gradients stay in memory, as they do while batches are accumulated.
    model.zero_grad(set_to_none=False)


def estimate_run(attempt: Attempt, test: MemoryTest) -> ev.Estimated:
    """Parameters and memory from the config alone, and the time from the measured pass."""
    spec, info = attempt.inputs.spec, attempt.inputs.info
    layout, setup, objective = attempt.layout, attempt.setup, attempt.objective
    labels = len(attempt.inputs.head.labels) if attempt.inputs.head else 0
    memory = estimate_memory(
        MemoryInputs(
            info=info,
            method=spec.method,
            batch=layout.batch,
            length=max(objective.lengths),
            precision="bf16" if setup.precision == "bf16" else "fp32",
            device="cuda" if setup.device.type == "cuda" else "cpu",
            checkpointing=layout.checkpointing,
            optimizer=spec.optim.optimizer,
            labels=labels,
            autocast=setup.autocast,
            prefer=objective.preference,
        )
    )
    length = sum(objective.lengths) / len(objective.lengths)
    if not objective.packed:
        length /= 1 - padding_share(objective.lengths, layout.batch)
    batches = spec.optim.steps(objective.counts.rows) * layout.accumulation
    of_batch = test.seconds * layout.batch * length / test.tokens + BATCH_SECONDS
    shortest, longest = TRAINING_TIME_RANGE
    return ev.Estimated(
        trainable=parameters.count_parameters(info, spec.method, labels).trainable,
        memory_gb=memory.total / GB,
        parts={name: size / GB for name, size in memory.model_dump().items()},
        seconds_low=batches * of_batch * shortest,
        seconds_high=batches * of_batch * longest,
        advised_rate=rate_for(spec, info, objective.preference),
    )
