"""Whether a model fits this machine, in one word: before it is chosen, and even before anything of it is here.

All verdicts are for one example of ``LENGTH`` tokens at a time with LoRA's defaults, computed again instead of kept.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.estimate import recommend
from engine.estimate.recommend import Case
from engine.hardware import GB, Machine
from engine.model.info import ModelInfo
from engine.spec.method import MethodSpec

LENGTH = 1024  # tokens
LABELS = 2
Word = Literal["fits", "four", "large"]
# Bytes a weight, and what a run needs beside the weights, for models of which only the size is known.
ROUGH = {"bf16": 2.2, "fp32": 4.4, "four": 0.8}
BESIDE = 1.2 * GB


class Verdict(NamedTuple):
    """What fits, and what it needs."""

    word: Word
    needs: float  # bytes: of LoRA where it fits, else of LoRA on 4-bit weights
    rough: bool = False  # told from the number of weights alone


def verdict(info: ModelInfo, machine: Machine, capable: bool) -> Verdict:
    """What fits, from the model's anatomy; ``capable`` as in ``Case``."""
    case = Case(
        info, "classify" if info.task == "classify" else "write", 1, LABELS, None, machine, capable
    )
    length = min(LENGTH, info.context or LENGTH)
    lora, four = (
        recommend.needs(case, MethodSpec(kind=kind), 1, length, True) for kind in ("lora", "qlora")
    )
    return _verdict(lora, four, case.budget)


def rough(parameters: int, machine: Machine, capable: bool) -> Verdict:
    """What probably fits, from the number of weights alone."""
    lora = parameters * ROUGH["bf16" if capable else "fp32"] + BESIDE
    return _verdict(
        lora, parameters * ROUGH["four"] + BESIDE, machine.free * recommend.ROOM
    )._replace(rough=True)


def largest(machine: Machine) -> int:
    """Weights of the largest model that probably fits in 4 bit."""
    return max(0, int((machine.free * recommend.ROOM - BESIDE) / ROUGH["four"]))


def _verdict(lora: float, four: float, budget: float) -> Verdict:
    if lora <= budget:
        return Verdict("fits", lora)
    return Verdict("four" if four <= budget else "large", four)
