"""The loss of the learned tokens alone: the output head is computed for them and for no others.

Logits are the largest thing in memory, and with a large vocabulary the head is most of the work; of a chat about a
third of the tokens is learned. Here the hidden states are chosen before the head, and head and cross-entropy go
through them in pieces, with the gradient made on the way (as Liger does, arXiv:2410.10989), so that no more than a
piece of the logits is ever there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch.nn import functional

from engine.estimate.memory import LEAST_LOGIT_ROWS, LOGITS_AT_ONCE
from engine.work.kernels.packed_attention import ROW_MULTIPLE

IGNORE_INDEX = -100


class ChunkedCrossEntropy(torch.autograd.Function):
    """The summed cross-entropy of hidden states (tokens x width) against targets (tokens), in pieces."""

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, bias: Any, targets: Any) -> torch.Tensor:
        """``weight``: vocabulary x width; gradients are made for what asks for one."""
        needs, device = ctx.needs_input_grad, hidden.device.type
        kind = (
            torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        )
        head = weight.to(kind)
        rows = max(
            LEAST_LOGIT_ROWS, LOGITS_AT_ONCE // weight.shape[0] // ROW_MULTIPLE * ROW_MULTIPLE
        )
        total = hidden.new_zeros((), dtype=torch.float32)
        for_hidden = torch.empty_like(hidden) if needs[0] else None
        for_weight = torch.zeros_like(weight, dtype=torch.float32) if needs[1] else None
        for_bias = (
            torch.zeros_like(bias, dtype=torch.float32) if bias is not None and needs[2] else None
        )
        room, wide = _buffer(rows, len(head), kind, hidden.device)
        for start in range(0, len(hidden), rows):
            part, wanted = (
                hidden[start : start + rows].to(kind),
                targets[start : start + rows, None],
            )
            real, filler = len(part), -len(part) % ROW_MULTIPLE
            part = functional.pad(part, (0, 0, 0, filler))
            narrow, logs = room[: real + filler], wide[: real + filler]
            logs.copy_(torch.mm(part, head.t(), out=narrow))
            if bias is not None:
                logs += bias
            torch.log_softmax(
                logs, -1, out=logs
            )  # in place: a row's maximum and sum are taken before it is written
            total -= logs[:real].gather(-1, wanted).sum()
            if for_hidden is None and for_weight is None:
                continue
            slope = logs.exp_()
            slope[:real].scatter_add_(-1, wanted, slope.new_full(wanted.shape, -1.0))
            slope[real:] = 0
            if for_bias is not None:
                for_bias += slope.sum(0)
            narrow.copy_(slope)
            if for_hidden is not None:
                for_hidden[start : start + real] = (narrow @ head)[:real]
            if for_weight is not None:
                for_weight += narrow.t() @ part
        ctx.save_for_backward(for_hidden, for_weight, for_bias)
        ctx.kinds = weight.dtype, None if bias is None else bias.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[Any, ...]:
        """The gradients that were made on the way, times that of the loss."""
        hidden, weight, bias = ctx.saved_tensors
        of_weight, of_bias = ctx.kinds
        return (
            None if hidden is None else hidden * above[0].to(hidden.dtype),
            None if weight is None else (weight * above[0]).to(of_weight),
            None if bias is None else (bias * above[0]).to(of_bias),
            None,
        )


@lru_cache(maxsize=1)
def _buffer(
    rows: int, vocabulary: int, kind: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the logits of each piece stand, in the head's precision and in fp32: new memory costs as much as they."""
    narrow = torch.zeros(rows, vocabulary, dtype=kind, device=device)
    return narrow, narrow if kind == torch.float32 else narrow.float()


def free_buffer() -> None:
    """Give that back: in a process that lives on, it would stay."""
    _buffer.cache_clear()


def shifted_targets(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where in a row (1 x tokens) something is foretold that is learned, and what: each token foretells the next."""
    following = labels[0, 1:]
    places = (following != IGNORE_INDEX).nonzero()[:, 0]
    return places, following[places]


def hidden_states(
    model: Any, head: torch.nn.Module, inputs: dict[str, Any], places: torch.Tensor
) -> torch.Tensor:
    """What the head would read at these places (places x width): the model computes, its head hands through."""
    with _identity_head(head):
        found: torch.Tensor = model(**inputs, logits_to_keep=places).logits[0]
    return found


@contextmanager
def _identity_head(head: torch.nn.Module) -> Iterator[None]:
    head.forward = lambda hidden: hidden
    try:
        yield
    finally:
        del head.forward
