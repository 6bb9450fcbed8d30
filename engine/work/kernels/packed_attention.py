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
from typing import Any, NamedTuple

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
# Tokens. Longer examples would need much memory together.
GROUPED_SIZE = 128
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
    Short examples with products of one size go together: for them, calling a product takes longer
    than computing it. The numbers are those of one example at a time.
    """

    @staticmethod
    def forward(  # noqa: PLR0913  autograd passes each input by itself
        ctx: Any, query: Any, key: Any, value: Any, lengths: list[int], window: int, scale: float
    ) -> Any:
        """All 1 x heads x tokens x head width. Returns 1 x tokens x heads x head width."""
        padded = [
            functional.pad(part[0], (0, 0, 0, EXAMPLE_MULTIPLE)) for part in (query, key, value)
        ]
        found = torch.empty_like(query[0])
        ctx.groups, ctx.scale, kept = _example_groups(tuple(lengths)), scale, []
        for group in ctx.groups:
            q, k, v = (group.take(part) for part in padded)
            bias = _causal_bias(SHORT_EXAMPLE, window, q.dtype)[: group.size, : group.size]
            share = torch.baddbmm(bias.expand(len(q), -1, -1), q, k.transpose(1, 2), alpha=scale)
            share = share.softmax(-1)
            group.put(share @ v, found)
            kept += [q, k, v, share]
        ctx.save_for_backward(*kept)
        return found.transpose(0, 1)[None]

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[Any, ...]:
        """Gradients of query, key and value."""
        grad, kept = above[0][0].transpose(0, 1), iter(ctx.saved_tensors)
        padded = functional.pad(grad, (0, 0, 0, EXAMPLE_MULTIPLE))
        q_grad, k_grad, v_grad = grads = [
            torch.empty((1, *grad.shape), dtype=grad.dtype) for _ in range(3)
        ]
        for group in ctx.groups:
            q, k, v, share = (next(kept) for _ in range(4))
            out_grad = group.take(padded, only_own=True)
            inner = out_grad @ v.transpose(1, 2)
            inner = compat.softmax_gradient(inner, share).mul_(ctx.scale)
            group.put(share.transpose(1, 2) @ out_grad, v_grad[0])
            group.put(inner @ k, q_grad[0])
            group.put(inner.transpose(1, 2) @ q, k_grad[0])
        return *grads, None, None, None


class _ExampleGroup(NamedTuple):
    """Examples of a row whose products are of one size."""

    size: int  # tokens that each product reaches over
    tokens: torch.Tensor  # of the row, that the products reach over (examples * size)
    own: torch.Tensor  # whether each is a token of the example itself, not one that follows

    def take(self, row: torch.Tensor, only_own: bool = False) -> torch.Tensor:
        """(heads * examples) x size x head width, from heads x tokens x head width."""
        found = row[:, self.tokens]
        if only_own:
            found = found.masked_fill_(~self.own[:, None], 0)
        return found.view(-1, self.size, row.shape[-1])

    def put(self, made: torch.Tensor, row: torch.Tensor) -> None:
        """Write what was made of the examples' own tokens back to their places."""
        row[:, self.tokens[self.own]] = made.view(len(row), -1, made.shape[-1])[:, self.own]


@lru_cache(maxsize=4)  # all layers of a pass ask for the same
def _example_groups(lengths: tuple[int, ...]) -> list[_ExampleGroup]:
    """The examples of a row, those of up to GROUPED_SIZE together with others of their size."""
    sizes: dict[tuple[int, int], list[tuple[int, int]]] = {}
    start = 0
    for number, length in enumerate(lengths):
        size = -(-length // EXAMPLE_MULTIPLE) * EXAMPLE_MULTIPLE
        key = (size, 0 if size <= GROUPED_SIZE else number)
        sizes.setdefault(key, []).append((start, start + length))
        start += length
    found = []
    for (size, _), borders in sizes.items():
        first, last = torch.tensor(borders).T[:, :, None]
        tokens = first + torch.arange(size)
        found.append(_ExampleGroup(size, tokens.flatten(), (tokens < last).flatten()))
    return found


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
