"""Bytes that layers and output head keep for the backward pass, from the model's structure alone.

The constants come from measurements on a CPU (``python -m benchmarks.memory`` compares them with
real runs); for graphics cards they follow from the same reasoning and are untested.
"""

from __future__ import annotations

from engine.estimate.case import MemoryInputs
from engine.model.info import LinearModule

OUTPUT_COPIES = 1.2  # of a linear layer's output
WIDTH_COPIES = 7.5  # of a block's width: fp32 norms, residuals, queries and keys twice (rotation)
# With gradient checkpointing: blocks in memory, which are the one that is computed again and what
# others left behind. By the bits of quantised weights, which are dequantised for each product.
RECOMPUTED_BLOCKS = {None: 1.25, 4: 3.5, 8: 6.0}
SHARED_INPUT = 0.3  # of an input that several adapters read, for each of them
SHORT_ATTENTION = 512  # tokens up to which attention is computed by plain products
SHARE_COPIES = 1.5  # of the attention shares of such short examples
SCORE_COPIES = 8.5  # of the attention scores, where they are computed in full
# The packed output head computes at most so many logits at once, and those of at least so many
# tokens (engine.work.kernels.cross_entropy).
LOGITS_AT_ONCE, LEAST_LOGIT_ROWS = 2**23, 128
# Bytes of a logit, without packing: itself, in fp32, its log-softmax, and their gradients.
LOGIT_BYTES = {"bf16": 11.5, "fp32": 15.0}


def activation_bytes(inputs: MemoryInputs) -> int:
    """What the blocks keep for the backward pass."""
    info = inputs.info
    layers = max(1, info.layers)
    block = _token_bytes(inputs) * inputs.tokens / layers
    if inputs.method.kind == "head":
        # Nothing is kept of a frozen body; what is in it at once passes through.
        widest = max((module.outs for module in info.modules), default=0)
        return inputs.activation_bytes * inputs.tokens * (2 * widest + 4 * info.hidden_size)
    if not inputs.checkpointing:
        return int(block * layers)
    kept = info.hidden_size * inputs.activation_bytes * inputs.tokens * layers
    return int(kept + RECOMPUTED_BLOCKS[inputs.method.bits] * block)


def logit_bytes(inputs: MemoryInputs) -> int:
    """The output head's logits: of a chunk of tokens with packing, of all tokens otherwise."""
    info = inputs.info
    if info.task == "classify":
        return 0
    half = inputs.activation_bytes == 2
    if inputs.packed:  # once in the precision, once in fp32
        return max(LEAST_LOGIT_ROWS * info.vocab_size, LOGITS_AT_ONCE) * (6 if half else 4)
    return int(LOGIT_BYTES["bf16" if half else "fp32"] * info.vocab_size * inputs.tokens)


def _token_bytes(inputs: MemoryInputs) -> float:
    """What a token leaves in all blocks together."""
    info, method, size = inputs.info, inputs.method, inputs.activation_bytes
    adapted = info.resolve_targets(method.targets) if method.adapts else ()
    kept = 0.0
    for module in info.modules:
        kept += module.count * OUTPUT_COPIES * size * module.outs
        if module.name in adapted:
            kept += module.count * _adapter_bytes(inputs, module)
        elif method.kind == "full":
            kept += module.count * size * module.ins  # its input, for the gradient of its weights
    each = WIDTH_COPIES * size * info.hidden_size + _attention_bytes(inputs)
    return kept + _expert_bytes(inputs) + info.layers * each


def _adapter_bytes(inputs: MemoryInputs, module: LinearModule) -> float:
    """What an adapter keeps of a token: input and inner output in fp32; DoRA both outputs, too."""
    method, rank = inputs.method, inputs.method.rank_of(module.name)
    slow = method.dropout or inputs.autocast or inputs.info.transposed
    if method.kind == "lora" and not slow:
        # Computed in one step with its layer (engine.work.kernels.layers); layers share inputs.
        return inputs.activation_bytes * (SHARED_INPUT * module.ins + rank)
    # An input that is fp32 already needs no copy, and layers share it.
    input_bytes = 4 if inputs.activation_bytes == 2 else 2
    if method.dropout:
        input_bytes += 5
    both_outputs = 10 * module.outs if method.kind == "dora" else 0
    return module.ins * input_bytes + 4 * rank + both_outputs


def _expert_bytes(inputs: MemoryInputs) -> float:
    """Experts that are no linear layers, their width from their share of the weights."""
    info = inputs.info
    weights = info.parts.get("experts", 0)
    if not weights or not info.experts or any(module.part == "experts" for module in info.modules):
        return 0.0
    width = weights / (info.experts * info.layers * 3 * info.hidden_size)
    # Tokens are gathered for each expert and scattered back.
    each = 3 * width + 2 * info.hidden_size
    copies = 3 * OUTPUT_COPIES * inputs.activation_bytes
    return info.layers * max(1, info.experts_active) * each * copies


def _attention_bytes(inputs: MemoryInputs) -> float:
    """Attention scores of a token, which are kept where the fast kernels cannot be used."""
    scores = inputs.info.heads * inputs.length * inputs.activation_bytes
    if inputs.info.attention_dropout:
        return SCORE_COPIES * scores
    short = inputs.length <= SHORT_ATTENTION and inputs.activation_bytes == 2
    return SHARE_COPIES * scores if inputs.device == "cpu" and inputs.packed and short else 0.0
