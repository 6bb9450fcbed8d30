"""What a run with these settings would need, before it starts: weights, memory, disk, and how it would step down."""

from __future__ import annotations

from typing import NamedTuple

from engine.estimate import memory, recommend
from engine.estimate.recommend import Case
from engine.model import parameters
from engine.model.parameters import ParameterCount
from engine.spec.batch import FEWER, Fit, down, first
from engine.spec.run import RunSpec

CHECKPOINTS_ON_DISK = (
    3  # checkpoints that are on the disk at once: two, and one that is being written
)


class Forecast(NamedTuple):
    """What is foretold."""

    counted: ParameterCount
    steps: int
    length: int  # tokens of the longest example
    needs: float  # bytes of memory, laid out as the settings say
    fit: Fit | None  # the first layout that fits into what is free; None where none does
    fit_needs: float  # bytes, in that layout or in the smallest one
    disk: float  # bytes that it writes
    helps: tuple[str, ...]  # what would make it fit
    effect: str  # of stepping down on what is learned


def forecast_run(case: Case, spec: RunSpec) -> Forecast:
    """The forecast; raises SpecError or ModelError where the method does not fit the model."""
    case.info.check_length(spec.data.max_length)
    counted = parameters.count_parameters(case.info, spec.method, case.labels)
    length = min(
        spec.data.max_length, case.lengths.longest if case.lengths else spec.data.max_length
    )
    fit: Fit | None = first(spec.optim)
    kto = case.preference == "kto"
    asked = smallest = _layout_bytes(case, spec, first(spec.optim), length)
    while (
        fit is not None and (smallest := _layout_bytes(case, spec, fit, length)) > case.machine.free
    ):
        fit = down(fit, spec.optim, 2 if kto else 1)
    return Forecast(
        counted=counted,
        steps=spec.optim.steps(case.rows),
        length=length,
        needs=asked,
        fit=fit,
        fit_needs=smallest,
        disk=bytes_written(counted, spec),
        helps=() if fit else tuple(recommend.suggest_changes(case, spec.method, length)),
        effect=FEWER
        if kto and fit and fit.batch < spec.optim.batch_size
        else "It learns the same, more slowly.",
    )


def _layout_bytes(case: Case, spec: RunSpec, fit: Fit, length: int) -> float:
    return recommend.bytes_needed(
        case, spec.method, fit.batch, length, fit.checkpointing, spec.optim.optimizer, spec.place
    )


def bytes_written(counted: ParameterCount, spec: RunSpec) -> float:
    """Bytes of the checkpoints that are there at once, and of the result."""
    return float(
        counted.trainable
        * (CHECKPOINTS_ON_DISK * (4 + memory.OPTIMIZER_BYTES[spec.optim.optimizer]) + 4)
    )
