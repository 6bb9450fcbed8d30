"""What settings suit a model, data and machine, each with its reason; and which method when. Pure functions.

Where the figures come from:

- Learning rate: 5e-5 x (2000 / width)^p, ten times that for adapters. "LoRA Without Regret" (Schulman et al., Thinking
  Machines, 2025) and its published rule (tinker-cookbook, hyperparam_utils: p = 0.781 for Llama, 0.0775 for Qwen). It
  agrees with the QLoRA paper (arXiv:2305.14314, table 9: 2e-4 for 7B and 13B, 1e-4 for 33B and 65B), with the LoRA
  paper (arXiv:2106.09685, tables 9 to 12: 4e-4 for RoBERTa base, 2e-4 for GPT-2 and GPT-3) and with what Hone's pocket
  model of 4 M weights took best (1.5e-3 to 3e-3). Encoders are capped at what BERT's and LoRA's papers found (5e-5 and
  5e-4).
- Preferences: TRL's own defaults differ from those for text by 1e-6 : 2e-5 (DPOConfig, KTOConfig, SFTConfig); ORPO also
  learns the better answer, and its paper (arXiv:2403.07691) takes 8e-6.
- Where the adapter goes: all linear layers ("LoRA Without Regret"; QLoRA, figure 2).
- Rank: 8 for labels (LoRA paper), 16 for up to some thousand rows, more for more ("LoRA Without Regret": an adapter
  learns as well as all weights for as long as it has room for the data).
- Effective batch: 16 (QLoRA, table 9); less for few rows, since LoRA bears large batches badly (the same post).
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

from engine.estimate import memory
from engine.estimate.lengths import Lengths
from engine.hardware import Machine, precision_of
from engine.model.info import ModelInfo
from engine.spec.method import MethodSpec
from engine.spec.objective import LABELS, Goal
from engine.spec.run import PlaceSpec
from engine.text import format_large_number

MethodKind = Literal["lora", "qlora", "lora8", "dora", "head", "full"]
OptimizerName = Literal["adamw", "adamw_8bit", "adafactor"]
METHOD_KINDS: tuple[MethodKind, ...] = get_args(MethodKind)
USABLE_SHARE = 0.85  # share of the free memory that is counted on
ROWS_FOR_FULL = 50_000  # rows from which all weights may learn more than an adapter
FAMILY_EXPONENTS = {"qwen": 0.0775}  # exponents of the learning rate's rule by family
LLAMA_EXPONENT = 0.781
PREFERENCE_FACTORS = {"dpo": 1 / 20, "kto": 1 / 20, "orpo": 8 / 20}
ENCODER_RATES = {"full": 5e-5, "adapter": 5e-4}
HEAD_RATE = 1e-3
DEFAULT_LENGTH = 256

METHOD_HELP: dict[str, str] = {
    "lora": "Small matrices learn beside the frozen weights. Suits nearly everything.",
    "qlora": "The same, with the frozen weights in 4 bit. For models that do not fit otherwise; a little less exact.",
    "lora8": "The same in 8 bit: between the two, and slower than both.",
    "dora": "LoRA that learns direction and size apart. Sometimes better at small ranks; takes half again as long.",
    "head": "The model stays as it is, and only a new last layer learns. The fastest; a first figure to beat.",
    "full": "Every weight changes. For very much data; needs the most memory, and forgets other things more easily.",
}


class Case(NamedTuple):
    """What settings are wanted for."""

    info: ModelInfo  # built for the goal's task
    goal: Goal
    rows: int
    labels: int  # outputs of a classification head
    lengths: Lengths | None  # None before the rows were counted
    machine: Machine
    capable: bool  # the device computes in bf16 itself
    max_length: int = DEFAULT_LENGTH  # of the settings, until the rows were counted
    preference: str = ""  # dpo, orpo or kto

    @property
    def budget(self) -> float:
        """Bytes that a run may count on."""
        return self.machine.free * USABLE_SHARE


class MethodOption(NamedTuple):
    """One method, for this case."""

    kind: MethodKind
    needs: float  # bytes at least: one example at a time, computed again instead of kept
    fits: bool
    recommended: bool
    why: str  # when to use it


class Recommendation(NamedTuple):
    """Values by the path of their setting, and why each."""

    values: dict[str, Any]
    reasons: dict[str, str]
    options: tuple[MethodOption, ...]
    words: str  # why this method, in a sentence or two

    @property
    def kind(self) -> MethodKind:
        return next(option.kind for option in self.options if option.recommended)


def recommend_settings(case: Case, kind: MethodKind | None = None) -> Recommendation:
    """Settings for this case; for a method that the user chose, or the recommended one."""
    options = method_options(case)
    best, words = next(
        (option.kind, explain_method(case, option)) for option in options if option.recommended
    )
    method = MethodSpec(kind=kind or best)
    found: list[tuple[str, Any, str]] = [("method.kind", method.kind, words)]
    if method.adapts:
        rank, reason = recommend_rank(case)
        found.append(("method.rank", rank, reason))
        method = method.model_copy(update={"rank": rank})
    length, reason = recommend_length(case, method)
    found.append(("data.max_length", length, reason))
    found += _recommend_batch(case, method, length)
    found.append(("optim.learning_rate", *recommend_learning_rate(case, method.kind)))
    found.append(("optim.epochs", *recommend_epochs(case)))
    return Recommendation(
        {path: value for path, value, _ in found},
        {path: text for path, _, text in found},
        options,
        words,
    )


# --- which method ---


def method_options(case: Case) -> tuple[MethodOption, ...]:
    """All methods that make sense here, with what each needs at least; one is recommended."""
    kinds = [kind for kind in METHOD_KINDS if kind != "head" or case.goal in LABELS]
    length = min(
        case.max_length if case.lengths is None else case.lengths.longest,
        case.info.context or 10**9,
    )
    least = {
        kind: bytes_needed(case, MethodSpec(kind=kind), 1, max(16, length), True) for kind in kinds
    }
    best = _recommended_kind(case, least)
    return tuple(
        MethodOption(kind, least[kind], least[kind] <= case.budget, kind == best, METHOD_HELP[kind])
        for kind in kinds
    )


def _recommended_kind(case: Case, least: dict[MethodKind, float]) -> MethodKind:
    fits = {kind for kind in least if least[kind] <= case.budget}
    if (
        "full" in fits
        and case.rows >= ROWS_FOR_FULL
        and least["full"] * 2 <= case.budget
        and case.goal != "prefer"
    ):
        return "full"
    if "lora" in fits:
        return "lora"
    if "qlora" in fits:
        return "qlora"
    return "head" if "head" in fits else "qlora"


def explain_method(case: Case, option: MethodOption) -> str:
    """Why this method is recommended."""
    size = format_large_number(case.info.parameters)
    match option.kind:
        case "full":
            return f"With {case.rows:,} rows an adapter may run out of room, and all {size} weights fit into memory."
        case "qlora" if option.fits:
            return f"In 16 or 32 bit the {size} weights do not fit into memory; in 4 bit they do."
        case "qlora":
            return "Nothing fits as it is. 4 bit comes nearest; a smaller model would be better."
        case "head":
            return "Only this fits into memory. A smaller model could learn more."
    return f"It fits into memory, and for {case.rows:,} rows an adapter learns as well as all weights would."


def bytes_needed(
    case: Case,
    method: MethodSpec,
    batch: int,
    length: int,
    checkpointing: bool,
    optimizer: OptimizerName = "adamw",
    place: PlaceSpec | None = None,
) -> float:
    """Bytes at the peak of a run."""
    return float(
        memory.estimate_memory(
            memory_inputs(case, method, batch, length, checkpointing, optimizer, place)
        ).total
    )


def memory_inputs(
    case: Case,
    method: MethodSpec,
    batch: int,
    length: int,
    checkpointing: bool,
    optimizer: OptimizerName = "adamw",
    place: PlaceSpec | None = None,
) -> memory.MemoryInputs:
    """What the memory depends on."""
    precision, autocast = precision_of(place or PlaceSpec(), method, case.capable)
    return memory.MemoryInputs(
        info=case.info,
        method=method,
        batch=batch,
        length=length,
        precision=precision,
        device=case.machine.device,
        checkpointing=checkpointing,
        optimizer=optimizer,
        labels=case.labels,
        autocast=autocast,
        prefer=case.preference,
    )


# --- each setting, with its reason ---


def recommend_learning_rate(case: Case, kind: str) -> tuple[float, str]:
    """The learning rate."""
    info = case.info
    if kind == "head":
        return HEAD_RATE, "Usual for a new layer on top of a model that stays as it is."
    adapts = kind != "full"
    power = next(
        (power for family, power in FAMILY_EXPONENTS.items() if info.model_type.startswith(family)),
        LLAMA_EXPONENT,
    )
    rate = 5e-5 * (2000 / max(64, info.hidden_size)) ** power * (10 if adapts else 1)
    size = format_large_number(info.parameters)
    reason = f"For a model of {size} weights; smaller models bear larger steps."
    if not info.writes and info.parameters > 5e7:
        rate = min(rate, ENCODER_RATES["adapter" if adapts else "full"])
    if not adapts:
        reason += " All weights move, so each moves ten times less than an adapter would."
    if case.goal == "prefer":
        rate *= PREFERENCE_FACTORS.get(case.preference, 1 / 20)
        reason += " Preferences want far smaller steps than text."
    return float(f"{rate:.1g}"), reason


def recommend_rank(case: Case) -> tuple[int, str]:
    """How large the adapter is."""
    if case.goal in LABELS:
        rank, reason = 8, "Choosing labels needs little room."
    elif case.goal == "prefer":
        rank, reason = 8, "Preferences teach little at a time, so a small adapter is enough."
    elif case.rows < 5_000:
        rank, reason = 16, f"Enough room for {case.rows:,} rows."
    elif case.rows < ROWS_FOR_FULL:
        rank, reason = 32, f"More room for {case.rows:,} rows."
    else:
        rank, reason = 64, f"Much room for {case.rows:,} rows."
    width = min((min(module.ins, module.outs) for module in case.info.adaptable), default=rank)
    if rank > width:
        return width, f"The narrowest part of this model is {width} wide."
    return rank, reason


def recommend_epochs(case: Case) -> tuple[float, str]:
    """How many passes: few rows need more of them."""
    passes = next(
        (
            passes
            for rows, passes in ((500, 6), (2_000, 4), (10_000, 3), (ROWS_FOR_FULL, 2))
            if case.rows < rows
        ),
        1,
    )
    if case.goal == "prefer":
        passes = max(1, passes // 2)
        return float(
            passes
        ), f"{case.rows:,} rows. Preferences are overlearned quickly, so half as many passes."
    few = "Few rows need more passes" if passes > 3 else "Enough rows for few passes"
    return float(passes), f"{case.rows:,} rows. {few}; the best version of all checks is kept."


def recommend_length(case: Case, method: MethodSpec) -> tuple[int, str]:
    """Tokens of the longest example: all of it where that fits, else nearly all rows whole."""
    if case.lengths is None:
        return case.max_length, "The rows have not been counted yet."
    context = case.info.context or 10**9
    wanted, reason = (
        case.lengths.longest,
        f"The longest row has {case.lengths.longest:,} tokens; nothing is cut.",
    )
    most = case.lengths.at(0.95)
    if wanted > 2 * most:
        wanted = most
        cut = case.lengths.longer(_round_up(wanted))
        reason = f"Nearly all rows are whole; {cut:,} of {case.lengths.rows:,} are cut. The longest would cost much."
    limit = largest_length(case, method, min(context, _round_up(wanted)))
    if limit < _round_up(wanted):
        cut = case.lengths.longer(limit)
        because = (
            "the model reads no more at once"
            if limit == context
            else "more does not fit into memory"
        )
        reason = f"{cut:,} of {case.lengths.rows:,} rows are cut: {because}."
    return limit, reason


def _round_up(length: int) -> int:
    """To a round number: sixteen at least, and a multiple of it."""
    return max(16, math.ceil(length / 16) * 16)


def largest_length(case: Case, method: MethodSpec, wanted: int) -> int:
    """The wanted length, or the largest one that fits with one example at a time."""
    if bytes_needed(case, method, 1, wanted, True) <= case.budget:
        return wanted
    low, high = 16, wanted
    while high - low > 16:
        middle = (low + high) // 32 * 16
        low, high = (
            (middle, high)
            if bytes_needed(case, method, 1, middle, True) <= case.budget
            else (low, middle)
        )
    return low


def _recommend_batch(case: Case, method: MethodSpec, length: int) -> list[tuple[str, Any, str]]:
    """Examples in memory together, batches added up, and whether things are computed again."""
    effective = 16 if case.rows >= 500 else 8 if case.rows >= 100 else 4
    if case.goal == "prefer":
        effective = min(effective, 8)
    found: list[tuple[str, Any, str]] = []
    optimizer: OptimizerName = "adamw"
    if (
        method.kind == "full"
        and case.machine.device == "cuda"
        and bytes_needed(case, method, 1, length, True) > case.budget
    ):
        optimizer = "adamw_8bit"
        found.append(
            (
                "optim.optimizer",
                optimizer,
                "Keeps less beside each weight, so that all weights fit.",
            )
        )
    again = False
    batch = largest_batch(case, method, length, effective, False, optimizer)
    if not batch:
        again, batch = True, max(1, largest_batch(case, method, length, effective, True, optimizer))
    steps = f"{effective} examples for each step"
    if batch == effective:
        found.append(("optim.batch_size", batch, f"{steps}: they fit into memory together."))
        found.append(("optim.accumulation", 1, "Nothing has to be added up."))
    else:
        found.append(
            (
                "optim.batch_size",
                batch,
                f"More of up to {length:,} tokens do not fit into memory together.",
            )
        )
        found.append(
            (
                "optim.accumulation",
                effective // batch,
                f"Added up to {steps}, as if they had fitted.",
            )
        )
    if again:
        found.append(("optim.checkpointing", "on", "It would not fit otherwise."))
    return found


def largest_batch(
    case: Case,
    method: MethodSpec,
    length: int,
    effective: int,
    checkpointing: bool,
    optimizer: OptimizerName = "adamw",
) -> int:
    """The largest part of the effective batch that fits; 0 where not even one example does."""
    batch = effective
    while (
        batch and bytes_needed(case, method, batch, length, checkpointing, optimizer) > case.budget
    ):
        batch //= 2
    return batch


def suggest_changes(case: Case, method: MethodSpec, length: int) -> list[str]:
    """What would make a run fit that does not, the least loss first; empty where nothing here does."""
    found = []
    if (
        method.adapts
        and method.bits != 4
        and bytes_needed(case, _in_4_bit(method), 1, length, True) <= case.budget
    ):
        found.append("the 4-bit method (QLoRA)")
    if method.kind == "full" and bytes_needed(case, MethodSpec(), 1, length, True) <= case.budget:
        found.append("LoRA instead of all weights")
    shorter = largest_length(case, method, length)
    if shorter < length and bytes_needed(case, method, 1, shorter, True) <= case.budget:
        found.append(f"examples of at most {shorter:,} tokens (Data tab)")
    return found


def _in_4_bit(method: MethodSpec) -> MethodSpec:
    return method.model_copy(update={"kind": "qlora", "init": "zero"})
