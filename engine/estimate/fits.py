"""Whether a model fits this machine, in one word, even before anything of it is downloaded.

Every answer is for one example of ``FIT_LENGTH`` tokens at a time with LoRA's defaults and
gradient checkpointing.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.estimate.case import USABLE_SHARE, Setup, case_of_model
from engine.estimate.memory import bytes_needed
from engine.hardware import GB, Machine
from engine.model.info import ModelInfo
from engine.spec.method import MethodSpec

FIT_LENGTH = 1024  # tokens
FIT_LABELS = 2
FitWord = Literal["fits", "four", "large"]
# Bytes per weight, and what a run needs beside the weights, for models of which only the size is
# known.
BYTES_PER_WEIGHT = {"bf16": 2.2, "fp32": 4.4, "four": 0.8}
OVERHEAD_BYTES = 1.2 * GB


class ModelFit(NamedTuple):
    """What fits, and what it needs."""

    word: FitWord
    needs: float  # bytes: of LoRA where it fits, else of LoRA on 4-bit weights
    rough: bool = False  # estimated from the number of weights alone


def check_fit(info: ModelInfo, machine: Machine) -> ModelFit:
    """What fits, from the model's structure."""
    case = case_of_model(info, FIT_LABELS, machine)
    length = min(FIT_LENGTH, info.context or FIT_LENGTH)
    lora = bytes_needed(case, Setup(MethodSpec(kind="lora"), length))
    four = bytes_needed(case, Setup(MethodSpec(kind="qlora"), length))
    return _model_fit(lora, four, case.budget)


def check_fit_by_size(parameters: int, machine: Machine) -> ModelFit:
    """What probably fits, from the number of weights alone."""
    lora = parameters * BYTES_PER_WEIGHT["bf16" if machine.capable else "fp32"] + OVERHEAD_BYTES
    four = parameters * BYTES_PER_WEIGHT["four"] + OVERHEAD_BYTES
    return _model_fit(lora, four, machine.free * USABLE_SHARE)._replace(rough=True)


def largest_model(machine: Machine) -> int:
    """Weights of the largest model that probably fits in 4 bit."""
    free = machine.free * USABLE_SHARE - OVERHEAD_BYTES
    return max(0, int(free / BYTES_PER_WEIGHT["four"]))


def _model_fit(lora: float, four: float, budget: float) -> ModelFit:
    if lora <= budget:
        return ModelFit("fits", lora)
    return ModelFit("four" if four <= budget else "large", four)
