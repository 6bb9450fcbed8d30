"""What a base model consists of: linear layers, parts, limits, groups of target modules.

Read from its config alone: ``engine.work.model.describe`` fills it in on the meta device. Nothing
here loads weights or imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from pydantic import BaseModel

from engine.errors import ModelError, SpecError
from engine.spec.objective import Task
from engine.spec.presets import PRESETS_FOLDER, read_yaml

ALL_LINEAR = "all-linear"


class LinearModule(BaseModel, frozen=True):
    """The linear layers that share a path, for example ``model.layers.*.self_attn.q_proj``."""

    name: str  # the last part of its path, which a spec's targets name
    path: str  # with * for the number of the block
    ins: int
    outs: int
    layers: tuple[int, ...]  # the blocks that have it; -1 where it stands outside of all blocks
    part: str = "other"  # attention, mlp, experts or other
    bias: bool = False
    transposed: bool = False  # weights of shape inputs x outputs, as in GPT-2 (Conv1D)
    each: int = 1  # of them in a block: experts that are layers of their own
    refused: str = ""  # why it cannot get an adapter

    @property
    def count(self) -> int:
        return len(self.layers) * self.each

    @property
    def weights(self) -> int:
        """Weights of all of them, without biases."""
        return self.count * self.ins * self.outs

    def lora_parameters(self, rank: int) -> int:
        """A: rank x in, B: out x rank, for each layer."""
        return self.count * rank * (self.ins + self.outs)


class ModelInfo(BaseModel, frozen=True):
    """What a base model is, read from its config on the meta device, built for one task."""

    source: str
    name: str
    model_type: str
    task: Task = "write"
    tasks: tuple[Task, ...] = ("write",)  # what it can be built for
    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    vocab_size: int
    context: int  # tokens; 0 for any number
    parameters: int  # tied ones once; for classification without the head, which is new
    dtype: str  # as stored
    megabytes: float  # of weights on disk; 0 where they are not here
    has_template: bool
    modules: tuple[LinearModule, ...]
    groups: dict[str, tuple[str, ...]]  # fewest, attention, all -> module names
    group_reason: str = ""  # why a group fell back to all linear layers
    parts: dict[str, int] = {}  # parameters by part; their sum is ``parameters``
    frozen: int = 0  # of ``parameters``, those that no method trains, such as fixed positions
    biases: int = 0  # of ``parameters``, those that are biases
    saveable: dict[str, int] = {}  # modules that can be trained whole -> parameters
    blocks: str = ""  # name of the list of blocks
    tied: bool = False  # input embeddings and output head are one matrix
    attention_dropout: float = 0.0  # above 0, attention needs slower kernels
    experts: int = 0  # in a block; 0 for models without
    experts_active: int = 0  # of them, those that a token passes
    head: tuple[str, ...] = ()  # the modules of a classification head
    head_fixed: int = 0  # parameters of that head, whatever the labels
    head_per_label: int = 0  # parameters of that head that each label adds

    @property
    def adaptable(self) -> list[LinearModule]:
        """The linear layers that can get an adapter."""
        return [module for module in self.modules if not module.refused]

    @property
    def transposed(self) -> bool:
        """Whether its linear layers have weights of shape inputs x outputs."""
        return any(module.transposed for module in self.modules)

    @property
    def writes(self) -> bool:
        """Whether it can generate text."""
        return "write" in self.tasks

    def head_parameters(self, labels: int) -> int:
        """Parameters of the classification head; none for a model that writes."""
        return self.head_fixed + self.head_per_label * labels if self.task == "classify" else 0

    def resolve_targets(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """The module names that a spec's targets mean; raises ModelError for unknown names."""
        names = list(dict.fromkeys(module.name for module in self.adaptable))
        if tuple(wanted) == (ALL_LINEAR,):
            return tuple(names)
        for module in self.modules:
            if module.refused and module.name in wanted:
                raise ModelError(
                    f"{module.name} in {self.name} cannot get an adapter: {module.refused}. "
                    "Leave it out."
                )
        if missing := [name for name in wanted if name not in names]:
            raise ModelError(
                f"{self.name} has no module called {', '.join(missing)}. It has: "
                f"{', '.join(names)}. Choose the target modules again on the Train tab."
            )
        return tuple(wanted)

    def target_modules(
        self, wanted: Sequence[str], layers: Iterable[int] | None = None
    ) -> list[LinearModule]:
        """The modules of these targets; with ``layers`` only where they are in those blocks."""
        names = self.resolve_targets(wanted)
        found = [module for module in self.modules if module.name in names and module.layers]
        if layers is None:
            return found
        blocks = set(layers)
        cut = [
            module.model_copy(update={"layers": tuple(n for n in module.layers if n in blocks)})
            for module in found
        ]
        return [module for module in cut if module.layers]

    def check_length(self, max_length: int) -> None:
        """Raise SpecError for examples that are longer than the model can read."""
        if 0 < self.context < max_length:
            raise SpecError(
                f"Longest example (data.max_length): {self.name} reads at most {self.context} "
                "tokens at once; "
                f"it is {max_length}. Set it to {self.context} or less on the Data tab."
            )


@cache
def _load_architectures() -> dict[str, dict[str, list[str]]]:
    return read_yaml(PRESETS_FOLDER / "architectures.yaml")


def target_groups(
    model_type: str, modules: Iterable[LinearModule]
) -> tuple[dict[str, tuple[str, ...]], str]:
    """The groups fewest, attention and all; and, where they are all the same, the reason."""
    fit = [module for module in modules if not module.refused]
    every = tuple(dict.fromkeys(module.name for module in fit))
    inside = {module.name for module in fit if module.part == "attention"}
    wanted = _load_architectures().get(model_type) or _load_architectures()["default"]
    groups = {
        name: tuple(n for n in every if n in wanted[name] and n in inside)
        for name in ("fewest", "attention")
    }
    if groups["fewest"]:
        return groups | {"all": every}, ""
    reason = (
        f"Hone does not know the attention layers of this architecture ({model_type}): none has a "
        "usual name (q_proj, query, query_key_value and the like). Every group therefore means all "
        "linear layers."
    )
    return dict.fromkeys(("fewest", "attention", "all"), every), reason
