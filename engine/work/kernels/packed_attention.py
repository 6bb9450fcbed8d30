"""Attention within each example of a packed row (engine.work.kernels.packing).

It goes through the row example by example, so that nothing is computed for padding or between
examples.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from itertools import groupby
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from engine.work import compat

ATTENTION_NAME = "hone_packed"
# Tokens. On a CPU in bf16, PyTorch's attention takes up to three times as long as matrix products
# for such examples.
SHORT_EXAMPLE = 512
# A row is padded to a multiple of this many tokens, and the products of an example to a multiple of
# the other. PyTorch's CPU kernels are built anew for every length they meet, and kept: 14 MB and a
# tenth of a step each time.
ROW_MULTIPLE, EXAMPLE_MULTIPLE = 64, 32
_PACKED: ContextVar[bool] = ContextVar("packed", default=False)


@contextmanager
def packed() -> Iterator[None]:
    """Inside the block no attention mask is built: the borders say which tokens see each other."""
    token = _PACKED.set(True)
    try:
        yield
    finally:
        _PACKED.reset(token)


def attend_per_example(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """PyTorch's attention; example by example where the borders of a packed row are given.

    ``query``, ``key`` and ``value``: 1 x heads x tokens x head width. Returns 1 x tokens x heads x
    head width.
    """
    borders = options.pop("cu_seq_lens_q", None)
    for name in ("cu_seq_lens_k", "max_length_q", "max_length_k"):
        options.pop(name, None)
    if borders is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    lengths, window = borders.diff().tolist(), options.get("sliding_window") or 0
    on_bf16_cpu = query.dtype == torch.bfloat16 and query.device.type == "cpu"
    eager = on_bf16_cpu and not options.get("dropout")
    parts, start = [], 0
    # Neighbouring examples that are computed in the same way go together.
    for short, run in groupby(lengths, lambda length: eager and length <= SHORT_EXAMPLE):
        several = list(run)
        end = start + sum(several)
        qkv = [part[:, :, start:end] for part in (query, key, value)]
        start = end
        if short:
            parts.append(_attend_eagerly(module, qkv, several, window, options.get("scaling")))
            continue
        examples = zip(*(part.split(several, dim=2) for part in qkv), strict=True)
        for length, one in zip(several, examples, strict=True):
            mask = None  # where no window cuts an example off, causality alone needs none
            if 0 < window < length:
                mask = _causal_bias(length, window, query.dtype).to(query.device)
            parts.append(sdpa_attention_forward(module, *one, mask, **options)[0])
    return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0], None


def _attend_eagerly(
    module: Any, qkv: list[torch.Tensor], lengths: list[int], window: int, scale: float | None
) -> Any:
    query, key, value = qkv
    groups = getattr(module, "num_key_value_groups", 1)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    return _EagerAttention.apply(query, key, value, lengths, window, scale)


class _EagerAttention(torch.autograd.Function):
    """softmax(q k' s) v of each example of a row, as transformers' eager attention computes it.

    Each product reaches beyond its example, up to a multiple of EXAMPLE_MULTIPLE. Causality keeps
    the example's own tokens from seeing what follows, and the results of the others are dropped.
    """

    @staticmethod
    def forward(  # noqa: PLR0913  autograd passes each input by itself
        ctx: Any, query: Any, key: Any, value: Any, lengths: list[int], window: int, scale: float
    ) -> Any:
        """All 1 x heads x tokens x head width. Returns 1 x tokens x heads x head width."""
        query, key, value = (
            functional.pad(part[0], (0, 0, 0, EXAMPLE_MULTIPLE)) for part in (query, key, value)
        )
        found = torch.empty_like(query[:, :-EXAMPLE_MULTIPLE])
        shares = []
        for start, end, reach in _example_ranges(lengths):
            q, k, v = query[:, start:reach], key[:, start:reach], value[:, start:reach]
            size = reach - start
            bias = _causal_bias(SHORT_EXAMPLE, window, q.dtype)[:size, :size].expand(len(q), -1, -1)
            shares.append(torch.baddbmm(bias, q, k.transpose(1, 2), alpha=scale).softmax(-1))
            found[:, start:end] = (shares[-1] @ v)[:, : end - start]
        ctx.save_for_backward(query, key, value, *shares)
        ctx.lengths, ctx.scale = lengths, scale
        return found.transpose(0, 1)[None]

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[Any, ...]:
        """Gradients of query, key and value."""
        query, key, value, *shares = ctx.saved_tensors
        grad = above[0][0].transpose(0, 1)
        grads = q_grad, k_grad, v_grad = [
            torch.empty_like(part[None, :, :-EXAMPLE_MULTIPLE]) for part in (query, key, value)
        ]
        for share, (start, end, reach) in zip(shares, _example_ranges(ctx.lengths), strict=True):
            real = end - start
            out_grad = functional.pad(grad[:, start:end], (0, 0, 0, reach - end))
            inner = out_grad @ value[:, start:reach].transpose(1, 2)
            inner = compat.softmax_gradient(inner, share).mul_(ctx.scale)
            v_grad[0, :, start:end] = (share.transpose(1, 2) @ out_grad)[:, :real]
            q_grad[0, :, start:end] = (inner @ key[:, start:reach])[:, :real]
            k_grad[0, :, start:end] = (inner.transpose(1, 2) @ query[:, start:reach])[:, :real]
        return *grads, None, None, None


def _example_ranges(lengths: list[int]) -> Iterator[tuple[int, int, int]]:
    """Start and end of each example in the row, and how far its products reach."""
    start = 0
    for length in lengths:
        yield start, start + length, start + -(-length // EXAMPLE_MULTIPLE) * EXAMPLE_MULTIPLE
        start += length


@lru_cache(maxsize=4)
def _causal_bias(length: int, window: int, dtype: torch.dtype) -> torch.Tensor:
    """Added to the scores: 0 where a token sees another, minus infinity elsewhere.

    A token sees itself and those before it, as far back as the sliding window; a window of 0 means
    no limit.
    """
    seen = torch.ones(length, length, dtype=torch.bool).tril()
    seen = seen.triu(1 - window) if window else seen
    return torch.zeros(length, length, dtype=dtype).masked_fill_(~seen, float("-inf"))


def _mask_unless_packed(*args: Any, **options: Any) -> torch.Tensor | None:
    return None if _PACKED.get() else sdpa_mask(*args, **options)


AttentionInterface.register(ATTENTION_NAME, attend_per_example)
AttentionMaskInterface.register(ATTENTION_NAME, _mask_unless_packed)
