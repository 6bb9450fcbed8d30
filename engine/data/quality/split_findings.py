"""What is said of the split: which rows were kept together, and whether a share could be met."""

from __future__ import annotations

from collections import Counter

from engine.data.ingest import MIN_EXAMPLES
from engine.data.quality.findings import Finding, make_finding
from engine.data.row_facts import RowFacts
from engine.data.rows import HELD_OUT
from engine.text import count_of

SAID_SHARE = 0.1  # of the rows, from which it is said that rows are kept together
MISSED_SHARE = 0.3  # of the rows wanted, by which the held-out ones may differ from them
FEW_ROWS = 3  # held out more or fewer that nobody minds


def split_findings(
    facts: RowFacts, kept: list[int], held_out: set[int], share: float
) -> list[Finding]:
    """What the split of these rows needs to be known; ``share`` was wanted to be held out."""
    if HELD_OUT in facts.parts or not share:
        return []
    if not held_out:
        return [make_finding("split", len(kept))] if len(kept) >= MIN_EXAMPLES else []
    sizes = Counter(facts.clusters[at] for at in kept)
    several = [size for size in sizes.values() if size > 1]
    joined, wanted = sum(several), round(share * len(kept))
    values = {
        "groups": count_of(len(several), "group"),
        "largest": count_of(max(several, default=0), "row"),
        "joined": count_of(joined, "row"),
        "held_out": count_of(len(held_out), "row"),
        "wanted": wanted,
    }
    if several and abs(len(held_out) - wanted) > max(FEW_ROWS, MISSED_SHARE * wanted):
        return [make_finding("few clusters", len(held_out), values)]
    near = Counter(facts.groups[at] for at in kept)
    if joined - sum(size for size in near.values() if size > 1) >= max(2, SAID_SHARE * len(kept)):
        return [make_finding("kept together", joined, values)]
    return []
