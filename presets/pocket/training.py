"""Training from nothing: the model, the optimizers, the schedule, a step, and a state that survives
a kill.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from corpus import Batch
from tokens import CONTEXT
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WARMUP_STEPS = 100
DECAY_SHARE = 0.25


@dataclass
class Trainee:
    """The model with everything that must be saved to go on exactly where it stopped."""

    model: LlamaForCausalLM
    optimizers: list[torch.optim.Optimizer]
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
        }
        half = path.with_suffix(".half")
        torch.save(state, half)
        half.replace(path)

    def load(self, path: Path) -> None:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.tokens, self.seconds = state["step"], state["tokens"], state["seconds"]


def new_trainee(tokenizer: PreTrainedTokenizerFast, seed: int) -> Trainee:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    # Muon turns the matrices (its update has AdamW's size, so one learning rate fits both); it
    # learns from fewer tokens
    muon = torch.optim.Muon(matrices, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return Trainee(model, [muon, adam])


def rate(step: int, steps: int, peak: float) -> float:
    """Warm up, stay, decay. Before the decay it does not depend on `steps`: a run can be made
    longer or shorter.
    """
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    left = (steps - step) / (DECAY_SHARE * steps)
    return peak * warm * min(1.0, 1 - math.sqrt(1 - left) if left < 1 else 1.0)


def train_step(trainee: Trainee, rows: Batch, learning_rate: float) -> float:
    for optimizer in trainee.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
    with torch.autocast("cpu", torch.bfloat16):
        logits = trainee.model(
            input_ids=rows.tokens, position_ids=rows.positions, use_cache=False
        ).logits
    weights = rows.weights[:, 1:].reshape(-1)
    losses = cross_entropy(
        logits[:, :-1].reshape(-1, logits.shape[-1]).float(),
        rows.tokens[:, 1:].reshape(-1),
        reduction="none",
    )
    loss = (losses * weights).sum() / weights.sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trainee.model.parameters(), 1.0)
    for optimizer in trainee.optimizers:
        optimizer.step()
        optimizer.zero_grad()
    trainee.step += 1
    trainee.tokens += int((weights > 0).sum())
    return loss.item()
