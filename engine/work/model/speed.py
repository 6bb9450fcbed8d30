"""How fast this machine trains a model: a pass through two of its blocks with random weights, for estimates of time.

It takes about a second, needs neither the weights nor much memory, and counts what products of matrices alone leave
out: norms, softmax, adapters, Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from engine.errors import ModelError
from engine.estimate import duration
from engine.model import local
from engine.spec.method import MethodSpec
from engine.spec.objective import Task
from engine.work.kernels import packing
from engine.work.kernels.cross_entropy import free_buffer
from engine.work.model.adapters import apply_method
from engine.work.model.describe import describe_model
from engine.work.model.structure import AUTO_CLASSES, load_config

BLOCKS_TRIED, VOCABULARY = 2, 8192  # at most
MAX_PARAMETERS = 8e8  # parameters of the small model
MAX_FLOPS = 4e12  # arithmetic of one pass
REPLIES_AT_ONCE = 3  # replies that are written at once
REPEATS = 6


def measure_speed(
    source: str,
    task: Task,
    method: MethodSpec,
    *,
    device: str,
    bf16: bool,
    autocast: bool,
    batch: int,
    length: int,
    flat: bool,
) -> dict[str, float]:
    """The fields of a Pace; raises ModelError where even two blocks are too large to try."""
    folder = local.checked_folder(source)
    config = load_config(folder)
    text = config.get_text_config()
    blocks = min(BLOCKS_TRIED, text.num_hidden_layers)
    text.num_hidden_layers, text.vocab_size = blocks, min(VOCABULARY, text.vocab_size)
    info = describe_model(config, task, source=source, name="a small part", folder=None, here=False)
    whole = describe_model(
        load_config(folder), task, source=source, name="whole", folder=None, here=False
    )
    if info.parameters > MAX_PARAMETERS:
        raise ModelError("Two blocks of this model are too large to try.")
    # Weights alone: options that name layers or start from the weights do not change how long a pass takes.
    plain = MethodSpec(
        kind="dora"
        if method.kind == "dora"
        else method.kind
        if method.kind in ("full", "head")
        else "lora",
        rank=min(method.rank, *(min(module.ins, module.outs) for module in info.adaptable)),
        targets=method.targets,
    )
    config.num_labels = 2
    with torch.random.fork_rng(devices=[]):
        model = AUTO_CLASSES[task].from_config(
            config, trust_remote_code=False, dtype=torch.bfloat16 if bf16 else torch.float32
        )
        model = apply_method(model.to(device), plain, info).train()
    each = duration.flops_per_token(info, plain, length)
    while batch > 1 and batch * length * each > MAX_FLOPS:
        batch //= 2
    ids = torch.ones((batch, length), dtype=torch.long, device=device)
    targets = ids if task == "write" else torch.zeros(batch, dtype=torch.long, device=device)
    config.pad_token_id = None if batch == 1 else 0

    mixed = autocast or (bf16 and task == "classify")  # a new head is fp32

    same = [{"input_ids": [1] * length, "labels": [1] * length}] * batch
    way = (
        packing.choose_packing(model, same, [length] * batch, batch)
        if flat
        else packing.Packing(False, False, {})
    )
    row = packing.pack_examples(model, same) | {"use_cache": False}
    padded = {"input_ids": ids, "labels": targets} | (
        {"use_cache": False} if task == "write" else {}
    )

    def learn() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=mixed):
            loss = packing.packed_loss(model, way, row) if way.flat else model(**padded).loss
        loss.backward()
        model.zero_grad(set_to_none=True)

    @torch.no_grad()
    def write() -> None:
        model(input_ids=ids[:1, :1].expand(REPLIES_AT_ONCE, 1))

    trained = batch * length * each / _shortest_time(learn, device)
    free_buffer()
    written = _shortest_time(write, device) * whole.layers / blocks if task == "write" else 0.0
    return {"flops": trained, "written": written, "flat": way.flat}


def _shortest_time(work: Callable[[], Any], device: str) -> float:
    """The shortest time of several."""
    times = []
    for _ in range(REPEATS + 1):  # the first one only warms up
        begun = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return min(times[1:])
