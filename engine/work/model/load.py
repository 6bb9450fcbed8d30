"""Weights into memory: which device, which precision, and why."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError
from transformers import BitsAndBytesConfig, PreTrainedModel

from engine.errors import ModelError, RunError
from engine.hardware import GB, free_memory_gb
from engine.model import config_json, weights
from engine.model.adapter_files import CONFIG_NAME, WEIGHTS_NAME
from engine.model.fingerprint import OTHER_BASE
from engine.spec.method import MethodSpec
from engine.spec.objective import Task
from engine.spec.run import PlaceSpec
from engine.work import compat
from engine.work.memory import out_of_memory
from engine.work.model.generation_config import GENERATION_FILE, read_generation_config
from engine.work.model.structure import AUTO_CLASSES, head_names, load_config, require_task

DEFAULT_CONTEXT = 2048  # tokens that a model is trusted to read where its config names no limit
# Modules that make up a new classification head; they stay unquantised, since they are trained.
HEAD_MODULES = ("classifier", "pre_classifier", "score", "head", "pooler")


class DeviceSetup(NamedTuple):
    """The device and precision that a model is computed with."""

    device: torch.device
    dtype: torch.dtype  # of the base weights that are not quantised
    reason: str = ""  # why this precision
    autocast: bool = False  # fp32 weights are computed with in bf16

    @property
    def precision(self) -> str:
        return "bf16" if self.dtype == torch.bfloat16 else "fp32"


class Head(NamedTuple):
    """A new classification head."""

    labels: tuple[str, ...]  # one name for each output
    problem: str  # as transformers' problem_type


def choose_device(spec: PlaceSpec, method: MethodSpec | None = None) -> DeviceSetup:
    """The device and precision for a run; raises RunError where a wanted GPU is missing."""
    if spec.device == "cuda" and not torch.cuda.is_available():
        raise RunError(
            "This run needs a GPU (graphics card), and none can be used here. Choose Automatic or "
            "CPU."
        )
    cuda = spec.device != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    if spec.precision != "auto":
        dtype = torch.bfloat16 if spec.precision == "bf16" else torch.float32
        return DeviceSetup(device, dtype, "chosen by you")
    what = "this graphics card" if cuda else "this processor"
    if not _has_bf16_units(cuda):
        return DeviceSetup(device, torch.float32, f"{what} has no bf16 units, so fp32 is faster")
    if method and (not method.adapts or method.bias != "none" or method.save):
        # Small steps vanish when they are added to 16-bit weights: what is trained stays fp32.
        reason = f"the trained weights stay in fp32; {what} computes in bf16"
        return DeviceSetup(device, torch.float32, reason, autocast=True)
    reason = f"{what} computes in bf16, which is faster; the adapter stays in fp32"
    return DeviceSetup(device, torch.bfloat16, reason)


def _has_bf16_units(cuda: bool) -> bool:
    """Whether the device computes in bf16; emulated, it would be slower than fp32."""
    if cuda:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    flags = torch.cpu.get_capabilities()
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))


def read_ahead(folder: Path) -> None:
    """Let the system read a model's weights into its file cache; returns at once.

    Not where they would fill more than half of the free memory, nor on macOS and Windows, which
    have no such call.
    """
    names = weights.weight_files(folder)
    files = [file for name in names if (file := folder / name).is_file()]
    size = sum(file.stat().st_size for file in files)
    if hasattr(os, "posix_fadvise") and size <= free_memory_gb("cpu") * GB / 2:
        threading.Thread(target=_advise_system, args=(files,), daemon=True).start()


def _advise_system(files: list[Path]) -> None:
    for file in files:
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def load_model(
    folder: Path, setup: DeviceSetup, method: MethodSpec | None = None, head: Head | None = None
) -> PreTrainedModel:
    """The base model on its device, quantised where the method wants it; raises ModelError.

    Safetensors only, never code from the folder. With ``head`` it is built for classification, the
    head new.
    """
    config = load_config(folder)
    task: Task = "classify" if head else "write"
    require_task(config, folder.name, task)
    options: dict[str, Any] = {"config": config, "dtype": setup.dtype, "use_safetensors": True}
    options |= {"local_files_only": True, "output_loading_info": True}
    if head:
        options["ignore_mismatched_sizes"] = True  # a head for other labels is replaced
        config.id2label = dict(enumerate(head.labels))
        config.label2id = {name: n for n, name in enumerate(head.labels)}
        config.problem_type = head.problem
    else:
        options["generation_config"], left_out = read_generation_config(folder)
        if left_out:
            print(f"Left out of {GENERATION_FILE}: {', '.join(left_out)}.", flush=True)
    if method and method.bits:
        options["quantization_config"] = _quantization_config(method.bits, setup, task)
        options["device_map"] = {"": setup.device}
    try:
        auto = AUTO_CLASSES[task]
        model, found = auto.from_pretrained(folder, trust_remote_code=False, **options)
    except Exception as error:
        if out_of_memory(error):
            raise
        raise ModelError(
            f"The weights in '{folder.name}' cannot be loaded. Copy the model again."
        ) from error
    new = head_names(model) if head else set()
    _require_weights(folder, found, new)
    compat.keep_differentiable(model)
    for name in new:
        _keep_head_fp32(getattr(model, name))
    return model if "device_map" in options else model.to(setup.device)


def _require_weights(folder: Path, found: dict[str, Any], new: set[str]) -> None:
    """Raise ModelError where a weight is missing outside the modules that are ``new``.

    The library would fill what is missing with random numbers and go on; only a new head may be.
    """
    absent = [*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])]
    if missing := sorted(name for name in absent if name.partition(".")[0] not in new):
        raise ModelError(
            f"'{folder.name}' lacks {len(missing)} of the weights that its config.json names, such "
            f"as {missing[0]}. Copy the model again."
        )


def _quantization_config(bits: int, setup: DeviceSetup, task: Task) -> BitsAndBytesConfig:
    """NF4 with double quantisation, or LLM.int8 (Dettmers et al., arXiv:2305.14314, 2208.07339)."""
    # Naming modules replaces the library's own exception for lm_head: only classifiers name any.
    skip = list(HEAD_MODULES) if task == "classify" else None
    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skip)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=setup.dtype,
        llm_int8_skip_modules=skip,
    )


def _keep_head_fp32(head: torch.nn.Module) -> None:
    """Keep a head in fp32, since it is trained itself; what the body gives it is cast to fp32.

    A copy of it (PEFT makes one) does the same.
    """

    def cast_inputs(module: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        dtype = next(module.parameters()).dtype
        return tuple(one.to(dtype) if isinstance(one, torch.Tensor) else one for one in given)

    head.float().register_forward_pre_hook(cast_inputs)


def load_adapter(model: PreTrainedModel, adapter: Path) -> PeftModel:
    """The base with a saved adapter in eval mode; raises RunError for a damaged or foreign one."""
    try:
        saved = weights.read_shapes(adapter / WEIGHTS_NAME)
        config_json.read_json_object(adapter / CONFIG_NAME)
    except (ModelError, OSError) as error:
        raise RunError(
            "The saved adapter of this run cannot be loaded. Continue the run, or choose another."
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of matrices that fit nowhere: they are counted below
            tuned = PeftModel.from_pretrained(model, str(adapter), low_cpu_mem_usage=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if out_of_memory(error):
            raise
        raise RunError(OTHER_BASE) from error
    # PEFT goes on with half of an adapter: what fits nowhere is dropped, what is absent is new.
    if adapter_shapes(tuned) != saved:
        raise RunError(OTHER_BASE)
    return tuned.eval()


def adapter_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """The shape of each of an adapter's tensors, by the name it is saved under."""
    # With embeddings PEFT would ask the Hub for the base model's vocabulary.
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tuple(one.shape) for name, one in state.items()}
