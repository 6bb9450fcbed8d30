"""Which rows are held out: content and seed alone decide, so equal data is always split alike."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

# Group of near duplicates, key of the content, label or "", index.
SplitRow = tuple[int, bytes, str, int]


def choose_held_out(items: Iterable[SplitRow], share: float, seed: int) -> set[int]:
    """Return the indices of the held-out rows: a share of each label; no group is divided."""
    groups: dict[int, list[SplitRow]] = defaultdict(list)
    for item in items:
        groups[item[0]].append(item)
    by_label: dict[str, list[list[SplitRow]]] = defaultdict(list)
    for group in groups.values():
        by_label[min((key, label) for _, key, label, _ in group)[1]].append(group)
    held: set[int] = set()
    owed = 0.0  # rows that the labels before were too small to give
    for label in sorted(by_label):
        drawn = sorted(by_label[label], key=lambda group: _hash_order(group, seed))
        total = sum(map(len, drawn))
        owed += share * total
        for group in drawn:
            # A group larger than what is wanted stays in training, and so does a label's last one.
            if len(group) > owed + 0.5 or total - len(group) < 1:
                continue
            held |= {item[3] for item in group}
            total -= len(group)
            owed -= len(group)
            if owed < 0.5:
                break
    if share > 0 and not held and len(groups) > 1:
        smallest = min(groups.values(), key=lambda group: (len(group), _hash_order(group, seed)))
        held = {item[3] for item in smallest}
    return held


def _hash_order(group: list[SplitRow], seed: int) -> bytes:
    key = min(item[1] for item in group)
    return hashlib.blake2b(key, key=str(seed).encode(), digest_size=8).digest()
