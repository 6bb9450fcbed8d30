"""How long a run would take, as a range: its arithmetic divided by the speed that this machine has shown.

The speed comes from earlier runs of the same model on this machine, or from a pass through two of its blocks
(engine.work.model.speed). Pure functions; the worker measures again before it starts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from statistics import median
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from engine.errors import HoneError
from engine.estimate.lengths import Lengths
from engine.model import parameters
from engine.model.info import ModelInfo
from engine.spec.method import MethodSpec
from engine.spec.run import RunSpec
from engine.store import events as ev
from engine.store.run_view import RunView

# What a step and a check take beside the model's own arithmetic (the optimizer, events, a checkpoint), and a pass in a
# run against the shortest of several alone. Found on eleven runs of the pocket model (benchmarks.times).
STEP_SECONDS, CHECK_SECONDS, RUN_SLOWDOWN = 0.02, 0.15, 1.1
# How far real runs may be from the middle of an estimate.
MEASURED_RANGE = (0.75, 1.5)
PAST_RANGE = (0.8, 1.3)
LEAST_CHECK_SHARE = (
    0.5  # of the longest check: the first one warms up, and replies end sooner as they get better
)
PAST_STEPS = 10  # that an earlier run must have taken to tell anything
HELD_OUT_PASSES = {
    "dpo": 4,
    "kto": 4,
    "orpo": 2,
}  # passes of a held-out row: two answers, by one or two models
SLOWDOWN = {"qlora": 1.2, "lora8": 1.6}  # than plain LoRA: weights are unpacked at each use


class MeasuredSpeed(BaseModel):
    """What the desk measured of a model on this machine."""

    model_config = ConfigDict(frozen=True)
    flops: float  # arithmetic a second while it learns
    flat: bool = (
        False  # without padding, and scores of learned tokens alone (engine.work.kernels.packing)
    )
    written: float  # seconds for one more token of the replies to all questions


class Workload(NamedTuple):
    """A run as far as its time depends on it."""

    info: ModelInfo
    spec: RunSpec
    rows: int
    held_out: int
    lengths: Lengths
    preference: str = ""  # dpo, orpo or kto
    labels: int = 2


class TimeRange(NamedTuple):
    """A range of time, and where it comes from."""

    low: float
    high: float
    source: Literal["past", "measured"]


class PastSpeed(NamedTuple):
    """What an earlier run showed."""

    flops: float  # a second, padding not counted
    check: float  # seconds of one check on held-out rows


def flops_per_token(
    info: ModelInfo,
    method: MethodSpec,
    length: float,
    labels: int = 2,
    checkpointing: bool = False,
    backward: bool = True,
    scored: float = 1.0,
) -> float:
    """Arithmetic for one token of a row of this length: two for each weight and pass, and attention over the row.

    ``scored``: the share of tokens that the output head is computed for.
    """
    body = sum(m.weights * _active_share(info, m.part) for m in info.modules)
    if info.task == "write":
        body += scored * info.vocab_size * info.hidden_size  # the output head, tied or not
    forward = 2 * body + 4 * length * info.hidden_size * info.layers
    if not backward or method.kind == "head":
        return forward
    counted = parameters.count_parameters(info, method, labels)
    weights = 2 * body if method.kind == "full" else 6 * counted.adapter + 2 * counted.saved
    total = 2 * forward + weights + (forward if checkpointing else 0)
    return total * SLOWDOWN.get(method.kind, 1.0)


def _active_share(info: ModelInfo, part: str) -> float:
    """The share of a part's weights that a token passes."""
    return (
        info.experts_active / info.experts
        if part == "experts" and info.experts and info.experts_active
        else 1.0
    )


def estimate_from_past(speed_of_run: PastSpeed, job: Workload, checkpointing: bool) -> TimeRange:
    """From what an earlier run of the same model showed."""
    mean = job.lengths.mean(job.spec.data.max_length)
    each = _passes_per_row(job) * flops_per_token(
        job.info, job.spec.method, mean, job.labels, checkpointing
    )
    training = job.spec.optim.epochs * job.rows * mean * each / speed_of_run.flops
    training += _step_overhead(job)
    return _time_range(
        training + limit_check_time(speed_of_run.check, _planned_checks(job), training),
        PAST_RANGE,
        "past",
    )


def estimate_from_measurement(
    pace: MeasuredSpeed, job: Workload, batch: int, checkpointing: bool
) -> TimeRange:
    """From a pass that the desk measured."""
    spec, limit = job.spec, job.spec.data.max_length
    mean, scored = job.lengths.mean(limit), job.lengths.learned if pace.flat else 1.0
    wide = mean if pace.flat else job.lengths.widest(batch, limit)
    token = partial(flops_per_token, job.info, spec.method, mean, job.labels, scored=scored)
    training = (
        spec.optim.epochs
        * job.rows
        * wide
        * _passes_per_row(job)
        * token(checkpointing)
        / pace.flops
        * RUN_SLOWDOWN
    )
    training += _step_overhead(job)
    held = (
        job.held_out
        * wide
        * HELD_OUT_PASSES.get(job.preference, 1)
        * token(backward=False)
        / pace.flops
    )
    check = held + LEAST_CHECK_SHARE * pace.written * spec.sampling.max_new_tokens + CHECK_SECONDS
    return _time_range(
        training + limit_check_time(check, _planned_checks(job), training),
        MEASURED_RANGE,
        "measured",
    )


def replace_check_time(told: ev.Estimated, each: float, count: int) -> ev.Estimated:
    """The time that a run foretold of training, and that of its checks, once one has shown what it takes."""
    low = told.seconds_low - LEAST_CHECK_SHARE * told.checks_seconds
    high = told.seconds_high - told.checks_seconds
    whole = limit_check_time(each, count, (low + high) / 2)
    longer = {"seconds_low": low + LEAST_CHECK_SHARE * whole, "seconds_high": high + whole}
    return told.model_copy(update=longer | {"checks_seconds": whole})


def count_checks(steps: int, every: int) -> int:
    """How many a run makes, with the one before the first step and the one after the last."""
    return 1 + math.ceil(steps / every)


def _time_range(
    total: float, bounds: tuple[float, float], source: Literal["past", "measured"]
) -> TimeRange:
    return TimeRange(total * bounds[0], total * bounds[1], source)


def _step_overhead(job: Workload) -> float:
    return job.spec.optim.steps(job.rows) * STEP_SECONDS


def _planned_checks(job: Workload) -> int:
    steps = job.spec.optim.steps(job.rows)
    return count_checks(steps, job.spec.sampling.every(steps))


def _passes_per_row(job: Workload) -> float:
    """How often a row goes through the model: preferences have two answers, and the base model is asked too."""
    return {"dpo": 3.0, "kto": 2.0, "orpo": 2.0}.get(job.preference, 1.0)


def speed_of_run(info: ModelInfo, spec: RunSpec, view: RunView) -> PastSpeed | None:
    """The speed of an earlier run; None where it has taken too few steps to tell."""
    began, last = view.started, view.last
    if (
        began is None
        or last is None
        or len(view.speeds) < PAST_STEPS
        or not began.rows
        or last.seconds <= 0
    ):
        return None
    speed, tokens = median(view.speeds), last.tokens / last.step
    if speed <= 0 or tokens <= 0:
        return None
    net = max(tokens / speed - STEP_SECONDS, 0.2 * tokens / speed)  # seconds of a step's arithmetic
    try:
        each = flops_per_token(
            info,
            spec.method,
            began.tokens / began.rows,
            checkpointing=_used_checkpointing(spec, view),
        )
    except HoneError:  # made for names that this reading of the model lacks
        return None
    aside = max(0.0, last.seconds - last.tokens / speed)
    return PastSpeed(tokens * each / net, aside / max(1, len(view.checks)))


def _used_checkpointing(spec: RunSpec, view: RunView) -> bool:
    return view.fit.checkpointing if view.fit else spec.optim.checkpointing == "on"


def median_speed(found: Iterable[PastSpeed]) -> PastSpeed | None:
    """The middle of what several runs showed."""
    runs = list(found)
    return (
        PastSpeed(median(run.flops for run in runs), median(run.check for run in runs))
        if runs
        else None
    )


CHECKS_SHARE = 0.1  # of the time of training that checks may take


FREE_CHECK_SECONDS = 30.0  # that they may take in any case: in a short run nobody waits long


def limit_check_time(each: float, count: int, training: float) -> float:
    """Seconds that checks would take: all of them, or as many as begin within their share (engine.work.train.callback)."""
    return min(count * each, max(FREE_CHECK_SECONDS, CHECKS_SHARE * training) + 2 * each)
