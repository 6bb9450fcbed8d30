"""A spec's method on a loaded model: LoRA and its relatives, the head alone, or all weights.

A run that starts from the result of another takes over every weight, or is refused.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from peft import (
    LoraConfig,
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from engine.errors import ModelError, RunError
from engine.model import local
from engine.model.adapter_files import CONFIG_NAME, WEIGHTS_NAME
from engine.model.check_method import check_method
from engine.model.config_json import read_json_object
from engine.model.info import ModelInfo
from engine.model.parameters import lora_options
from engine.model.weights import read_shapes
from engine.spec.method import MethodSpec
from engine.spec.run import RunSpec
from engine.store.run_dir import RunDir, is_whole_model
from engine.work import compat
from engine.work.kernels.layers import patch_model
from engine.work.model.load import adapter_shapes

CONVERTED_INITS = ("pissa", "olora")
START_FILE = "start.safetensors"  # the untrained adapter, which its conversion needs
PEFT_INIT: dict[str, Any] = {"zero": True}  # PEFT's names of initialisations, where not Hone's


def _lora_config(method: MethodSpec, info: ModelInfo) -> LoraConfig:
    """The PEFT config of a method; the head alone is an adapter without matrices."""
    if method.kind == "head":
        none, head = compat.no_target_modules(), list(info.head)
        return LoraConfig(task_type="SEQ_CLS", target_modules=none, modules_to_save=head)
    alpha, rank = method.scale_alpha, method.rank
    return LoraConfig(
        **lora_options(method, info),
        init_lora_weights=PEFT_INIT.get(method.init, method.init),
        # Modules of another rank are scaled as strongly as the others.
        alpha_pattern={name: max(1, round(alpha * r / rank)) for name, r in method.ranks.items()},
    )


def apply_method(
    model: PreTrainedModel, method: MethodSpec, info: ModelInfo, start: Path | None = None
) -> PreTrainedModel | PeftModel:
    """The model with only what the method trains left trainable; raises SpecError for a misfit.

    ``start``: the folder of the adapter that the run starts from, if any; it keeps its scales.
    """
    if method.kind == "full":
        return model.train()
    if method.adapts:
        check_method(info, method)
    if method.bits:
        # prepare_model_for_kbit_training would also make fp32 copies of norms and head.
        for weights in model.parameters():
            weights.requires_grad = False
    config = _lora_config(method, info)
    if start and method.adapts and (start / CONFIG_NAME).is_file():
        _keep_scales(config, start / CONFIG_NAME)
    tuned = get_peft_model(model, config, autocast_adapter_dtype=True)
    for name, weights in tuned.named_parameters():
        # Small steps vanish when they are added to 16-bit weights: what is trained is fp32.
        if weights.requires_grad and ("lora_" in name or "modules_to_save" in name):
            weights.data = weights.data.float()
    patch_model(tuned)
    return tuned


def _keep_scales(config: LoraConfig, start: Path) -> None:
    """Scale each module as the adapter that the run starts from: alpha may differ by module."""
    try:
        values = read_json_object(start)
    except ModelError:
        raise RunError(
            f"The adapter to start from ({start}) is damaged. Start a new run from another one."
        ) from None
    config.lora_alpha = values.get("lora_alpha", config.lora_alpha)
    config.alpha_pattern = values.get("alpha_pattern") or {}


def parameter_counts(model: Any) -> tuple[int, int]:
    """Trainable parameters and all of them, as PEFT counts."""
    if isinstance(model, PeftModel):
        return model.get_nb_trainable_parameters()
    return model.num_parameters(only_trainable=True), model.num_parameters()


# --- adapters that begin with a part of the base weights (PiSSA, OLoRA) ---


def save_initial_adapter(model: Any, method: MethodSpec, checkpoints: Path) -> None:
    """Write the untrained adapter (B0, A0), where the conversion will need it."""
    if method.adapts and method.init in CONVERTED_INITS and isinstance(model, PeftModel):
        checkpoints.mkdir(exist_ok=True)
        state = get_peft_model_state_dict(model).items()
        tensors = {name: weights.contiguous().cpu() for name, weights in state}
        save_file(tensors, checkpoints / START_FILE)


def convert_to_plain_lora(folder: Path, start: Path) -> None:
    """Convert the adapter in a folder, in place; ``start``: the file of the untrained adapter.

    Training runs on W - s B0 A0 with B and A beside it, so the change is s (B A - B0 A0) = s [B,
    -B0] [A; A0]: a plain adapter of twice the rank, which fits the untouched base. (The conversion
    of PEFT's documentation, done on files so that it needs no second adapter.)
    """
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


# --- starting from the result of another run ---


def start_model_folder(run: RunDir, spec: RunSpec) -> Path:
    """The folder of the weights that a run starts from: a fully trained model's, or the base's."""
    return run.start if is_whole_model(run.start) else local.checked_folder(spec.model.source)


def load_start_adapter(model: Any, run: RunDir) -> None:
    """Load the weights of the adapter that the run starts from, if any; raises RunError."""
    file = run.start / WEIGHTS_NAME
    if not file.is_file():
        return
    try:
        saved = read_shapes(file)
    except ModelError:
        raise RunError(
            f"The adapter to start from ({file}) is damaged. Start a new run from another one."
        ) from None
    shapes = adapter_shapes(model)
    if wrong := sorted(name for name in {*shapes, *saved} if shapes.get(name) != saved.get(name)):
        raise RunError(
            f"The adapter to start from does not fit these settings: {len(wrong)} of its parts "
            f"differ, such as {wrong[0].removeprefix('base_model.model.')}. Take the same model, "
            "labels, target modules and rank as its run ('Train on from here' on the Runs tab sets "
            "them)."
        )
    set_peft_model_state_dict(model, load_file(file))
