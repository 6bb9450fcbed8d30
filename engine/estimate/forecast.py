"""What a run would need: weights, memory, disk; and how it would step down to fit."""

from __future__ import annotations

from typing import NamedTuple

from engine.estimate.case import Case, Setup
from engine.estimate.memory import OPTIMIZER_BYTES, bytes_needed
from engine.estimate.methods import suggest_changes
from engine.model.parameters import ParameterCount, count_parameters
from engine.spec.batch import KTO_COMPARES_FEWER, BatchLayout, initial_layout, smaller_layout
from engine.spec.run import RunSpec

CHECKPOINTS_ON_DISK = 3  # at once: two, and one that is being written
SAME_RESULT = "It learns the same, more slowly."


class Forecast(NamedTuple):
    """What a run would need."""

    counted: ParameterCount
    steps: int
    length: int  # tokens of the longest example
    needs: float  # bytes of memory in the layout that the settings ask for
    fit: BatchLayout | None  # the first layout that fits into what is free; None where none does
    fit_needs: float  # bytes, in that layout or in the smallest one
    disk: float  # bytes of the checkpoints that are there at once, and of the result
    helps: tuple[str, ...]  # what would make it fit
    effect: str  # of stepping down on what is learned


def forecast_run(case: Case, spec: RunSpec) -> Forecast:
    """The forecast; raises SpecError or ModelError where the method does not fit the model."""
    case.info.check_length(spec.data.max_length)
    counted = count_parameters(case.info, spec.method, case.labels)
    length = spec.data.max_length
    if case.lengths:
        length = min(length, case.lengths.longest)
    checkpoint = 4 + OPTIMIZER_BYTES[spec.optim.optimizer]
    kto = case.preference == "kto"
    fit: BatchLayout | None = initial_layout(spec.optim)
    asked = smallest = _layout_bytes(case, spec, initial_layout(spec.optim), length)
    while fit is not None and smallest > case.machine.free:
        fit = smaller_layout(fit, spec.optim, 2 if kto else 1)
        if fit is not None:
            smallest = _layout_bytes(case, spec, fit, length)
    fewer = kto and fit is not None and fit.batch < spec.optim.batch_size
    return Forecast(
        counted=counted,
        steps=spec.optim.steps(case.rows),
        length=length,
        needs=asked,
        fit=fit,
        fit_needs=smallest,
        disk=float(counted.trainable * (CHECKPOINTS_ON_DISK * checkpoint + 4)),
        helps=() if fit else tuple(suggest_changes(case, spec.method, length)),
        effect=KTO_COMPARES_FEWER if fewer else SAME_RESULT,
    )


def _layout_bytes(case: Case, spec: RunSpec, fit: BatchLayout, length: int) -> float:
    optimizer, place = spec.optim.optimizer, spec.place
    setup = Setup(spec.method, length, fit.batch, fit.checkpointing, optimizer, place)
    return bytes_needed(case, setup)
