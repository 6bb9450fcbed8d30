"""A planned run as the estimates see it: model, objective, data, machine; and its settings."""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.estimate.lengths import Lengths
from engine.hardware import Machine, resolve_precision
from engine.model.info import ModelInfo
from engine.spec.method import MethodSpec
from engine.spec.objective import ObjectiveKind
from engine.spec.run import PlaceSpec

OptimizerName = Literal["adamw", "adamw_8bit", "adafactor"]
USABLE_SHARE = 0.85  # of the free memory
DEFAULT_LENGTH = 256  # tokens


class Case(NamedTuple):
    """What settings are wanted for."""

    info: ModelInfo  # built for the objective's task
    goal: ObjectiveKind
    rows: int
    labels: int  # outputs of a classification head
    lengths: Lengths | None  # None before the rows were counted
    machine: Machine
    max_length: int = DEFAULT_LENGTH  # of the settings, until the rows were counted
    preference: str = ""  # dpo, orpo or kto

    @property
    def budget(self) -> float:
        """Bytes that a run may use."""
        return self.machine.free * USABLE_SHARE


class Setup(NamedTuple):
    """The settings that memory depends on."""

    method: MethodSpec
    length: int  # tokens of the longest example
    batch: int = 1
    checkpointing: bool = True
    optimizer: OptimizerName = "adamw"
    place: PlaceSpec = PlaceSpec()


class MemoryInputs(NamedTuple):
    """All that decides the memory of a run."""

    info: ModelInfo
    method: MethodSpec
    batch: int
    length: int  # tokens of the longest example
    precision: Literal["bf16", "fp32"]  # of weights that are not quantised
    device: Literal["cpu", "cuda"]
    checkpointing: bool = False
    optimizer: str = "adamw"
    labels: int = 2  # outputs of a classification head
    autocast: bool = False  # fp32 weights, computed with in bf16
    prefer: str = ""  # dpo, orpo or kto: better and worse answers are in memory together

    @property
    def weight_bytes(self) -> int:
        """Bytes of a weight that is not quantised."""
        return 2 if self.precision == "bf16" else 4

    @property
    def activation_bytes(self) -> int:
        """Bytes of a number that passes through the layers."""
        return 2 if self.autocast else self.weight_bytes

    @property
    def packed(self) -> bool:
        """Examples share a row without padding, and only target tokens have logits."""
        return self.info.task == "write" and not self.prefer

    @property
    def tokens(self) -> int:
        """Tokens in memory together."""
        return self.batch * self.length * (2 if self.prefer else 1)


def memory_inputs(case: Case, setup: Setup) -> MemoryInputs:
    """What the memory of this case depends on with these settings."""
    precision, autocast = resolve_precision(setup.place, setup.method, case.machine.capable)
    return MemoryInputs(
        info=case.info,
        method=setup.method,
        batch=setup.batch,
        length=setup.length,
        precision=precision,
        device=case.machine.device,
        checkpointing=setup.checkpointing,
        optimizer=setup.optimizer,
        labels=case.labels,
        autocast=autocast,
        prefer=case.preference,
    )


def case_of_model(info: ModelInfo, labels: int, machine: Machine) -> Case:
    """A case for a model alone, before there is any data."""
    goal: ObjectiveKind = "classify" if info.task == "classify" else "write"
    return Case(info, goal, 1, labels, None, machine)
