"""Measures how fast this machine trains a model: two of its blocks, with random weights.

It takes about a second, needs neither the weights nor much memory, and counts what products of
matrices alone leave out: norms, softmax, adapters, Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from engine.errors import ModelError
from engine.estimate.duration import BatchShape, flops_per_token
from engine.model import local
from engine.model.info import ModelInfo
from engine.spec.method import MethodSpec
from engine.spec.objective import Task
from engine.work.kernels import packing
from engine.work.kernels.cross_entropy import free_buffer
from engine.work.model.adapters import apply_method
from engine.work.model.describe import info_from_config
from engine.work.model.load import DeviceSetup
from engine.work.model.structure import AUTO_CLASSES, load_config
from engine.work.model.threads import suited_threads

BLOCKS_TRIED, VOCABULARY = 2, 8192  # at most
MAX_PARAMETERS = 8e8  # of the small model
MAX_FLOPS = 4e12  # of one pass
REPLIES_AT_ONCE = 3
REPEATS = 6


def measure_speed(
    source: str, task: Task, method: MethodSpec, setup: DeviceSetup, shape: BatchShape
) -> dict[str, float]:
    """The fields of a MeasuredSpeed; raises ModelError where even two blocks are too large."""
    config = load_config(local.checked_folder(source))
    whole, text = info_from_config(config, task), config.get_text_config()
    layers = whole.layers
    blocks = min(BLOCKS_TRIED, text.num_hidden_layers)
    text.num_hidden_layers, text.vocab_size = blocks, min(VOCABULARY, text.vocab_size)
    info = info_from_config(config, task)
    if info.parameters > MAX_PARAMETERS:
        raise ModelError("Two blocks of this model are too large to try.")
    method = _plain_method(method, info)
    in_run = shape.batch * shape.length * flops_per_token(whole, method, shape.length)
    batch, flops = shape.batch, flops_per_token(info, method, shape.length)
    while batch > 1 and batch * shape.length * flops > MAX_FLOPS:
        batch //= 2
    config.num_labels, config.pad_token_id = 2, None if batch == 1 else 0
    auto: Any = AUTO_CLASSES[task]
    with torch.random.fork_rng(devices=[]):
        model = auto.from_config(config, trust_remote_code=False, dtype=setup.dtype)
        model = apply_method(model.to(setup.device), method, info).train()
    with suited_threads(in_run, setup.device):  # as many as the run itself has
        packed, compute_loss = _prepare_batch(model, task, setup, shape._replace(batch=batch))

        def train_step() -> None:
            compute_loss().backward()
            model.zero_grad(set_to_none=True)

        @torch.no_grad()
        def generate_token() -> None:
            ids = torch.ones((REPLIES_AT_ONCE, 1), dtype=torch.long, device=setup.device)
            model(input_ids=ids)

        trained = batch * shape.length * flops / _shortest_time(train_step, setup.device)
        free_buffer()
        written = 0.0
        if task == "write":
            written = _shortest_time(generate_token, setup.device) * layers / blocks
    return {"flops": trained, "token_seconds": written, "packed": packed}


def _plain_method(method: MethodSpec, info: ModelInfo) -> MethodSpec:
    """The method without options that do not change how long a pass takes, of a rank that fits."""
    widths = (min(module.ins, module.outs) for module in info.adaptable)
    return MethodSpec(
        kind=method.kind if method.kind in ("dora", "full", "head") else "lora",
        rank=min([method.rank, *widths]),
        targets=method.targets,
    )


def _prepare_batch(
    model: Any, task: Task, setup: DeviceSetup, shape: BatchShape
) -> tuple[bool, Callable[[], torch.Tensor]]:
    """Whether a batch of this shape is packed, and the forward pass that gives its loss."""
    ids = torch.ones((shape.batch, shape.length), dtype=torch.long, device=setup.device)
    inputs: dict[str, Any] = {"input_ids": ids, "labels": torch.zeros_like(ids[:, 0])}
    chosen = packing.Packing(False, False, {})
    if task == "write":
        inputs |= {"labels": ids, "use_cache": False}
    if shape.packed:
        same = [{"input_ids": [1] * shape.length, "labels": [1] * shape.length}] * shape.batch
        chosen = packing.choose_packing(model, same, [shape.length] * shape.batch, shape.batch)
        if chosen.packed:
            inputs = packing.pack_examples(model, same) | {"use_cache": False}
    mixed = setup.autocast or (setup.dtype == torch.bfloat16 and task == "classify")  # fp32 head

    def compute_loss() -> torch.Tensor:
        with torch.autocast(setup.device.type, torch.bfloat16, enabled=mixed):
            if chosen.packed:
                return packing.packed_loss(model, chosen, inputs)
            return model(**inputs).loss

    return chosen.packed, compute_loss


def _shortest_time(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds of the fastest of several repeats."""
    times = []
    for _ in range(REPEATS + 1):  # the first one only warms up
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return min(times[1:])
