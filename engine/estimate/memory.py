"""The peak memory of training, by part, from the model's anatomy alone: no weights are read, and no torch is needed.

Each part counts what must be in memory at the worst moment of a step, the backward pass through the output head. The
constants come from measurements on a CPU (``python -m benchmarks.memory`` compares them with real runs); for graphics
cards they follow from the same reasoning and are untested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from engine.model.info import LinearModule, ModelInfo
from engine.model.parameters import count_parameters
from engine.spec.method import MethodSpec

MB = 2**20
# Libraries in the worker (620 MB), and what kernels for many lengths, checks and replies leave behind in a run; on a
# card its context and workspaces.
FRAMEWORK_BYTES = {"cpu": 900 * MB, "cuda": 600 * MB}
OPTIMIZER_BYTES = {
    "adamw": 8,
    "adamw_8bit": 2,
    "adafactor": 1,
}  # bytes that the optimizer keeps beside a trained fp32 weight
NF4_BYTES = 0.516  # bytes of a weight in 4 bits with doubly quantised scales (arXiv:2305.14314)
LOGIT_BYTES = {
    "bf16": 11.5,
    "fp32": 15.0,
}  # bytes of a logit: itself, in fp32, its log-softmax, and their gradients
OUTPUT_COPIES = 1.2  # copies of a layer's output that are kept for the backward pass
WIDTH_COPIES = 7.5  # of a block's width: norms in fp32, residuals, queries and keys before and after the rotation
# Blocks in memory where they are computed again: one, and what others left behind; by the bits of quantised weights,
# which are made whole for each product.
RECOMPUTED_BLOCKS = {None: 1.25, 4: 3.5, 8: 6.0}
SHARED_INPUT = 0.3  # of an input that several adapters read, for each of them
SHORT_ATTENTION = 512  # tokens up to which attention is computed by plain products
SHARE_COPIES = 1.5  # copies of the shares of attention that are kept of these
LOGITS_AT_ONCE, LEAST_LOGIT_ROWS = (
    2**23,
    128,
)  # logits that are computed at once, and tokens at least (engine/work/kernels/cross_entropy.py)
SCORE_COPIES = 8.5  # copies of the attention scores, where they are computed in full
RESERVE_SHARE = 0.12  # freed memory that the allocator keeps, as a share of what comes and goes


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
    autocast: bool = False  # fp32 weights are computed with in bf16
    prefer: str = ""  # dpo, orpo or kto: better and worse answers pass together

    @property
    def bytes(self) -> int:
        """Of a weight in the precision."""
        return 2 if self.precision == "bf16" else 4

    @property
    def computed(self) -> int:
        """Bytes of a number that passes through the layers."""
        return 2 if self.autocast else self.bytes

    @property
    def flat(self) -> bool:
        """Examples stand in one row, and only learned tokens have scores, a piece at a time (engine/work/kernels/packing.py)."""
        return self.info.task == "write" and not self.prefer

    @property
    def tokens(self) -> int:
        """In memory together."""
        return self.batch * self.length * (2 if self.prefer else 1)


class MemoryEstimate(BaseModel):
    """Bytes of the peak, by part."""

    model_config = ConfigDict(frozen=True)
    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    framework: int
    reserve: int

    @property
    def total(self) -> int:
        return sum(self.model_dump().values())


def estimate_memory(setting: MemoryInputs) -> MemoryEstimate:
    """The peak of a run; raises SpecError or ModelError where the method does not fit the model."""
    info, method = setting.info, setting.method
    counted = count_parameters(info, method, setting.labels)
    added = counted.adapter + counted.head + counted.saved
    # What is trained is fp32, unless all weights are trained in 16 bits.
    trained = setting.bytes if method.kind == "full" else 4
    states = OPTIMIZER_BYTES[setting.optimizer] * (
        trained / 4 if setting.optimizer == "adamw" else 1
    )
    activations, logits = _activation_bytes(setting), _logit_bytes(setting)
    found = MemoryEstimate(
        weights=_weight_bytes(setting),
        adapter=0 if method.kind == "full" else 4 * added,
        gradients=trained * counted.trainable,
        optimizer=int(states * counted.trainable),
        activations=activations,
        logits=logits,
        framework=FRAMEWORK_BYTES[setting.device],
        reserve=int(RESERVE_SHARE * (activations + logits + trained * counted.trainable))
        + _saving_bytes(setting),
    )
    # It may take more to load a model and quantise it than to train it.
    more = found.framework + found.weights + _file_bytes(setting) - found.total
    return found.model_copy(update={"reserve": found.reserve + max(0, more)})


def _weight_bytes(setting: MemoryInputs) -> int:
    """The base model's weights as they are kept, and the copies in 16 bits that autocast makes of them."""
    info = setting.info
    linear = sum(module.weights for module in info.modules)
    size = (info.parameters + info.head_parameters(setting.labels)) * setting.bytes
    if bits := setting.method.bits:
        size += int(linear * ((NF4_BYTES if bits == 4 else 1.0) - setting.bytes))
        # One at a time is made whole to compute with.
        size += 4 * max((module.ins * module.outs for module in info.modules), default=0)
    if setting.autocast and setting.bytes == 4:
        size += 2 * (info.parameters - info.parts.get("embeddings", 0))
    return size


def _file_bytes(setting: MemoryInputs) -> int:
    """The file of weights that is read beside the quantised ones; a card holds a part of it at a time."""
    return (
        setting.info.parameters * setting.bytes
        if setting.method.bits and setting.device == "cpu"
        else 0
    )


def _saving_bytes(setting: MemoryInputs) -> int:
    """A checkpoint of all weights is put together in memory; copies that autocast made have left room for it."""
    whole = setting.method.kind == "full" and setting.device == "cpu" and not setting.autocast
    return setting.info.parameters * setting.bytes if whole else 0


def _activation_bytes(setting: MemoryInputs) -> int:
    """What the blocks keep for the backward pass."""
    info = setting.info
    layers = max(1, info.layers)
    block = _block_bytes(setting) * setting.tokens / layers
    if setting.method.kind == "head":
        # Nothing is kept of a frozen body; what is in it at once passes through.
        widest = max((module.outs for module in info.modules), default=0)
        return setting.computed * setting.tokens * (2 * widest + 4 * info.hidden_size)
    if setting.checkpointing:
        kept = info.hidden_size * setting.computed * setting.tokens * layers
        return int(
            kept + RECOMPUTED_BLOCKS[setting.method.bits] * block
        )  # one block is computed again, and what others left is not given back at once
    return int(block * layers)


def _block_bytes(setting: MemoryInputs) -> float:
    """Bytes that a token leaves in all blocks together."""
    info, size = setting.info, setting.computed
    adapted = {id(module) for module in _adapted_modules(setting)}
    kept = 0.0
    for module in info.modules:
        kept += module.count * OUTPUT_COPIES * size * module.outs
        if id(module) in adapted:
            kept += module.count * _adapter_activations(setting, module)
        elif setting.method.kind == "full":
            kept += module.count * size * module.ins  # its input, for the gradient of its weights
    kept += _expert_activations(setting)
    kept += info.layers * WIDTH_COPIES * size * info.hidden_size
    kept += info.layers * _attention_activations(setting)
    return kept


def _adapted_modules(setting: MemoryInputs) -> list[LinearModule]:
    """The model's own entries of the modules that get an adapter."""
    if not setting.method.adapts:
        return []
    names = setting.info.targets(setting.method.targets)
    return [module for module in setting.info.modules if module.name in names]


def _has_lora_kernel(setting: MemoryInputs) -> bool:
    """Whether adapters are computed in one step with their layers (engine/work/kernels/lora.py)."""
    method = setting.method
    return method.kind == "lora" and not (
        method.dropout or setting.autocast or setting.info.transposed
    )


def _adapter_activations(setting: MemoryInputs, module: LinearModule) -> float:
    """What an adapter keeps beside its layer: its input in fp32, its inner output; DoRA both outputs as well."""
    if _has_lora_kernel(setting):  # layers share their input, in its own precision
        return setting.computed * (SHARED_INPUT * module.ins + setting.method.rank_of(module.name))
    size = 4 if setting.computed == 2 else 2  # fp32 inputs need no copy, and layers share them
    kept = module.ins * (size + (5 if setting.method.dropout else 0)) + 4 * setting.method.rank_of(
        module.name
    )
    return kept + (10 * module.outs if setting.method.kind == "dora" else 0)


def _expert_activations(setting: MemoryInputs) -> float:
    """Experts that are no layers of their own: their width from their share of the weights."""
    info = setting.info
    weights = info.parts.get("experts", 0)
    if not weights or not info.experts or any(module.part == "experts" for module in info.modules):
        return 0.0
    width = weights / (info.experts * info.layers * 3 * info.hidden_size)
    # Tokens are gathered for each expert and scattered back.
    each = 3 * width + 2 * info.hidden_size
    return info.layers * max(1, info.experts_active) * each * 3 * OUTPUT_COPIES * setting.computed


def _attention_activations(setting: MemoryInputs) -> float:
    """Scores of a token with all others: kept where dropout, or short examples in bf16, keep the fast kernels away."""
    if setting.info.attention_dropout:
        return setting.info.heads * setting.length * SCORE_COPIES * setting.computed
    if (
        setting.device == "cpu"
        and setting.flat
        and setting.computed == 2
        and setting.length <= SHORT_ATTENTION
    ):
        return setting.info.heads * setting.length * SHARE_COPIES * setting.computed
    return 0.0


def _logit_bytes(setting: MemoryInputs) -> int:
    """The output head's scores, for each token and each word that there is; a piece of them where that is enough."""
    info = setting.info
    if info.task == "classify":
        return 0
    if setting.flat:  # once in the precision, once in fp32
        return max(LEAST_LOGIT_ROWS * info.vocab_size, LOGITS_AT_ONCE) * (
            6 if setting.computed == 2 else 4
        )
    return int(
        LOGIT_BYTES["bf16" if setting.computed == 2 else "fp32"] * info.vocab_size * setting.tokens
    )


# --- what fits ---


def usual_methods(setting: MemoryInputs) -> dict[str, MemoryInputs]:
    """The same data with the usual methods, to compare."""
    lora = setting.method.model_copy(update={"kind": "lora"} if not setting.method.adapts else {})
    plain = lora.model_copy(update={"kind": "lora"})
    full = MethodSpec(kind="full")
    return {
        "Full, fp32": setting._replace(method=full, precision="fp32", autocast=False),
        "Full, bf16": setting._replace(method=full, precision="bf16", autocast=False),
        "LoRA, bf16": setting._replace(method=plain, precision="bf16", autocast=False),
        "QLoRA, 4 bit": setting._replace(
            method=lora.model_copy(update={"kind": "qlora", "init": "zero"}),
            precision="bf16",
            autocast=False,
        ),
    }


def largest_length(setting: MemoryInputs, free: int) -> int:
    """The longest example that fits at this batch, at most what the model reads; 0 where none does."""
    most = setting.info.context or 131_072
    return _largest_that_fits(
        lambda length: estimate_memory(setting._replace(length=length)).total <= free, most
    )


def largest_batch(setting: MemoryInputs, free: int) -> int:
    """The most examples that fit at once at this length; 0 where not one does."""
    return _largest_that_fits(
        lambda batch: estimate_memory(setting._replace(batch=batch)).total <= free, 512
    )


def _largest_that_fits(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to ``most`` that fits, given that all smaller ones do too."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
