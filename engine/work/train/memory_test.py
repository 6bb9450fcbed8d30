"""The proof that a run fits: the longest examples of the real data go forward and backward once before it starts."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import torch
from transformers import Trainer

from engine.estimate.memory import OPTIMIZER_BYTES
from engine.spec.batch import BatchLayout
from engine.spec.run import RunSpec
from engine.work.kernels.packing import longest_examples
from engine.work.memory import memory_gb
from engine.work.model.load import DeviceSetup
from engine.work.train.objective import TrainingObjective


class MemoryTest(NamedTuple):
    """What the pass cost."""

    memory_gb: float  # peak
    seconds: float  # of one forward and backward pass
    tokens: int  # in it, padding counted


def run_memory_test(
    trainer: Trainer, lesson: TrainingObjective, fit: BatchLayout, place: DeviceSetup, spec: RunSpec
) -> MemoryTest:
    """Two passes of the longest batch, the second one timed; memory that runs out is raised as it comes."""
    model: Any = trainer.model
    indices = longest_examples(lesson.lengths, fit.batch)
    if fit.checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    # The optimizer's states come with the first step; until then their room is taken by numbers of the same size.
    room = [
        torch.ones(
            weights.numel() * OPTIMIZER_BYTES[spec.optim.optimizer],
            dtype=torch.uint8,
            device=weights.device,
        )
        for weights in trained
    ]
    try:
        with (
            torch.random.fork_rng()
        ):  # the run begins with the same random numbers with and without a proof
            model.train()
            for _ in range(2):
                begun = time.perf_counter()
                _forward_backward(trainer, model, indices, place)
                if place.device.type == "cuda":
                    torch.cuda.synchronize()
                seconds = time.perf_counter() - begun
        sizes = [lesson.lengths[at] for at in indices]
        return MemoryTest(
            memory_gb(), seconds, sum(sizes) if lesson.flat else fit.batch * max(sizes)
        )
    finally:
        del room
        model.zero_grad(set_to_none=True)
        if metrics := getattr(trainer, "_metrics", None):  # TRL's trainers note what they computed
            metrics["train"].clear()


def _forward_backward(trainer: Trainer, model: Any, indices: list[int], place: DeviceSetup) -> None:
    rows = [trainer.train_dataset[at] for at in indices]
    inputs = trainer._prepare_inputs(trainer.data_collator(rows))
    with torch.autocast(place.device.type, torch.bfloat16, enabled=place.autocast):
        loss = trainer.compute_loss(model, inputs)
    loss.backward()
    model.zero_grad(
        set_to_none=False
    )  # gradients stay in memory, as they do while batches are added up
