"""Groups of rows that say the same, found by the pieces that their texts have in common.

Of a greeting and a sentence that many rows contain, the sentence is their substance and the
greeting boilerplate: the rows that contain it have nothing else in common. Pieces that go with one
answer join rows first, then long and rare ones. A piece that many of the groups found so far
contain is boilerplate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from engine.data.likeness.pieces import CLAUSE, REST, TEMPLATE, WHOLE, Pieces, find_pieces
from engine.data.likeness.wording import find_alike, index_wording, share_of_pairs
from engine.data.likeness.words import Numbers, Texts, count_each

LARGEST_SHARE = 0.4  # of all rows that have a piece in common; what is in more is no substance
ALIKE_SHARE = 0.25  # of all rows, up to which groups grow by being worded alike
CHAINED_SHARE = 0.05  # of all rows, from which a group no longer grows by what few rows share
ALIKE = 0.55  # of the wording that two texts share
ROWS_ASKED = 4  # of a group, when it is compared with another
BOILERPLATE_GROUPS = 4  # groups with nothing else in common that contain the same boilerplate


class Clusters:
    """Groups of rows that grow together; every row begins in the group of its near duplicates."""

    def __init__(self, groups: list[int]) -> None:
        self._parent = list(groups)  # a row of the group
        self._rows, self._joined = [0] * len(groups), [1] * len(groups)
        self._some: dict[int, list[int]] = {}  # a few rows of groups that have grown
        for group in groups:
            self._rows[group] += 1
        self._most = max(2, int(LARGEST_SHARE * len(groups)))
        self._chained = max(2, int(CHAINED_SHARE * len(groups)))

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
        """Make one group of the groups of these rows, unless they share only boilerplate."""
        inside = Counter(map(self.find, rows))
        # Groups that hold something else as well.
        mixed = sum(self._joined[root] > 1 and self._rows[root] > inside[root] for root in inside)
        if not always and mixed >= BOILERPLATE_GROUPS and 2 * mixed >= len(inside):
            return
        limit = min(self._most, max(self._chained, 2 * inside.total()))
        roots = list(inside)
        if sum(self._rows[root] for root in roots) > limit:  # without what is mostly of others
            roots = [root for root in roots if 2 * inside[root] >= self._rows[root]]
        if sum(self._rows[root] for root in roots) <= limit:
            self._merge(roots)

    def join_pair(self, one: int, other: int) -> None:
        """Make one group of two, unless it becomes too large."""
        if self._rows[one] + self._rows[other] <= ALIKE_SHARE * len(self._parent):
            self._merge([one, other])

    def _merge(self, roots: list[int]) -> None:
        if len(roots) < 2:
            return
        some = [row for root in roots for row in self.some_rows(root)][:ROWS_ASKED]
        first = min(roots)
        for root in roots:
            if root != first:
                self._parent[root] = first
                self._rows[first] += self._rows[root]
                self._joined[first] += self._joined[root]
        self._some[first] = some

    def some_rows(self, row: int) -> list[int]:
        """A few rows of the group of a row."""
        root = self.find(row)
        return self._some.get(root, [root])

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
    kinds = np.maximum.reduceat(pieces.kinds, begins)
    checked = np.logical_or.reduceat(pieces.checked, begins)
    if labels:  # what is short and like another text means something else with another label
        checked |= np.isin(kinds, (REST, TEMPLATE))
    weight = pieces.sizes[begins] * np.log(len(texts.starts) / (ends - begins))
    # A template that goes with one of answers says more than an answer that two rows share.
    asked = whole & ~np.logical_or.reduceat(texts.answers[pieces.texts], begins)
    template = kinds == TEMPLATE
    strong = asked | (template & (labels or bool(texts.answers.any())))
    order = np.lexsort((pieces.keys[begins], -weight, ~agree, template, ~whole, ~strong, ~asked))
    listed = rows.tolist()
    for at in order[(agree | ~checked)[order]]:
        clusters.join(listed[begins[at] : ends[at]], always=bool(whole[at]))


def join_by_wording(clusters: Clusters, texts: Texts, answers: Numbers, labels: bool) -> None:
    """Join groups whose rows share most of their wording, all in all; labels must be the same."""
    chosen = np.flatnonzero(~texts.answers)
    wording, rows = index_wording(texts, chosen), texts.rows[chosen].tolist()
    text_of = {row: text for text, row in enumerate(rows)}
    for one, other in find_alike(wording, ALIKE):
        left, right = clusters.find(rows[one]), clusters.find(rows[other])
        if left == right or (labels and answers[rows[one]] != answers[rows[other]]):
            continue
        pairs = [
            (text_of[first], text_of[second])
            for first in clusters.some_rows(left)
            for second in clusters.some_rows(right)
            if first in text_of and second in text_of
        ]
        if len(pairs) < 2 or share_of_pairs(wording, *np.array(pairs).T).mean() >= ALIKE:
            clusters.join_pair(left, right)


def _shared_pieces(pieces: Pieces) -> Pieces:
    """The pieces that stand in several texts and are no small part of them, sorted by key."""
    # Words of each text in clauses that no other text has.
    repeated = count_each(pieces.keys) > 1
    own = np.where((pieces.kinds == CLAUSE) & ~repeated, pieces.sizes, 0)
    texts = int(pieces.texts.max(initial=-1)) + 1
    alone = np.bincount(pieces.texts, weights=own, minlength=texts)
    large = (pieces.kinds != CLAUSE) | (pieces.sizes >= alone[pieces.texts])
    pieces = pieces.select(repeated & large)
    order = np.lexsort((pieces.kinds, pieces.texts, pieces.keys))
    pieces = pieces.select(order)
    again = (np.diff(pieces.keys) == 0) & (np.diff(pieces.texts) == 0)
    pieces = pieces.select(~np.append(False, again)[: len(order)])
    return pieces.select(count_each(pieces.keys) > 1)
