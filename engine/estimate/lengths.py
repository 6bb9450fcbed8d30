"""Lengths of a dataset's rows, from the histogram of a token report. Knows nothing about tokens."""

from __future__ import annotations

from typing import NamedTuple

from engine.data.quality.token_report import TokenReport


class Lengths(NamedTuple):
    """A histogram of rows by tokens, before any cut; there is one edge more than counts."""

    edges: tuple[int, ...]
    counts: tuple[int, ...]
    longest: int
    target_share: float = 1.0  # of the tokens, those that have a loss

    @property
    def rows(self) -> int:
        return sum(self.counts)

    def quantile(self, share: float) -> int:
        """A length that this share of the rows does not exceed."""
        seen = 0
        for edge, count in zip(self.edges[1:], self.counts, strict=True):
            seen += count
            if seen >= share * self.rows:
                return min(edge, self.longest)
        return self.longest

    def rows_longer_than(self, limit: int) -> int:
        """About how many rows are longer than a limit."""
        found = 0.0
        for low, high, count in zip(self.edges, self.edges[1:], self.counts, strict=False):
            end = max(low + 1, min(high, self.longest + 1))
            found += count * max(0, end - max(low, limit + 1)) / (end - low)
        return round(found)

    def mean(self, limit: int) -> float:
        """Mean tokens of a row, cut at a limit."""
        return sum(length * count for length, count in self._cut_bins(limit)) / max(1, self.rows)

    def mean_padded(self, batch: int, limit: int) -> float:
        """Mean length of the longest row of a batch, to which its other rows are padded."""
        expected, below, seen = 0.0, 0.0, 0
        for length, count in self._cut_bins(limit):
            seen += count
            all_within = (seen / max(1, self.rows)) ** batch
            expected += length * (all_within - below)
            below = all_within
        return expected

    def _cut_bins(self, limit: int) -> list[tuple[float, int]]:
        """The middle of each bin, cut at a limit, with its rows."""
        bins = zip(self.edges, self.edges[1:], self.counts, strict=False)
        longest = self.longest
        return [(min(limit, (low + min(high, longest)) / 2), count) for low, high, count in bins]


def lengths_of_report(tokens: TokenReport | None) -> Lengths | None:
    """The lengths of a token report, before any cut; None where it counted no row."""
    if tokens is None or not sum(tokens.counts):
        return None
    share = tokens.learned / max(1, tokens.tokens)
    return Lengths(tuple(tokens.edges), tuple(tokens.counts), tokens.longest, share)
