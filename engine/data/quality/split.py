"""Which rows are held out, and what has to be said of it.

Content and seed alone decide, so equal data is always split alike.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from engine.data.ingest import MIN_EXAMPLES
from engine.data.quality.findings import Finding, make_finding
from engine.data.row_facts import RowFacts
from engine.data.rows import HELD_OUT
from engine.text import count_of, format_share

SAID_SHARE = 0.1  # of the rows, from which it is said that rows are kept together
MISSED_SHARE = 0.3  # of the rows wanted, by which the held-out ones may differ from them
MISSED_ROWS = 3  # held out more or fewer that nobody minds
FEW_DIFFERENT = 10  # held-out rows, up to which each weighs much
# Cluster of rows that say the same, key of the content, label or "", index.
SplitRow = tuple[int, bytes, str, int]


def choose_held_out(items: Iterable[SplitRow], share: float, seed: int) -> set[int]:
    """Return the indices of the held-out rows: a share of each label; no cluster is divided."""
    clusters: dict[int, list[SplitRow]] = defaultdict(list)
    for item in items:
        clusters[item[0]].append(item)
    by_label: dict[str, list[list[SplitRow]]] = defaultdict(list)
    for cluster in clusters.values():
        by_label[min((key, label) for _, key, label, _ in cluster)[1]].append(cluster)
    held: set[int] = set()
    owed = 0.0  # rows that the labels before were too small to give
    for label in sorted(by_label):
        drawn = sorted(by_label[label], key=lambda cluster: _draw_order(cluster, seed))
        owed += share * sum(map(len, drawn))
        chosen = _draw_clusters(drawn, owed)
        held |= {item[3] for cluster in chosen for item in cluster}
        owed -= sum(map(len, chosen))
    # Of a label of which nothing would be learned, nothing is held out.
    spare = [one for drawn in by_label.values() if len(drawn) > 1 for one in drawn]
    if share > 0 and not held and spare:
        smallest = min(spare, key=lambda one: (len(one), _draw_order(one, seed)))
        held = {item[3] for item in smallest}
    return held


def _draw_clusters(drawn: list[list[SplitRow]], wanted: float) -> list[list[SplitRow]]:
    """The first clusters that make about this many rows; the last one of a label always stays.

    Where only large ones are left, one of up to twice the rows that are wanted is better than none.
    """
    chosen: dict[int, list[SplitRow]] = {}
    for most in (1.5, 2.0):
        for at, cluster in enumerate(drawn):
            if wanted < 0.5 or len(chosen) + 1 >= len(drawn):
                break
            room = wanted + 0.5 if chosen else max(wanted + 0.5, most * wanted)
            if at not in chosen and len(cluster) <= room:
                chosen[at] = cluster
                wanted -= len(cluster)
    return list(chosen.values())


def _draw_order(cluster: list[SplitRow], seed: int) -> float:
    """Smallest first: by chance, but a cluster of two comes first twice as often as one row."""
    key = min(item[1] for item in cluster)
    drawn = hashlib.blake2b(key, key=str(seed).encode(), digest_size=8).digest()
    return -math.log((int.from_bytes(drawn) + 1) / 2**64) / len(cluster)


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
    found = _alike_findings(facts, held_out)
    missed = abs(len(held_out) - wanted) > max(MISSED_ROWS, MISSED_SHARE * wanted)
    if several and missed and not found:
        return [make_finding("few clusters", len(held_out), values)]
    near = Counter(facts.groups[at] for at in kept)
    if joined - sum(size for size in near.values() if size > 1) >= max(2, SAID_SHARE * len(kept)):
        found.append(make_finding("kept together", joined, values))
    return found


def _alike_findings(facts: RowFacts, held_out: set[int]) -> list[Finding]:
    """That the held-out rows say few different things, so that each of these weighs much."""
    different = len({facts.clusters[at] for at in held_out})
    if different > FEW_DIFFERENT or len(held_out) < 2 * different:
        return []
    said = {"things": count_of(different, "different thing"), "share": format_share(1, different)}
    return [make_finding("held out alike", len(held_out), said)]
