"""What the limits of an owner do to a run: fewer epochs, an end in time, or a refusal."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import LOG, HoneError, RunError
from engine.estimate.duration import TimeRange
from engine.runs.ending import end_now
from engine.spec.limits import UNLIMITED, Limits
from engine.spec.run import RunSpec
from engine.store import events as ev
from engine.store.files import write_whole
from engine.store.run_dir import RunDir
from engine.store.workspace import Store

LONGEST_PROMPTS = 20_000  # characters of all questions that are asked during training
GRACE_SECONDS = 60.0  # for a worker to save what it has, once it is asked to stop
LEAST_SECONDS = 5.0  # of a run that is continued with next to nothing left


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


@contextmanager
def limited_time(run: RunDir, job: str, limits: Limits) -> Iterator[None]:
    """A block in which a job is at work, and after whose minutes it is ended."""
    over = threading.Event()
    if limits.run_minutes < UNLIMITED:
        threading.Thread(target=_end_in_time, args=(run, job, limits, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _end_in_time(run: RunDir, job: str, limits: Limits, over: threading.Event) -> None:
    try:
        last, seconds = run.view().last, 60 * limits.run_minutes
        if job == "train" and last:
            seconds -= last.seconds
        if over.wait(max(LEAST_SECONDS, seconds)):
            return
        if job == "train":
            run.emit(ev.Warned(text=describe_time_limit(limits)))
            if not run.end_request:
                write_whole(run.stop_mark, "keep")
            if over.wait(GRACE_SECONDS):
                return
        end_now(run, "limit")
    except (HoneError, OSError):  # it has just ended, or its folder is gone
        LOG.info("a job ended as its time was up", exc_info=True)


def describe_time_limit(limits: Limits) -> str:
    return (
        f"It was stopped after {limits.run_minutes:g} minutes. {limits.who} allows no more for one "
        "run. What it had saved by then is kept."
    )
