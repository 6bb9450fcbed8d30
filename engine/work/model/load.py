"""Weights into memory: which device, which precision, and why."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError
from transformers import BitsAndBytesConfig, PreTrainedModel

from engine.errors import ModelError, RunError
from engine.hardware import GB, free_gb
from engine.model import config_json, weights
from engine.model.fingerprint import OTHER_BASE
from engine.spec.method import MethodSpec
from engine.spec.objective import Goal, Task, outputs
from engine.spec.run import PlaceSpec
from engine.work.memory import out_of_memory
from engine.work.model.structure import AUTO_CLASSES, empty_model, head_names, load_config, tasks_of

DEFAULT_CONTEXT = 2048  # tokens that a model is trusted to read where its config names no limit


class DeviceSetup(NamedTuple):
    """Where and how a model is computed."""

    device: torch.device
    dtype: torch.dtype  # of the base weights that are not quantised
    reason: str  # why this precision
    autocast: bool = False  # fp32 weights are computed with in bf16

    @property
    def precision(self) -> str:
        return "bf16" if self.dtype == torch.bfloat16 else "fp32"


class Head(NamedTuple):
    """A new classification head."""

    labels: tuple[str, ...]  # one name for each output
    problem: str  # as transformers' problem_type


PROBLEM_TYPES = {
    "classify": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regress": "regression",
}


def head_of(goal: Goal, labels: Iterable[str]) -> Head | None:
    """The classification head that a goal needs, from the labels of the training rows; None for goals that write."""
    return Head(outputs(goal, labels), PROBLEM_TYPES[goal]) if goal in PROBLEM_TYPES else None


def choose_device(spec: PlaceSpec, method: MethodSpec | None = None) -> DeviceSetup:
    """The device and precision for a run; raises RunError where a wanted GPU is not there."""
    if spec.device == "cuda" and not torch.cuda.is_available():
        raise RunError(
            "This run wants a GPU (graphics card), and none can be used here. Choose Automatic or CPU."
        )
    cuda = spec.device != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    if spec.precision != "auto":
        return DeviceSetup(
            device, torch.bfloat16 if spec.precision == "bf16" else torch.float32, "chosen by you"
        )
    if cuda:
        capable, what = (
            torch.cuda.is_bf16_supported(including_emulation=False),
            "this graphics card",
        )
    else:
        # Emulated bf16 on a processor without the instructions is slower than fp32.
        flags = torch.cpu.get_capabilities()
        capable, what = bool(flags.get("avx512_bf16") or flags.get("amx_bf16")), "this processor"
    if not capable:
        return DeviceSetup(device, torch.float32, f"{what} has no bf16 units, so fp32 is faster")
    if method and (not method.adapts or method.bias != "none" or method.save):
        # Small steps vanish when they are added to 16-bit weights, so weights that are trained themselves stay fp32.
        return DeviceSetup(
            device,
            torch.float32,
            f"the trained weights stay in fp32; {what} computes in bf16",
            autocast=True,
        )
    return DeviceSetup(
        device,
        torch.bfloat16,
        f"{what} computes in bf16, which is faster; the adapter stays in fp32",
    )


def read_ahead(folder: Path) -> None:
    """Let the disk read a model's weights into the system's cache meanwhile; says nothing of how far it is.

    Not where they would fill more than half of the free memory, nor on systems that cannot (macOS, Windows).
    """
    files = [file for name in weights.weight_files(folder) if (file := folder / name).is_file()]
    if (
        not hasattr(os, "posix_fadvise")
        or sum(file.stat().st_size for file in files) > free_gb("cpu") * GB / 2
    ):
        return
    threading.Thread(target=_advise_system, args=(files,), daemon=True).start()


def _advise_system(files: list[Path]) -> None:
    for file in files:
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def load_model(
    folder: Path, place: DeviceSetup, method: MethodSpec | None = None, head: Head | None = None
) -> PreTrainedModel:
    """The base model on its device, quantised where the method wants it; raises ModelError.

    Safetensors only, never code from the folder. With ``head`` it is built for classification, the head new.
    """
    config = load_config(folder)
    task: Task = "classify" if head else "write"
    if task not in tasks_of(config):
        empty_model(config, folder.name, task)  # says why
    options: dict[str, Any] = {"config": config, "dtype": place.dtype, "use_safetensors": True}
    if head:
        options["ignore_mismatched_sizes"] = True  # a head for other labels is replaced
        config.num_labels = len(head.labels)
        config.id2label, config.label2id = (
            dict(enumerate(head.labels)),
            {name: n for n, name in enumerate(head.labels)},
        )
        config.problem_type = head.problem
    if method and method.bits:
        options |= {
            "quantization_config": _quantization_config(method.bits, place, task),
            "device_map": {"": place.device},
        }
    try:
        model, found = AUTO_CLASSES[task].from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
    except Exception as error:
        if out_of_memory(error):
            raise
        raise ModelError(
            f"The weights in '{folder.name}' cannot be loaded. Copy the model again."
        ) from error
    # The library would fill what is missing with random numbers and go on; only a new head may be.
    new = head_names(model) if head else set()
    absent = [*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])]
    if missing := sorted(name for name in absent if name.partition(".")[0] not in new):
        raise ModelError(
            f"'{folder.name}' lacks {len(missing)} of the weights that its config.json names, such as {missing[0]}. "
            "Copy the model again."
        )
    keep_differentiable(model)
    for name in new:
        _keep_head_fp32(getattr(model, name))
    loaded: PreTrainedModel = model if method and method.bits else model.to(place.device)
    return loaded


def _quantization_config(bits: int, place: DeviceSetup, task: Task) -> BitsAndBytesConfig:
    """NF4 with double quantisation, or LLM.int8 (Dettmers et al., arXiv:2305.14314 and 2208.07339)."""
    # On encoders the library would take the new head too, which must be trained. Naming modules replaces its own
    # exception for lm_head, so only classifiers name any.
    skip = (
        ["classifier", "pre_classifier", "score", "head", "pooler"] if task == "classify" else None
    )
    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skip)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=place.dtype,
        llm_int8_skip_modules=skip,
    )


def _keep_head_fp32(head: torch.nn.Module) -> None:
    """A head stays fp32, since it is trained itself; what the body hands it is cast to its precision, whatever that is.

    A copy of it (PEFT makes one) does the same.
    """
    head.float().register_forward_pre_hook(
        lambda module, given: tuple(
            one.to(next(module.parameters()).dtype) if isinstance(one, torch.Tensor) else one
            for one in given
        )
    )


def keep_differentiable(model: torch.nn.Module) -> None:
    """Keep bitsandbytes from repacking 4-bit weights on a CPU in eval mode: that layout gives wrong gradients."""
    for module in model.modules():
        if type(module).__name__ == "Linear4bit":
            module.support_avx512bf16_for_cpu = False


def load_adapter(model: PreTrainedModel, adapter: Path) -> PeftModel:
    """The base with a saved adapter, ready to generate; raises RunError where it is not whole, or not for this base."""
    file = adapter / "adapter_model.safetensors"
    try:
        saved = weights.read_shapes(file)
        config_json.read_json_object(adapter / "adapter_config.json")
    except (ModelError, OSError) as error:
        raise RunError(
            "The saved adapter of this run cannot be loaded. Continue the run, or choose another."
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of matrices that found no place: they are counted below
            tuned = PeftModel.from_pretrained(model, str(adapter), low_cpu_mem_usage=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if out_of_memory(error):
            raise
        raise RunError(OTHER_BASE) from error
    # PEFT goes on with half of an adapter: what finds no place is dropped, what is absent starts anew.
    own = get_peft_model_state_dict(
        tuned, save_embedding_layers=False
    )  # not asked for: it would ask the Hub
    if {name: tuple(one.shape) for name, one in own.items()} != saved:
        raise RunError(OTHER_BASE)
    return tuned.eval()
