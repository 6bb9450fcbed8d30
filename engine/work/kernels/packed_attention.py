"""Batches without padding: the examples of a batch stand in one row, and each attends to itself alone.

The row comes from transformers' ``DataCollatorWithFlattening``; what is added here is an attention that goes through
the row example by example, so that nothing is computed for padding, nor between examples.
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
from transformers import AttentionInterface, DataCollatorWithFlattening
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

ATTENTION_NAME = "hone_flat"
# On a processor in bf16 PyTorch's attention takes up to three times as long for short examples as plain products.
SHORT_EXAMPLE = 512  # tokens
# PyTorch's CPU kernels are made anew for every length they meet, and kept: 14 MB and a tenth of a step each time.
ROW_MULTIPLE = 64  # tokens that a row is filled up to a multiple of
EXAMPLE_MULTIPLE = 32  # the same for an example within it
_PACKED: ContextVar[bool] = ContextVar("flat", default=False)  # the model is computing such a row


class PackingCollator(DataCollatorWithFlattening):
    """Makes the examples of a batch one row, with position ids, borders, and a mask that only counts what is real.

    The row is filled up to a multiple of ROUND with an example that is not learned.
    """

    def __init__(self) -> None:
        super().__init__(return_flash_attn_kwargs=True)

    def __call__(
        self, features: list[dict[str, Any]], *given: Any, **options: Any
    ) -> dict[str, Any]:
        """``features``: input_ids and labels of each example."""
        real = sum(len(one["input_ids"]) for one in features)
        if filler := -real % ROW_MULTIPLE:
            features = [*features, {"input_ids": [0] * filler, "labels": [-100] * filler}]
        found: dict[str, Any] = super().__call__(features, *given, **options)
        found["attention_mask"] = (torch.arange(real + filler) < real).long()[None]
        return found


@contextmanager
def packed() -> Iterator[None]:
    """Within it no mask is built: the borders say who attends to whom."""
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
    """PyTorch's attention; where the row's borders are given, example by example.

    ``query``, ``key`` and ``value``: 1 x heads x tokens x width of a head. Result: 1 x tokens x heads x width.
    """
    borders = options.pop("cu_seq_lens_q", None)
    for name in ("cu_seq_lens_k", "max_length_q", "max_length_k"):
        options.pop(name, None)
    if borders is None:
        found: torch.Tensor = sdpa_attention_forward(
            module, query, key, value, attention_mask, **options
        )[0]
        return found, None
    lengths, window = borders.diff().tolist(), options.get("sliding_window") or 0
    plain = (
        query.dtype == torch.bfloat16 and query.device.type == "cpu" and not options.get("dropout")
    )
    scale = query.shape[-1] ** -0.5 if options.get("scaling") is None else options["scaling"]
    parts, start = [], 0
    for short, some in groupby(
        lengths, lambda length: plain and length <= SHORT_EXAMPLE
    ):  # neighbours of a kind together
        several = list(some)
        q, k, v = (part[:, :, start : start + sum(several)] for part in (query, key, value))
        start += sum(several)
        if short:
            groups = getattr(module, "num_key_value_groups", 1)
            parts.append(
                _EagerAttention.apply(
                    q, repeat_kv(k, groups), repeat_kv(v, groups), several, window, scale
                )
            )
            continue
        for one in zip(*(part.split(several, dim=2) for part in (q, k, v)), strict=True):
            length = one[0].shape[2]
            seen = (
                _causal_bias(length, window, query.dtype).to(query.device)
                if 0 < window < length
                else None
            )
            parts.append(sdpa_attention_forward(module, *one, seen, **options)[0])
    return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0], None


class _EagerAttention(torch.autograd.Function):
    """softmax(q k' s) v of each example of a row, as transformers' eager attention computes it.

    Each product reaches beyond its example, to a multiple of STEP: no token sees those after it, and what the others
    would get is left out.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Any, key: Any, value: Any, lengths: list[int], window: int, scale: float
    ) -> Any:
        """All 1 x heads x tokens x width. Result: 1 x tokens x heads x width."""
        query, key, value = (
            functional.pad(part[0], (0, 0, 0, EXAMPLE_MULTIPLE)) for part in (query, key, value)
        )
        found = torch.empty_like(query[:, :-EXAMPLE_MULTIPLE])
        shares = []
        for start, end, reach in _example_ranges(lengths):
            q, k, v = query[:, start:reach], key[:, start:reach], value[:, start:reach]
            seen = _causal_bias(SHORT_EXAMPLE, window, q.dtype)[
                : reach - start, : reach - start
            ].expand(len(q), -1, -1)
            shares.append(torch.baddbmm(seen, q, k.transpose(1, 2), alpha=scale).softmax(-1))
            found[:, start:end] = (shares[-1] @ v)[:, : end - start]
        ctx.save_for_backward(query, key, value, *shares)
        ctx.lengths, ctx.scale = lengths, scale
        return found.transpose(0, 1)[None]

    @staticmethod
    def backward(ctx: Any, *above: torch.Tensor) -> tuple[Any, ...]:
        """Gradients of query, key and value."""
        query, key, value, *shares = ctx.saved_tensors
        slope = above[0][0].transpose(0, 1)
        grads = for_query, for_key, for_value = [
            torch.empty_like(part[None, :, :-EXAMPLE_MULTIPLE]) for part in (query, key, value)
        ]
        for share, (start, end, reach) in zip(shares, _example_ranges(ctx.lengths), strict=True):
            up = functional.pad(slope[:, start:end], (0, 0, 0, reach - end))
            inner = up @ value[:, start:reach].transpose(1, 2)
            inner = torch._softmax_backward_data(inner, share, -1, share.dtype).mul_(ctx.scale)
            for_value[0, :, start:end] = (share.transpose(1, 2) @ up)[:, : end - start]
            for_query[0, :, start:end] = (inner @ key[:, start:reach])[:, : end - start]
            for_key[0, :, start:end] = (inner.transpose(1, 2) @ query[:, start:reach])[
                :, : end - start
            ]
        return *grads, None, None, None


def _example_ranges(lengths: list[int]) -> Iterator[tuple[int, int, int]]:
    """Where each example begins and ends, and how far its products reach."""
    start = 0
    for length in lengths:
        yield start, start + length, start + -(-length // EXAMPLE_MULTIPLE) * EXAMPLE_MULTIPLE
        start += length


@lru_cache(maxsize=4)
def _causal_bias(length: int, window: int, kind: torch.dtype) -> torch.Tensor:
    """What is added to the scores: nothing where a token sees another, minus infinity elsewhere.

    A token sees itself and those before it, as far back as the window of its layer; 0 is no window.
    """
    seen = torch.ones(length, length, dtype=torch.bool).tril()
    seen = seen.triu(1 - window) if window else seen
    return torch.zeros(length, length, dtype=kind).masked_fill_(~seen, float("-inf"))


def _mask_unless_packed(*given: Any, **options: Any) -> torch.Tensor | None:
    return None if _PACKED.get() else sdpa_mask(*given, **options)


AttentionInterface.register(ATTENTION_NAME, attend_per_example)
AttentionMaskInterface.register(ATTENTION_NAME, _mask_unless_packed)
