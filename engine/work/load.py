"""Weights into memory: which device, which precision, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, PreTrainedModel

from engine.errors import ModelError, RunError
from engine.spec import PlaceSpec
from engine.work.inspect import load_config


class Place(NamedTuple):
    """Where and how a model is computed."""

    device: torch.device
    dtype: torch.dtype
    reason: str  # why this precision

    @property
    def precision(self) -> str:
        return "bf16" if self.dtype == torch.bfloat16 else "fp32"


def choose_place(spec: PlaceSpec) -> Place:
    """The device and precision for a run; raises RunError where a wanted GPU is not there."""
    if spec.device == "cuda" and not torch.cuda.is_available():
        raise RunError("This run wants a GPU (graphics card), and none can be used here. Choose Automatic or CPU.")
    cuda = spec.device != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    if spec.precision != "auto":
        return Place(device, torch.bfloat16 if spec.precision == "bf16" else torch.float32, "chosen by you")
    if cuda:
        capable, what = torch.cuda.is_bf16_supported(including_emulation=False), "this graphics card"
    else:
        # Emulated bf16 on a processor without the instructions is slower than fp32.
        flags = torch.cpu.get_capabilities()
        capable, what = bool(flags.get("avx512_bf16") or flags.get("amx_bf16")), "this processor"
    if capable:
        return Place(device, torch.bfloat16, f"{what} computes in bf16, which is faster; the adapter stays in fp32")
    return Place(device, torch.float32, f"{what} has no bf16 units, so fp32 is faster")


def load_model(folder: Path, place: Place) -> PreTrainedModel:
    """The base model on its device, frozen-ready; raises ModelError. Safetensors only, never code from the folder."""
    config = load_config(folder)
    options: dict[str, Any] = {"config": config, "dtype": place.dtype, "use_safetensors": True}
    try:
        model, found = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, output_loading_info=True, **options
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"The weights in '{folder.name}' cannot be loaded. Copy the model again.") from error
    # The library would fill what is missing with random numbers and go on.
    if missing := sorted(found["missing_keys"]):
        raise ModelError(
            f"'{folder.name}' lacks {len(missing)} of the weights that its config.json names, such as {missing[0]}. "
            "Copy the model again."
        )
    loaded: PreTrainedModel = model.to(place.device)
    return loaded


def attach(model: PreTrainedModel, adapter: Path) -> PeftModel:
    """The base with a saved adapter, ready to generate; raises RunError where the adapter is not whole."""
    try:
        tuned = PeftModel.from_pretrained(model, str(adapter), low_cpu_mem_usage=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise RunError(
            "The saved adapter of this run cannot be loaded. Continue the run, or choose another."
        ) from error
    return tuned.eval()
