"""The settings that suit a model, data and machine, each with its reason.

Where the figures come from:

- Learning rate: 5e-5 x (2000 / width)^p, ten times that for adapters. "LoRA Without Regret"
  (Schulman et al., Thinking Machines, 2025) and its published rule (tinker-cookbook,
  hyperparam_utils: p = 0.781 for Llama, 0.0775 for Qwen). It agrees with the QLoRA paper
  (arXiv:2305.14314, table 9: 2e-4 for 7B and 13B, 1e-4 for 33B and 65B), with the LoRA paper
  (arXiv:2106.09685, tables 9 to 12: 4e-4 for RoBERTa base, 2e-4 for GPT-2 and GPT-3) and with what
  Hone's pocket model of 4 M weights took best (1.5e-3 to 3e-3). Encoders are capped at what BERT's
  and LoRA's papers found (5e-5 and 5e-4).
- Preferences: TRL's own defaults differ from those for text by 1e-6 : 2e-5 (DPOConfig, KTOConfig,
  SFTConfig); ORPO also learns the better answer, and its paper (arXiv:2403.07691) takes 8e-6.
- Where the adapter goes: all linear layers ("LoRA Without Regret"; QLoRA, figure 2).
- Rank: 8 for labels (LoRA paper), 16 for up to some thousand rows, more for more ("LoRA Without
  Regret": an adapter learns as well as all weights for as long as it has capacity for the data).
- Effective batch: 16 (QLoRA, table 9); less for few rows, since LoRA bears large batches badly
  (the same post).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from engine.estimate import methods
from engine.estimate.case import Case, OptimizerName, Setup, memory_inputs
from engine.estimate.memory import fits_budget, largest_batch
from engine.estimate.methods import LEAST_LENGTH, ROWS_FOR_FULL
from engine.model.info import ModelInfo
from engine.spec import presets
from engine.spec.method import MethodKind, MethodSpec
from engine.spec.objective import LABEL_OBJECTIVES
from engine.spec.run import RunSpec, make_spec
from engine.text import format_large_number

QWEN_EXPONENT, LLAMA_EXPONENT = 0.0775, 0.781  # of the learning rate's rule; Llama's for others
PREFERENCE_FACTORS = {"dpo": 1 / 20, "kto": 1 / 20, "orpo": 8 / 20}
ENCODER_RATE = 5e-5  # at most; ten times that for adapters
ENCODER_PARAMETERS = 5e7  # from which encoders are capped
HEAD_RATE = 1e-3
# Fewer rows than this: epochs.
EPOCHS = ((500, 6), (2_000, 4), (10_000, 3), (ROWS_FOR_FULL, 2))
BATCHES = ((500, 16), (100, 8), (0, 4))  # rows at least: effective batch
Setting = tuple[str, Any, str]  # path, value, reason


class Recommendation(NamedTuple):
    """Values by the path of their setting, and the reason for each."""

    values: dict[str, Any]
    reasons: dict[str, str]
    options: tuple[methods.MethodOption, ...]
    words: str  # why this method, in a sentence or two

    @property
    def kind(self) -> MethodKind:
        return next(option.kind for option in self.options if option.recommended)


def recommend_settings(case: Case, kind: MethodKind | None = None) -> Recommendation:
    """Settings for this case, with the method that the user chose or the recommended one."""
    options = methods.method_options(case)
    best = next(option for option in options if option.recommended)
    words = methods.explain_method(case, best)
    method = MethodSpec(kind=kind or best.kind)
    found: list[Setting] = [("method.kind", method.kind, words)]
    if method.adapts:
        rank, reason = recommend_rank(case)
        found.append(("method.rank", rank, reason))
        method = method.model_copy(update={"rank": rank})
    length, reason = recommend_length(case, method)
    found.append(("data.max_length", length, reason))
    found += recommend_batch(case, method, length)
    found.append(("optim.learning_rate", *recommend_learning_rate(case, method.kind)))
    found.append(("optim.epochs", *recommend_epochs(case)))
    values = {path: value for path, value, _ in found}
    reasons = {path: reason for path, _, reason in found}
    return Recommendation(values, reasons, options, words)


def tried_settings(spec: RunSpec) -> RunSpec | None:
    """What was tried out for this sample with the pocket model and this goal."""
    values = presets.sample_values(spec.data.source)
    if not values or spec.model.source != "pocket":
        return None
    tried = make_spec(values)
    return tried if tried.data.goal == spec.data.goal else None


def rate_for(spec: RunSpec, info: ModelInfo, preference: str = "") -> float:
    """The learning rate that is advised for a run: what was tried out, else by the rule."""
    tried = tried_settings(spec)
    if tried and tried.method.kind == spec.method.kind:
        return tried.optim.learning_rate
    return advised_rate(info, spec.method.kind, preference)[0]


def recommend_learning_rate(case: Case, kind: str) -> tuple[float, str]:
    """The learning rate for a method, and why."""
    preference = (case.preference or "dpo") if case.goal == "prefer" else ""
    return advised_rate(case.info, kind, preference)


def advised_rate(info: ModelInfo, kind: str, preference: str = "") -> tuple[float, str]:
    """The learning rate for a model and a method; ``preference``: how preferences are learned."""
    if kind == "head":
        return HEAD_RATE, "Usual for a new layer on top of a model that stays as it is."
    full = kind == "full"
    scale = 1 if full else 10
    exponent = QWEN_EXPONENT if info.model_type.startswith("qwen") else LLAMA_EXPONENT
    rate = 5e-5 * (2000 / max(64, info.hidden_size)) ** exponent * scale
    size = format_large_number(info.parameters)
    reason = f"For a model of {size} weights; smaller models bear larger steps."
    if not info.writes and info.parameters > ENCODER_PARAMETERS:
        rate = min(rate, scale * ENCODER_RATE)
    if full:
        reason += " All weights train, so each moves ten times less than an adapter would."
    if preference:
        rate *= PREFERENCE_FACTORS[preference]
        reason += " Preferences need far smaller steps than text."
    return float(f"{rate:.1g}"), reason


def recommend_rank(case: Case) -> tuple[int, str]:
    rank, reason = _rank_for_rows(case)
    width = min((min(module.ins, module.outs) for module in case.info.adaptable), default=rank)
    if rank > width:
        return width, f"The narrowest part of this model is {width} wide."
    return rank, reason


def _rank_for_rows(case: Case) -> tuple[int, str]:
    if case.goal in LABEL_OBJECTIVES:
        return 8, "Choosing labels needs little capacity."
    if case.goal == "prefer":
        return 8, "Preferences teach little at a time, so a small adapter is enough."
    if case.rows < 5_000:
        return 16, f"Enough capacity for {case.rows:,} rows."
    if case.rows < ROWS_FOR_FULL:
        return 32, f"More capacity for {case.rows:,} rows."
    return 64, f"Much capacity for {case.rows:,} rows."


def recommend_epochs(case: Case) -> tuple[float, str]:
    """How many epochs: few rows need more of them."""
    epochs = next((epochs for rows, epochs in EPOCHS if case.rows < rows), 1)
    if case.goal == "prefer":
        reason = "Preferences overfit quickly, so half as many passes."
        return float(max(1, epochs // 2)), f"{case.rows:,} rows. {reason}"
    few = "Few rows need more passes" if epochs > 3 else "Enough rows for few passes"
    return float(epochs), f"{case.rows:,} rows. {few}; the best version of all checks is kept."


def recommend_length(case: Case, method: MethodSpec) -> tuple[int, str]:
    """Tokens of the longest example: all of it where that fits, else nearly all rows uncut."""
    lengths = case.lengths
    if lengths is None:
        return case.max_length, "The rows have not been counted yet."
    longest, most = lengths.longest, lengths.quantile(0.95)
    has_outliers = longest > 2 * most
    multiple = math.ceil((most if has_outliers else longest) / LEAST_LENGTH)
    wanted = LEAST_LENGTH * max(1, multiple)
    reason = f"The longest row has {longest:,} tokens; nothing is cut."
    if has_outliers:
        cut = lengths.rows_longer_than(wanted)
        reason = (
            f"Nearly all rows are whole; {cut:,} of {lengths.rows:,} are cut. "
            "The longest would cost much."
        )
    context = case.info.context or 10**9
    limit = methods.length_that_fits(case, method, min(context, wanted))
    if limit < wanted:
        cut = lengths.rows_longer_than(limit)
        because = "more does not fit into memory"
        if limit == context:
            because = "the model reads no more at once"
        reason = f"{cut:,} of {lengths.rows:,} rows are cut: {because}."
    return limit, reason


def recommend_batch(case: Case, method: MethodSpec, length: int) -> list[Setting]:
    """Batch size, accumulation, checkpointing, and the optimizer where AdamW does not fit."""
    effective = next(batch for rows, batch in BATCHES if case.rows >= rows)
    if case.goal == "prefer":
        effective = min(effective, 8)
    found: list[Setting] = []
    setup = Setup(method, length)
    on_card = case.machine.device == "cuda"
    if method.kind == "full" and on_card and not fits_budget(case, setup):
        optimizer: OptimizerName = "adamw_8bit"
        setup = setup._replace(optimizer=optimizer)
        reason = "Keeps less beside each weight, so that all weights fit."
        found.append(("optim.optimizer", optimizer, reason))
    batch = _batch_that_fits(case, setup._replace(checkpointing=False), effective)
    checkpointing = not batch
    if checkpointing:
        batch = max(1, _batch_that_fits(case, setup, effective))
    steps = f"{effective} examples for each step"
    if batch == effective:
        found.append(("optim.batch_size", batch, f"{steps}: they fit into memory together."))
        found.append(("optim.accumulation", 1, "No accumulation is needed."))
    else:
        reason = f"More of up to {length:,} tokens do not fit into memory together."
        found.append(("optim.batch_size", batch, reason))
        reason = f"Accumulated to {steps}, as if they had fitted."
        found.append(("optim.accumulation", effective // batch, reason))
    if checkpointing:
        found.append(("optim.checkpointing", "on", "It would not fit otherwise."))
    return found


def _batch_that_fits(case: Case, setup: Setup, effective: int) -> int:
    """The effective batch, halved until it fits; 0 where not one example does."""
    most = largest_batch(memory_inputs(case, setup), case.budget, effective)
    batch = effective
    while batch > most:
        batch //= 2
    return batch
