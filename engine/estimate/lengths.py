"""How long the rows of some data are, as the histogram of a token report tells. Pure; knows nothing about tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Lengths(NamedTuple):
    """Rows by their tokens before any cut: ``edges`` are one more than ``counts``."""

    edges: tuple[int, ...]
    counts: tuple[int, ...]
    longest: int
    learned: float = 1.0  # the share of the tokens that have a loss

    @property
    def rows(self) -> int:
        return sum(self.counts)

    def at(self, share: float) -> int:
        """A length that this share of the rows does not exceed."""
        seen = 0
        for edge, count in zip(self.edges[1:], self.counts, strict=True):
            seen += count
            if seen >= share * self.rows:
                return min(edge, self.longest)
        return self.longest

    def longer(self, limit: int) -> int:
        """About how many rows are longer than a limit."""
        found = 0.0
        for low, high, count in zip(self.edges, self.edges[1:], self.counts, strict=False):
            high = max(low + 1, min(high, self.longest + 1))
            found += count * max(0, high - max(low, limit + 1)) / (high - low)
        return round(found)

    def mean(self, limit: int) -> float:
        """Tokens of a row on average, cut at a limit."""
        return sum(length * count for length, count in self._cut(limit)) / max(1, self.rows)

    def widest(self, batch: int, limit: int) -> float:
        """The longest row that a batch has on average, to which the others of it are padded."""
        expected, below, seen = 0.0, 0.0, 0
        for length, count in self._cut(limit):
            seen += count
            all_within = (seen / max(1, self.rows)) ** batch
            expected += length * (all_within - below)
            below = all_within
        return expected

    def _cut(self, limit: int) -> list[tuple[float, int]]:
        """The middle of each bin, cut at a limit, with its rows."""
        bins = zip(self.edges, self.edges[1:], self.counts, strict=False)
        return [
            (min(limit, (low + min(high, self.longest)) / 2), count) for low, high, count in bins
        ]


def lengths_of_report(
    edges: Sequence[int], counts: Sequence[int], longest: int, learned: float = 1.0
) -> Lengths | None:
    """The lengths of a token report; None where it counted no row."""
    counted = sum(counts) and len(edges) > len(counts)
    return Lengths(tuple(edges), tuple(counts), longest, learned) if counted else None
