"""Batches of token rows: rows of like length together, padded; results in the order of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_by_length(
    items: Sequence[Item],
    length: Callable[[Item], int],
    most: Callable[[int], int],
    compute: Callable[[list[Item]], Iterable[Result]],
) -> list[Result]:
    """Call ``compute`` on batches of items of like length; the results in the order of the items.

    ``most``: how many items of this length are computed together, at least one.
    """
    batches: list[list[int]] = []
    for at in sorted(range(len(items)), key=lambda at: length(items[at])):
        if batches and len(batches[-1]) < most(length(items[at])):
            batches[-1].append(at)
        else:
            batches.append([at])
    found: dict[int, Result] = {}
    for batch in batches:
        found |= dict(zip(batch, compute([items[at] for at in batch]), strict=True))
    return [found[at] for at in range(len(items))]


def pad_rows(
    rows: Sequence[list[int]], filler: int, *, left: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of different lengths as one tensor (rows x longest), and its attention mask."""
    width = max(map(len, rows))
    padded, mask = [], []
    for row in rows:
        missing = width - len(row)
        fill, zeros, ones = [filler] * missing, [0] * missing, [1] * len(row)
        padded.append(fill + row if left else row + fill)
        mask.append(zeros + ones if left else ones + zeros)
    return torch.tensor(padded), torch.tensor(mask)
