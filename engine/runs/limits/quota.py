"""A run within the limits of its owner: fewer epochs where they would take too many steps."""

from __future__ import annotations

import math
from collections.abc import Iterator

from engine.errors import RunError
from engine.estimate.duration import TimeRange
from engine.spec.limits import Limits
from engine.spec.run import RunSpec
from engine.store.run_dir import RunDir
from engine.store.workspace import Store

LONGEST_PROMPTS = 20_000  # characters of all questions that are asked during training


def shortened_spec(spec: RunSpec, rows: int, limits: Limits) -> RunSpec:
    """The settings with as many epochs as the limit of steps allows."""
    if not rows or spec.optim.steps(rows) <= limits.run_steps:
        return spec
    each = spec.optim.model_copy(update={"epochs": 1.0}).steps(rows)
    epochs = math.floor(limits.run_steps / each * 1e4) / 1e4
    return spec.model_copy(update={"optim": spec.optim.model_copy(update={"epochs": epochs})})


def limit_notes(
    asked: RunSpec, rows: int, seconds: TimeRange | None, limits: Limits
) -> Iterator[str]:
    """What the limits will do to a run, before it starts."""
    steps = asked.optim.steps(rows) if rows else 0
    if steps > limits.run_steps:
        epochs = shortened_spec(asked, rows, limits).optim.epochs
        yield (
            f"These settings ask for {steps:,} steps. {limits.who} trains up to "
            f"{limits.run_steps:.0f} steps a run, so it takes {epochs:.3g} instead of "
            f"{asked.optim.epochs:g} epochs."
        )
    if seconds and seconds.high > 60 * limits.run_minutes:
        yield (
            f"{limits.who} trains for up to {limits.run_minutes:g} minutes a run. If it takes "
            "longer, it stops then and keeps what it has learned."
        )


def require_run_place(store: Store) -> None:
    """Raise RunError where an owner has as many runs as he may have."""
    if len(list(store.all_runs())) >= store.limits.runs:
        raise RunError(
            f"You have {store.limits.runs:.0f} runs. {store.limits.who} keeps no more for each "
            "user. Delete some on the Runs tab first."
        )


def require_short_prompts(spec: RunSpec) -> None:
    """Raise RunError for more text to ask during training than anybody would read."""
    if sum(map(len, spec.sampling.prompts)) > LONGEST_PROMPTS:
        raise RunError(
            "Questions to ask during training (sampling.prompts): they have more than "
            f"{LONGEST_PROMPTS:,} characters together. Shorten them."
        )


def require_more_steps(run: RunDir, epochs: float, limits: Limits) -> None:
    """Raise RunError where a run of so many epochs in all would have too many steps."""
    began = run.view().started
    if began is None or math.isinf(limits.run_steps):
        return
    if epochs * began.steps / began.epochs > limits.run_steps + 1:
        raise RunError(
            f"{limits.who} trains up to {limits.run_steps:.0f} steps a run, and '{run.name}' has "
            f"had {began.steps}. Train on from its adapter in a new run."
        )


def require_time_left(run: RunDir, limits: Limits) -> None:
    """Raise RunError where a run has used up its minutes."""
    last = run.view().last
    if last and last.seconds >= 60 * limits.run_minutes:
        raise RunError(
            f"'{run.name}' has trained for {limits.run_minutes:g} minutes. {limits.who} trains no "
            "longer than that. Start a new run, or train on from its adapter."
        )
