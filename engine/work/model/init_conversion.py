"""Turns adapters that began with a part of the base weights (PiSSA, OLoRA) into plain LoRA.

Training runs on W - s B0 A0 with B and A beside it, so the change is s (B A - B0 A0) = s [B, -B0]
[A; A0]: a plain adapter of twice the rank, which fits the untouched base. (The conversion of PEFT's
documentation, done on files so that it needs no second adapter.)
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from engine.model.adapter_files import CONFIG_NAME, WEIGHTS_NAME
from engine.spec.method import MethodSpec

CONVERTED_INITS = ("pissa", "olora")
START_FILE = "start.safetensors"


def save_initial_adapter(model: Any, method: MethodSpec, checkpoints: Path) -> None:
    """Write the untrained adapter (B0, A0), where the conversion will need it."""
    if method.adapts and method.init in CONVERTED_INITS and isinstance(model, PeftModel):
        checkpoints.mkdir(exist_ok=True)
        state = get_peft_model_state_dict(model).items()
        tensors = {name: weights.contiguous().cpu() for name, weights in state}
        save_file(tensors, checkpoints / START_FILE)


def convert_to_plain_lora(folder: Path, start: Path) -> None:
    """Convert the adapter in a folder, in place; ``start``: the file of the untrained adapter."""
    file, config_file = folder / WEIGHTS_NAME, folder / CONFIG_NAME
    config = json.loads(config_file.read_text(encoding="utf-8"))
    initial, trained = load_file(start), load_file(file)
    for name, weights in trained.items():
        if "lora_A" in name:
            trained[name] = torch.cat([weights, initial[name]], dim=0)
        elif "lora_B" in name:
            trained[name] = torch.cat([weights, -initial[name]], dim=1)
    # The scale is alpha / rank, or alpha / sqrt(rank): it must not change with the rank.
    config["lora_alpha"] *= math.sqrt(2) if config["use_rslora"] else 2
    config |= {"init_lora_weights": True, "r": 2 * config["r"]}
    for pattern in ("rank_pattern", "alpha_pattern"):
        config[pattern] = {name: 2 * value for name, value in (config.get(pattern) or {}).items()}
    save_file(trained, file, metadata={"format": "pt"})
    config_file.write_text(json.dumps(config, indent=2), encoding="utf-8")
