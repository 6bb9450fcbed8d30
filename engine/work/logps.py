"""How likely a model finds answers: the log-probability of the learned tokens of rows, from these tokens' logits alone.

Knows nothing about goals. The logits of all other tokens would be the largest part of the work: a question's tokens
are not asked about, and a vocabulary has up to 200,000 entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engine.work.data import IGNORED, Encoded

Batch = dict[str, Tensor]


def padded(rows: Sequence[Encoded], pad: int) -> Batch:
    """Rows as tensors of one width, padded on the right."""
    width = max(len(row.ids) for row in rows)
    spare = [width - len(row.ids) for row in rows]
    return {
        "input_ids": torch.tensor([row.ids + [pad] * more for row, more in zip(rows, spare, strict=True)]),
        "attention_mask": torch.tensor(
            [[1] * len(row.ids) + [0] * more for row, more in zip(rows, spare, strict=True)]
        ),
        "labels": torch.tensor([row.labels + [IGNORED] * more for row, more in zip(rows, spare, strict=True)]),
    }


def learned(labels: Tensor) -> Tensor:
    """Which tokens count, one column narrower: the first has none before it to be foretold from."""
    return labels[:, 1:] != IGNORED


def log_probabilities(model: Any, batch: Batch) -> Tensor:
    """For each row the sum over its learned tokens, in fp32."""
    labels = batch["labels"]
    counts = learned(labels)
    logits = _logits(model, batch, counts)
    found = -cross_entropy(logits.float(), labels[:, 1:][counts], reduction="none")
    return found.new_zeros(counts.shape).masked_scatter(counts, found).sum(dim=1)


def _logits(model: Any, batch: Batch, counts: Tensor) -> Tensor:
    """The logits from which the counted tokens are foretold, row by row: (tokens, vocabulary).

    The model's head is given these positions alone; what the model does to its logits after it (scaling, capping) is
    done to each by itself.
    """
    asked = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "use_cache": False}
    head = model.get_output_embeddings()
    if head is None:
        return model(**asked).logits[:, :-1][counts]
    wanted = torch.cat([counts, counts.new_zeros(len(counts), 1)], dim=1)
    hook = head.register_forward_pre_hook(lambda _, args: (args[0][wanted.to(args[0].device)], *args[1:]))
    try:
        return model(**asked).logits.to(counts.device)
    finally:
        hook.remove()
