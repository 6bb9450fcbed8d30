"""Whether a model fits this machine, in one word: before it is chosen, and even before anything of it is here.

All verdicts are for one example of ``FIT_LENGTH`` tokens at a time with LoRA's defaults, computed again instead of kept.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.estimate import recommend
from engine.estimate.recommend import Case
from engine.hardware import GB, Machine
from engine.model.info import ModelInfo
from engine.spec.method import MethodSpec

FIT_LENGTH = 1024  # tokens
FIT_LABELS = 2
FitWord = Literal["fits", "four", "large"]
# Bytes a weight, and what a run needs beside the weights, for models of which only the size is known.
BYTES_PER_WEIGHT = {"bf16": 2.2, "fp32": 4.4, "four": 0.8}
OVERHEAD_BYTES = 1.2 * GB


class ModelFit(NamedTuple):
    """What fits, and what it needs."""

    word: FitWord
    needs: float  # bytes: of LoRA where it fits, else of LoRA on 4-bit weights
    rough: bool = False  # told from the number of weights alone


def check_fit(info: ModelInfo, machine: Machine, capable: bool) -> ModelFit:
    """What fits, from the model's anatomy; ``capable`` as in ``Case``."""
    case = Case(
        info,
        "classify" if info.task == "classify" else "write",
        1,
        FIT_LABELS,
        None,
        machine,
        capable,
    )
    length = min(FIT_LENGTH, info.context or FIT_LENGTH)
    lora, four = (
        recommend.bytes_needed(case, MethodSpec(kind=kind), 1, length, True)
        for kind in ("lora", "qlora")
    )
    return _model_fit(lora, four, case.budget)


def check_fit_by_size(parameters: int, machine: Machine, capable: bool) -> ModelFit:
    """What probably fits, from the number of weights alone."""
    lora = parameters * BYTES_PER_WEIGHT["bf16" if capable else "fp32"] + OVERHEAD_BYTES
    return _model_fit(
        lora,
        parameters * BYTES_PER_WEIGHT["four"] + OVERHEAD_BYTES,
        machine.free * recommend.USABLE_SHARE,
    )._replace(rough=True)


def largest_model(machine: Machine) -> int:
    """Weights of the largest model that probably fits in 4 bit."""
    return max(
        0, int((machine.free * recommend.USABLE_SHARE - OVERHEAD_BYTES) / BYTES_PER_WEIGHT["four"])
    )


def _model_fit(lora: float, four: float, budget: float) -> ModelFit:
    if lora <= budget:
        return ModelFit("fits", lora)
    return ModelFit("four" if four <= budget else "large", four)
