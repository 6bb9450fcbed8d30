"""How long a run would take, as a range: its arithmetic divided by this machine's speed.

The speed comes from earlier runs of the same model on this machine, or from a pass through two of
its blocks (engine.work.model.speed). Pure functions; the worker measures again before it starts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Literal, NamedTuple

from pydantic import BaseModel

from engine.errors import HoneError
from engine.estimate.lengths import Lengths
from engine.model.info import ModelInfo
from engine.model.parameters import count_parameters
from engine.spec.method import MethodSpec
from engine.spec.run import RunSpec, early_checks
from engine.store import events as ev
from engine.store.run_view import RunView

# What a step and a check take beside the model's own arithmetic (the optimizer, events, a
# checkpoint), and a pass in a run against the shortest of several alone. Found on eleven runs of
# the pocket model (benchmarks.times).
STEP_SECONDS, CHECK_SECONDS, RUN_SLOWDOWN = 0.02, 0.15, 1.1
# How far real runs may be from the middle of an estimate.
MEASURED_RANGE, PAST_RANGE = (0.75, 1.5), (0.8, 1.3)
# What later checks take at least, of the first one, which warms up; replies also end sooner as
# they get better.
LEAST_CHECK_SHARE = 0.5
# Checks are left out beyond this share of the training time, but not the first seconds: a short
# run is not in a hurry.
CHECKS_SHARE, FREE_CHECK_SECONDS = 0.1, 30.0
PAST_STEPS = 10  # steps from which an earlier run's speed counts
# Passes through the model: of a training row (DPO asks the base model for both answers, too), of a
# held-out row.
TRAINING_PASSES = {"dpo": 3.0, "kto": 2.0, "orpo": 2.0}
HELD_OUT_PASSES = {"dpo": 4, "kto": 4, "orpo": 2}
SLOWDOWN = {"qlora": 1.2, "lora8": 1.6}  # against plain LoRA: weights are dequantised at each use
SpeedSource = Literal["past", "measured"]


class BatchShape(NamedTuple):
    """The batch with which the speed is measured."""

    batch: int
    length: int  # tokens
    packed: bool  # without padding, where the model allows it


class MeasuredSpeed(BaseModel, frozen=True):
    """What the desk measured of a model on this machine."""

    flops: float  # a second of training
    packed: bool = False  # whether it trains without padding (engine.work.kernels.packing)
    token_seconds: float  # for one more token of the replies to all sample prompts


class PastSpeed(NamedTuple):
    """What an earlier run showed."""

    flops: float  # a second of training, padding not counted
    check_seconds: float  # of one check on held-out rows


class Workload(NamedTuple):
    """A run as far as its time depends on it."""

    info: ModelInfo
    spec: RunSpec
    rows: int
    held_out: int
    lengths: Lengths
    preference: str = ""  # dpo, orpo or kto
    labels: int = 2

    @property
    def steps(self) -> int:
        return self.spec.optim.steps(self.rows)

    @property
    def mean_length(self) -> float:
        """Mean tokens of a row, cut as the settings say."""
        return self.lengths.mean(self.spec.data.max_length)

    @property
    def checks(self) -> int:
        return count_checks(self.steps, self.spec.sampling.steps_between_checks(self.steps))


class TimeRange(NamedTuple):
    """A range of seconds, and where it comes from."""

    low: float
    high: float
    source: SpeedSource


class Pass(NamedTuple):
    """A pass through the model."""

    checkpointing: bool = False
    backward: bool = True
    scored: float = 1.0  # share of the tokens that the output head is computed for


ONE_PASS = Pass()


def flops_per_token(
    info: ModelInfo, method: MethodSpec, length: float, labels: int = 2, how: Pass = ONE_PASS
) -> float:
    """Arithmetic for a token of a row of this length: two per weight and pass, and attention."""
    body: float = sum(module.weights for module in info.modules)
    if info.experts and info.experts_active:  # a token passes some of them
        weights = sum(module.weights for module in info.modules if module.part == "experts")
        body -= weights * (1 - info.experts_active / info.experts)
    if info.task == "write":
        body += how.scored * info.vocab_size * info.hidden_size  # the output head, tied or not
    forward = 2 * body + 4 * length * info.hidden_size * info.layers
    if not how.backward or method.kind == "head":
        return forward
    counted = count_parameters(info, method, labels)
    total = (3 if how.checkpointing else 2) * forward
    total += 2 * body if method.kind == "full" else 6 * counted.adapter + 2 * counted.saved
    return total * SLOWDOWN.get(method.kind, 1.0)


def estimate_from_past(speed: PastSpeed, job: Workload, checkpointing: bool) -> TimeRange:
    """The time of a run from the speed of an earlier run of the same model."""
    mean, how = job.mean_length, Pass(checkpointing)
    each = _training_passes(job) * flops_per_token(job.info, job.spec.method, mean, job.labels, how)
    training = job.spec.optim.epochs * job.rows * mean * each / speed.flops
    return _time_range(job, training, speed.check_seconds, "past")


def estimate_from_measurement(
    speed: MeasuredSpeed, job: Workload, batch: int, checkpointing: bool
) -> TimeRange:
    """The time of a run from a pass that the desk measured."""
    spec, mean, scored = job.spec, job.mean_length, 1.0
    padded = job.lengths.mean_padded(batch, spec.data.max_length)
    if speed.packed:
        padded, scored = mean, job.lengths.target_share

    def seconds_per_row(how: Pass) -> float:
        flops = flops_per_token(job.info, spec.method, mean, job.labels, how)
        return padded * flops / speed.flops

    passes = spec.optim.epochs * job.rows * _training_passes(job)
    training = RUN_SLOWDOWN * passes * seconds_per_row(Pass(checkpointing, scored=scored))
    passes = job.held_out * HELD_OUT_PASSES.get(job.preference, 1)
    check = passes * seconds_per_row(Pass(backward=False, scored=scored)) + CHECK_SECONDS
    check += LEAST_CHECK_SHARE * speed.token_seconds * spec.sampling.max_new_tokens
    return _time_range(job, training, check, "measured")


def _training_passes(job: Workload) -> float:
    return TRAINING_PASSES.get(job.preference, 1.0)


def _time_range(job: Workload, training: float, check: float, source: SpeedSource) -> TimeRange:
    """The range around the seconds of all steps and checks."""
    training += job.steps * STEP_SECONDS
    total = training + limit_check_time(check, job.checks, training)
    low, high = PAST_RANGE if source == "past" else MEASURED_RANGE
    return TimeRange(total * low, total * high, source)


def replace_check_time(estimated: ev.Estimated, each: float, count: int) -> ev.Estimated:
    """A run's estimate with new check times, once the first check has shown what it takes."""
    low = estimated.seconds_low - LEAST_CHECK_SHARE * estimated.checks_seconds
    high = estimated.seconds_high - estimated.checks_seconds
    checks = limit_check_time(each, count, (low + high) / 2)
    update = {
        "seconds_low": low + LEAST_CHECK_SHARE * checks,
        "seconds_high": high + checks,
        "checks_seconds": checks,
    }
    return estimated.model_copy(update=update)


def count_checks(steps: int, every: int) -> int:
    """Checks of a run, with the one before the first step and the one after the last."""
    return 1 + len(early_checks(every)) + math.ceil(steps / every)


def limit_check_time(each: float, count: int, training: float) -> float:
    """Seconds of all checks, or of as many as begin within their share of the time."""
    return min(count * each, max(FREE_CHECK_SECONDS, CHECKS_SHARE * training) + 2 * each)


def speed_of_run(info: ModelInfo, spec: RunSpec, view: RunView) -> PastSpeed | None:
    """The speed of an earlier run; None where it has taken too few steps."""
    began, last = view.started, view.last
    if began is None or last is None or not began.rows or last.seconds <= 0:
        return None
    if len(view.speeds) < PAST_STEPS:
        return None
    speed, tokens = median(view.speeds), last.tokens / last.step
    if speed <= 0 or tokens <= 0:
        return None
    step = max(tokens / speed - STEP_SECONDS, 0.2 * tokens / speed)  # seconds of its arithmetic
    how = Pass(view.layout.checkpointing if view.layout else spec.optim.checkpointing == "on")
    try:
        each = flops_per_token(info, spec.method, began.tokens / began.rows, how=how)
    except HoneError:  # its settings name modules that this reading of the model lacks
        return None
    checks = max(0.0, last.seconds - last.tokens / speed)
    return PastSpeed(tokens * each / step, checks / max(1, len(view.checks)))


def median_speed(runs: Sequence[PastSpeed]) -> PastSpeed | None:
    """The median of what several runs showed; None without any."""
    if not runs:
        return None
    return PastSpeed(median(run.flops for run in runs), median(run.check_seconds for run in runs))
