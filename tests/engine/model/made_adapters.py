"""Folders as PEFT saves adapters, made without torch, and a small base model's description."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from engine.model.info import LinearModule, ModelInfo

WIDTH, INNER, LAYERS, WORDS = 32, 48, 2, 100
OUTER = "base_model.model."
CONFIG = {
    "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "lora_dropout": 0.1,
    "target_modules": ["q_proj", "up_proj"], "base_model_name_or_path": "someone/tiny",
    "auto_mapping": None, "inference_mode": True, "peft_version": "0.13.2", "bias": "none",
    "init_lora_weights": True, "megatron_core": "megatron.core", "loftq_config": {},
}  # fmt: skip
SHAPES = {"q_proj": (WIDTH, WIDTH), "o_proj": (WIDTH, WIDTH), "up_proj": (WIDTH, INNER)}
Shapes = dict[str, tuple[int, ...]]


def tiny_info(**more: Any) -> ModelInfo:
    """A model of two blocks with three linear layers each."""
    modules = [
        LinearModule(
            name=name,
            path=f"model.layers.*.{'mlp' if name == 'up_proj' else 'self_attn'}.{name}",
            ins=ins,
            outs=outs,
            layers=tuple(range(LAYERS)),
        )
        for name, (ins, outs) in SHAPES.items()
    ]
    values: dict[str, Any] = {
        "source": "tiny", "name": "tiny", "model_type": "llama", "tasks": ("write", "classify"),
        "layers": LAYERS, "hidden_size": WIDTH, "heads": 4, "kv_heads": 4, "vocab_size": WORDS,
        "context": 64, "parameters": 10**4, "dtype": "float32", "megabytes": 1.0,
        "has_template": False, "groups": {}, "blocks": "layers",
        "saveable": {"embed_tokens": WORDS * WIDTH, "lm_head": WORDS * WIDTH},
    }  # fmt: skip
    return ModelInfo(**values | {"modules": tuple(modules)} | more)


def matrices(
    names: Iterable[str] = ("q_proj", "up_proj"),
    layers: Iterable[int] = range(LAYERS),
    rank: int = 4,
) -> Shapes:
    """The shapes of the small matrices beside these layers."""
    found: Shapes = {}
    for layer in layers:
        for name in names:
            part = "mlp" if name == "up_proj" else "self_attn"
            ins, outs = SHAPES[name]
            path = f"{OUTER}model.layers.{layer}.{part}.{name}"
            found[f"{path}.lora_A.weight"] = (rank, ins)
            found[f"{path}.lora_B.weight"] = (outs, rank)
    return found


def save_adapter(folder: Path, shapes: Shapes | None = None, **config: Any) -> dict[str, Path]:
    """An adapter's folder, of zeros; its files by name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG | config))
    tensors = {name: np.zeros(shape, np.float32) for name, shape in (shapes or matrices()).items()}
    save_file(tensors, folder / "adapter_model.safetensors")
    return {path.name: path for path in folder.iterdir()}
