"""What a base model consists of: its linear layers, its parts, its limits. Read from its config alone.

``engine.work.model.describe`` fills it in on the meta device; nothing here loads weights or imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from engine.errors import ModelError, SpecError
from engine.spec.objective import Task

ALL_LINEAR = "all-linear"


class LinearModule(BaseModel):
    """The linear layers of one place, for example ``model.layers.*.self_attn.q_proj``."""

    model_config = ConfigDict(frozen=True)
    name: str  # the last part of its path, which a spec's targets name
    path: str  # with * for the number of the block
    ins: int
    outs: int
    layers: tuple[int, ...]  # the blocks that have it; -1 where it stands outside of all blocks
    part: str = "other"  # attention, mlp or other
    bias: bool = False
    transposed: bool = False  # kept as inputs x outputs, as GPT-2 does (Conv1D)
    each: int = 1  # of them in a block: experts that are layers of their own
    refused: str = ""  # why no adapter can stand beside it

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


class ModelInfo(BaseModel):
    """What a base model is, read from its config on the meta device, built for one task."""

    model_config = ConfigDict(frozen=True)
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
    context: int
    parameters: int  # tied ones once; for classification without the head, which is new
    dtype: str  # as stored
    megabytes: float  # of weights on disk; 0 where they are not here
    has_template: bool
    modules: tuple[LinearModule, ...]
    groups: dict[str, tuple[str, ...]]  # fewest, attention, all -> module names
    group_reason: str = ""  # why a group fell back to all linear layers
    parts: dict[str, int] = {}  # parameters by part; their sum is ``parameters``
    frozen: int = 0  # of ``parameters``, those that no method trains, such as positions that are computed once
    biases: int = 0  # of ``parameters``, those that are biases
    saveable: dict[
        str, int
    ] = {}  # modules that could be trained whole beside the adapter -> parameters
    blocks: str = ""  # what the list of blocks is called
    tied: bool = False  # input embeddings and output head are one matrix
    attention_dropout: float = (
        0.0  # share of attention scores left out in training, which slower kernels compute
    )
    experts: int = 0  # in a block; 0 for models without
    experts_active: int = 0  # of them, those that a token passes
    head: tuple[str, ...] = ()  # the modules of a classification head
    head_fixed: int = 0  # their parameters ...
    head_per_label: int = 0  # ... and those that each label adds

    @property
    def adaptable(self) -> list[LinearModule]:
        """The linear layers that an adapter can stand beside."""
        return [module for module in self.modules if not module.refused]

    @property
    def transposed(self) -> bool:
        """Whether its linear layers are kept the other way round."""
        return any(module.transposed for module in self.modules)

    @property
    def writes(self) -> bool:
        return "write" in self.tasks

    def head_parameters(self, labels: int) -> int:
        """Parameters of the classification head; none for a model that writes."""
        return self.head_fixed + self.head_per_label * labels if self.task == "classify" else 0

    def targets(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """The module names meant by a spec's targets; raises ModelError for names that the model lacks or refuses."""
        names = list(dict.fromkeys(module.name for module in self.adaptable))
        if tuple(wanted) == (ALL_LINEAR,):
            return tuple(names)
        for module in self.modules:
            if module.refused and module.name in wanted:
                raise ModelError(
                    f"No adapter can stand beside {module.name} in {self.name}: {module.refused}. Leave it out."
                )
        if missing := [name for name in wanted if name not in names]:
            raise ModelError(
                f"{self.name} has no module called {', '.join(missing)}. It has: {', '.join(names)}. "
                "Choose the target modules again on the Train tab."
            )
        return tuple(wanted)

    def chosen(
        self, wanted: Sequence[str], layers: Iterable[int] | None = None
    ) -> list[LinearModule]:
        """The modules of these targets, in these blocks alone where some are named."""
        names, kept = self.targets(wanted), None if layers is None else set(layers)
        found = []
        for module in self.modules:
            here = (
                module.layers
                if kept is None
                else tuple(layer for layer in module.layers if layer in kept)
            )
            if module.name in names and here:
                found.append(module.model_copy(update={"layers": here}))
        return found

    def check_length(self, max_length: int) -> None:
        """Raise SpecError for examples that are longer than the model can read."""
        if 0 < self.context < max_length:
            raise SpecError(
                f"Longest example (data.max_length): {self.name} reads at most {self.context} tokens at once; "
                f"it is {max_length}. Set it to {self.context} or less on the Data tab."
            )
