"""The peak memory of training, by part, from the model's structure alone; and what fits.

Each part counts what must be in memory at the worst moment of a step, the backward pass through
the output head. Needs no torch and reads no weights.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from pydantic import BaseModel

from engine.estimate.activations import activation_bytes, logit_bytes
from engine.estimate.case import Case, MemoryInputs, Setup, memory_inputs
from engine.model.parameters import count_parameters
from engine.spec.method import MethodSpec

MB = 2**20
# On a CPU the worker's libraries (620 MB), and what kernels for many lengths, checks and replies
# leave behind in a run; on a card its context and workspaces.
FRAMEWORK_BYTES = {"cpu": 900 * MB, "cuda": 600 * MB}
# Bytes that the optimizer keeps beside a trained fp32 weight. Adafactor factors the second moment
# of a matrix into its rows and columns (arXiv:1804.04235): 4 (rows + columns) bytes, a quarter of
# a byte per weight at rank 16.
OPTIMIZER_BYTES = {"adamw": 8, "adamw_8bit": 2, "adafactor": 0}
NF4_BYTES = 0.516  # bytes of a weight in 4 bits with doubly quantised scales (arXiv:2305.14314)
RESERVE_SHARE = 0.12  # freed memory that the allocator keeps, of activations, logits and gradients
LONGEST, LARGEST_BATCH = 131_072, 512  # that are tried


class MemoryEstimate(BaseModel, frozen=True):
    """Bytes of the peak, by part."""

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


def estimate_memory(inputs: MemoryInputs) -> MemoryEstimate:
    """The peak of a run; raises SpecError or ModelError where the method does not fit the model."""
    counted = count_parameters(inputs.info, inputs.method, inputs.labels)
    full = inputs.method.kind == "full"
    # What is trained is fp32, unless all weights are trained in 16 bits.
    trained = inputs.weight_bytes if full else 4
    states = OPTIMIZER_BYTES[inputs.optimizer]
    if inputs.optimizer == "adamw":  # its states have the precision of the weights
        states = 2 * trained
    on_cpu = inputs.device == "cpu"  # a card holds a part of a weight file at a time
    file_bytes = inputs.info.parameters * inputs.weight_bytes if on_cpu else 0
    # A checkpoint of all weights is built in memory; copies that autocast made leave room for it.
    checkpoint = file_bytes if full and not inputs.autocast else 0
    activations, logits = activation_bytes(inputs), logit_bytes(inputs)
    changing = activations + logits + trained * counted.trainable
    found = MemoryEstimate(
        weights=_base_bytes(inputs),
        adapter=0 if full else 4 * (counted.adapter + counted.head + counted.saved),
        gradients=trained * counted.trainable,
        optimizer=states * counted.trainable,
        activations=activations,
        logits=logits,
        framework=FRAMEWORK_BYTES[inputs.device],
        reserve=int(RESERVE_SHARE * changing) + checkpoint,
    )
    # It may take more to load a model and quantise it, file and weights together, than to train it.
    loading = found.framework + found.weights + (file_bytes if inputs.method.bits else 0)
    more = loading - found.total
    return found.model_copy(update={"reserve": found.reserve + max(0, more)})


def _base_bytes(inputs: MemoryInputs) -> int:
    """The base model's weights, and the copies in 16 bits that autocast makes of them."""
    info = inputs.info
    linear = sum(module.weights for module in info.modules)
    size = (info.parameters + info.head_parameters(inputs.labels)) * inputs.weight_bytes
    if bits := inputs.method.bits:
        size += int(linear * ((NF4_BYTES if bits == 4 else 1.0) - inputs.weight_bytes))
        # One layer at a time is dequantised to compute with.
        size += 4 * max((module.ins * module.outs for module in info.modules), default=0)
    if inputs.autocast and inputs.weight_bytes == 4:
        size += 2 * (info.parameters - info.parts.get("embeddings", 0))
    return size


def usual_methods(inputs: MemoryInputs) -> dict[str, MemoryInputs]:
    """This run with the four usual methods, to compare."""
    lora = inputs.method.model_copy(update={"kind": "lora"})
    qlora = inputs.method.model_copy(update={"kind": "qlora", "init": "zero"})
    full, half = MethodSpec(kind="full"), inputs._replace(precision="bf16", autocast=False)
    return {
        "Full, fp32": half._replace(method=full, precision="fp32"),
        "Full, bf16": half._replace(method=full),
        "LoRA, bf16": half._replace(method=lora),
        "QLoRA, 4 bit": half._replace(method=qlora),
    }


# --- what fits ---


def bytes_needed(case: Case, setup: Setup) -> float:
    """Bytes at the peak of a run."""
    return float(estimate_memory(memory_inputs(case, setup)).total)


def fits_budget(case: Case, setup: Setup) -> bool:
    """Whether a run fits into the memory that it may use."""
    return bytes_needed(case, setup) <= case.budget


def largest_length(inputs: MemoryInputs, free: float, longest: int = 0) -> int:
    """The longest example that fits at this batch, in tokens; 0 where none does.

    At most ``longest``, or what the model reads.
    """
    most = longest or inputs.info.context or LONGEST
    return _largest_that_fits(lambda length: inputs._replace(length=length), free, most)


def largest_batch(inputs: MemoryInputs, free: float, most: int = LARGEST_BATCH) -> int:
    """The most examples of this length that fit together; 0 where not even one does."""
    return _largest_that_fits(lambda batch: inputs._replace(batch=batch), free, most)


def _largest_that_fits(inputs_for: Callable[[int], MemoryInputs], free: float, most: int) -> int:
    """The largest number up to ``most`` that fits, given that all smaller ones do too."""
    numbers = range(1, most + 1)
    return bisect_right(numbers, free, key=lambda one: estimate_memory(inputs_for(one)).total)
