"""Small models and examples, and their loss and gradient by the libraries' own code."""

from __future__ import annotations

import random

import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

from engine.spec.method import MethodSpec
from engine.work.model.adapters import apply_method
from engine.work.model.describe import info_from_config
from tests.engine.tiny import config_of


def model_of(
    kind: str, method: MethodSpec | None = None, dtype: torch.dtype = torch.float32, **more
):
    """A small model of an architecture with an adapter that does something."""
    torch.manual_seed(0)
    still = {name: 0.0 for name in vars(config_of(kind)) if "dropout" in name or "pdrop" in name}
    config = config_of(kind, **still | more)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    info = info_from_config(config, "write", kind)
    model = apply_method(model, method or MethodSpec(rank=4), info)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.05)
    return model.train()


def examples(count: int = 5, longest: int = 60) -> list[dict[str, list[int]]]:
    chance = random.Random(1)
    made = []
    for at in range(count):
        ids = [
            chance.randrange(3, 500)
            for _ in range(longest if at == 1 else chance.randrange(6, longest))
        ]
        made.append({"input_ids": ids, "labels": [-100] * 4 + ids[4:]})
    return made


def model_loss(model, rows: list[dict[str, list[int]]]) -> torch.Tensor:
    """The mean loss over all target tokens, each example by itself, by the model's own code."""
    total, count = torch.zeros(()), 0
    for row in rows:
        logits = (
            model(input_ids=torch.tensor([row["input_ids"]]), use_cache=False)
            .logits[0, :-1]
            .float()
        )
        wanted = torch.tensor(row["labels"][1:])
        total = total + cross_entropy(logits, wanted, ignore_index=-100, reduction="sum")
        count += int((wanted != -100).sum())
    return total / count


def gradient(model, found: torch.Tensor) -> torch.Tensor:
    """All gradients as one vector."""
    model.zero_grad(set_to_none=True)
    found.backward()
    return torch.cat(
        [
            w.grad.flatten().float()
            for w in model.parameters()
            if w.requires_grad and w.grad is not None
        ]
    )
