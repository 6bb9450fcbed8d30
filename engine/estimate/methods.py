"""Which method suits a case, what each needs at least, and what would fit instead."""

from __future__ import annotations

from typing import NamedTuple

from engine.estimate.case import Case, Setup, memory_inputs
from engine.estimate.memory import LONGEST, bytes_needed, fits_budget, largest_length
from engine.spec.method import METHODS, MethodKind, MethodSpec
from engine.spec.objective import LABEL_OBJECTIVES
from engine.text import format_large_number

ROWS_FOR_FULL = 50_000  # rows from which all weights may learn more than an adapter
LEAST_LENGTH = 16  # tokens; lengths are multiples of it


class MethodOption(NamedTuple):
    kind: MethodKind
    needs: float  # bytes at least: one example at a time, with gradient checkpointing
    fits: bool
    recommended: bool
    why: str  # when to use it


def method_options(case: Case) -> tuple[MethodOption, ...]:
    """All methods that make sense here, with what each needs at least; one is recommended."""
    length = case.lengths.longest if case.lengths else case.max_length
    length = max(LEAST_LENGTH, min(length, case.info.context or LONGEST))
    least = {
        kind: bytes_needed(case, Setup(MethodSpec(kind=kind), length))
        for kind in METHODS
        if kind != "head" or case.goal in LABEL_OBJECTIVES
    }
    best = _recommended_kind(case, least)
    return tuple(
        MethodOption(kind, needs, needs <= case.budget, kind == best, METHODS[kind].help)
        for kind, needs in least.items()
    )


def _recommended_kind(case: Case, least: dict[MethodKind, float]) -> MethodKind:
    fits = {kind for kind in least if least[kind] <= case.budget}
    full_fits = "full" in fits and least["full"] * 2 <= case.budget
    if full_fits and case.rows >= ROWS_FOR_FULL and case.goal != "prefer":
        return "full"
    order: tuple[MethodKind, ...] = ("lora", "qlora", "head")
    return next((kind for kind in order if kind in fits), "qlora")


def explain_method(case: Case, option: MethodOption) -> str:
    size = format_large_number(case.info.parameters)
    match option.kind:
        case "full":
            return (
                f"With {case.rows:,} rows an adapter may run out of capacity, "
                f"and all {size} weights fit into memory."
            )
        case "qlora" if option.fits:
            return f"In 16 or 32 bit the {size} weights do not fit into memory; in 4 bit they do."
        case "qlora":
            return "Nothing fits as it is. 4 bit comes nearest; a smaller model would be better."
        case "head":
            return "Only this fits into memory. A smaller model could learn more."
    return (
        f"It fits into memory, and for {case.rows:,} rows an adapter learns as well as "
        "all weights would."
    )


def suggest_changes(case: Case, method: MethodSpec, length: int) -> list[str]:
    """What would make a run fit that does not, the least loss first; may be empty."""
    found = []
    in_4_bit = method.model_copy(update={"kind": "qlora", "init": "zero"})
    if method.adapts and method.bits != 4 and fits_budget(case, Setup(in_4_bit, length)):
        found.append("the 4-bit method (QLoRA)")
    if method.kind == "full" and fits_budget(case, Setup(MethodSpec(), length)):
        found.append("LoRA instead of all weights")
    shorter = length_that_fits(case, method, length)
    if shorter < length and fits_budget(case, Setup(method, shorter)):
        found.append(f"examples of at most {shorter:,} tokens (Data tab)")
    return found


def length_that_fits(case: Case, method: MethodSpec, wanted: int) -> int:
    """The wanted length, or the largest round one that fits with one example at a time."""
    inputs = memory_inputs(case, Setup(method, wanted))
    found = largest_length(inputs, case.budget, wanted)
    return wanted if found >= wanted else max(LEAST_LENGTH, found // LEAST_LENGTH * LEAST_LENGTH)
