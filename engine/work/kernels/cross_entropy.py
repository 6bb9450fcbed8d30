"""Chunked cross-entropy: the output head and its loss, only at positions that have a target.

Logits are the largest tensor in memory, and with a large vocabulary the head is most of the work;
about a third of the tokens of a chat are targets. The hidden states are therefore selected before
the head. Head and cross-entropy then run over them in chunks and compute the gradient on the way
(as Liger does, arXiv:2410.10989), so that only one chunk of the logits exists at a time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch.nn import functional

from engine.estimate.activations import LEAST_LOGIT_ROWS, LOGITS_AT_ONCE
from engine.work.encode.encode import IGNORE_INDEX
from engine.work.kernels.packed_attention import ROW_MULTIPLE


class ChunkedCrossEntropy(torch.autograd.Function):
    """The summed cross-entropy of hidden states (tokens x width) against targets (tokens)."""

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, bias: Any, targets: Any) -> torch.Tensor:
        """``weight``: vocabulary x width. Gradients are computed for inputs that require one."""
        needs, device = ctx.needs_input_grad, hidden.device.type
        autocast = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else weight.dtype
        head = weight.to(dtype)
        fitting = LOGITS_AT_ONCE // weight.shape[0] // ROW_MULTIPLE * ROW_MULTIPLE
        rows = max(LEAST_LOGIT_ROWS, fitting)
        total = hidden.new_zeros((), dtype=torch.float32)
        hidden_grad = torch.empty_like(hidden) if needs[0] else None
        weight_grad = torch.zeros_like(weight, dtype=torch.float32) if needs[1] else None
        bias_grad = torch.zeros_like(bias, dtype=torch.float32) if needs[2] else None
        narrow_buffer, wide_buffer = _buffer(rows, len(head), dtype, hidden.device)
        for start in range(0, len(hidden), rows):
            chunk = hidden[start : start + rows].to(dtype)
            wanted = targets[start : start + rows, None]
            real, filler = len(chunk), -len(chunk) % ROW_MULTIPLE
            chunk = functional.pad(chunk, (0, 0, 0, filler))
            narrow, logits = narrow_buffer[: real + filler], wide_buffer[: real + filler]
            logits.copy_(torch.mm(chunk, head.t(), out=narrow))
            if bias is not None:
                logits += bias
            # In place: a row's maximum and sum are taken before the row is written.
            log_probabilities = torch.log_softmax(logits, -1, out=logits)
            total -= log_probabilities[:real].gather(-1, wanted).sum()
            if hidden_grad is None and weight_grad is None:
                continue
            logits_grad = log_probabilities.exp_()
            logits_grad[:real].scatter_add_(-1, wanted, logits_grad.new_full(wanted.shape, -1.0))
            logits_grad[real:] = 0
            if bias_grad is not None:
                bias_grad += logits_grad.sum(0)
            narrow.copy_(logits_grad)
            if hidden_grad is not None:
                hidden_grad[start : start + real] = (narrow @ head)[:real]
            if weight_grad is not None:
                weight_grad += narrow.t() @ chunk
        ctx.save_for_backward(hidden_grad, weight_grad, bias_grad)
        ctx.dtypes = weight.dtype, None if bias is None else bias.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[Any, ...]:
        """The gradients computed in the forward pass, times the gradient of the loss."""
        hidden, weight, bias = ctx.saved_tensors
        weight_dtype, bias_dtype = ctx.dtypes
        return (
            None if hidden is None else hidden * above[0].to(hidden.dtype),
            None if weight is None else (weight * above[0]).to(weight_dtype),
            None if bias is None else (bias * above[0]).to(bias_dtype),
            None,
        )


@lru_cache(maxsize=1)
def _buffer(
    rows: int, vocabulary: int, dtype: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Memory for one chunk's logits, in the head's precision and in fp32.

    Kept between calls: allocating it takes as long as computing the logits.
    """
    narrow = torch.zeros(rows, vocabulary, dtype=dtype, device=device)
    return narrow, narrow if dtype == torch.float32 else narrow.float()


def free_buffer() -> None:
    """Free the memory kept for logits; for a process that goes on to do other things."""
    _buffer.cache_clear()


def shifted_targets(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions that have a target, and those targets: ``labels`` (1 x tokens) shifted by one."""
    following = labels[0, 1:]
    positions = (following != IGNORE_INDEX).nonzero()[:, 0]
    return positions, following[positions]


def hidden_states(
    model: Any, head: torch.nn.Module, inputs: dict[str, Any], positions: torch.Tensor
) -> torch.Tensor:
    """What the output head would read at these positions (positions x width)."""
    head.forward = lambda hidden: hidden
    try:
        return model(**inputs, logits_to_keep=positions).logits[0]
    finally:
        del head.forward
