"""Rows that share their substance, found by the pieces that their texts have in common.

Of a greeting and a sentence, each of which stands in many rows, the sentence is substance and the
greeting a frame: a frame runs through rows that have nothing else in common. Substance is taken
first: what goes with one answer, then what is long and rare. What then runs through many groups
that were found already is a frame.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from engine.data.quality.pieces import CLAUSE, REST, TEMPLATE, WHOLE, Pieces, find_pieces
from engine.data.quality.words import Numbers, Texts

LARGEST_SHARE = 0.25  # of all rows that one group may have; what is in more is no substance
FRAMED_GROUPS = 4  # groups with nothing else in common that a frame runs through


class Clusters:
    """Groups of rows that grow together; every row begins in the group of its near duplicates."""

    def __init__(self, groups: list[int]) -> None:
        self._parent = list(groups)  # a row of the group
        self._rows, self._joined = [0] * len(groups), [1] * len(groups)
        for group in groups:
            self._rows[group] += 1
        self._most = max(2, int(LARGEST_SHARE * len(groups)))

    def begin(self) -> None:
        """From here on, count each group as one that has not grown."""
        self._joined = [1] * len(self._joined)

    def find(self, row: int) -> int:
        """The row that names the group of a row."""
        parent = self._parent
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    def join(self, rows: Iterable[int], always: bool = False) -> None:
        """Make one group of the groups of these rows, unless what they share is but a frame."""
        roots = list({self.find(row) for row in rows})
        if len(roots) < 2 or sum(self._rows[root] for root in roots) > self._most:
            return
        grown = sum(self._joined[root] > 1 for root in roots)
        if not always and grown >= FRAMED_GROUPS and 2 * grown >= len(roots):
            return
        first = min(roots)
        for root in roots:
            if root != first:
                self._parent[root] = first
                self._rows[first] += self._rows[root]
                self._joined[first] += self._joined[root]

    def names(self) -> list[int]:
        """The group of each row."""
        return [self.find(row) for row in range(len(self._parent))]


def join_by_substance(
    clusters: Clusters, texts: Texts, answers: Numbers, labels: bool, templates: bool = True
) -> None:
    """Join rows that have a piece in common that is substance.

    ``answers`` is a key of each row's label or answer, 0 where it has none; ``labels`` says that
    they are labels.
    """
    if not len(texts.starts):
        return
    pieces = find_pieces(texts, answers if labels else np.zeros_like(answers))
    if not templates:
        pieces = pieces.select(pieces.kinds != TEMPLATE)
    pieces = _shared_pieces(pieces)
    if not len(pieces.keys):
        return
    rows = texts.rows[pieces.texts]
    begins = np.flatnonzero(np.diff(pieces.keys, prepend=pieces.keys[0] + np.uint64(1)))
    ends = np.append(begins[1:], len(rows))
    said = answers[rows]
    agree = np.maximum.reduceat(said, begins) == np.minimum.reduceat(said, begins)
    agree |= np.logical_and.reduceat(texts.answers[pieces.texts], begins)
    whole = np.minimum.reduceat(pieces.kinds == WHOLE, begins)
    checked = np.logical_or.reduceat(pieces.checked, begins)
    if labels:  # what is short and like another text means something else with another label
        checked |= np.isin(np.maximum.reduceat(pieces.kinds, begins), (REST, TEMPLATE))
    weight = pieces.sizes[begins] * np.log(len(texts.starts) / (ends - begins))
    order = np.lexsort((pieces.keys[begins], -weight, ~agree, ~whole))
    listed = rows.tolist()
    for at in order[(agree | ~checked)[order]]:
        clusters.join(listed[begins[at] : ends[at]], always=bool(whole[at]))


def _shared_pieces(pieces: Pieces) -> Pieces:
    """The pieces that stand in several texts and are no small part of them, sorted by key."""
    order = np.lexsort((pieces.kinds, pieces.texts, pieces.keys))
    pieces = pieces.select(order)
    again = (np.diff(pieces.keys) == 0) & (np.diff(pieces.texts) == 0)
    pieces = pieces.select(~np.append(False, again))
    _, which, counts = np.unique(pieces.keys, return_inverse=True, return_counts=True)
    shared = counts[which] > 1
    # Words of each text in clauses that no other text has.
    own = np.where((pieces.kinds == CLAUSE) & ~shared, pieces.sizes, 0)
    texts = int(pieces.texts.max(initial=-1)) + 1
    alone = np.bincount(pieces.texts, weights=own, minlength=texts)
    large = (pieces.kinds != CLAUSE) | (pieces.sizes >= alone[pieces.texts])
    pieces = pieces.select(shared & large)
    _, which, counts = np.unique(pieces.keys, return_inverse=True, return_counts=True)
    return pieces.select(counts[which] > 1)
