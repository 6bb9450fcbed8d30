"""The same question with different answers, the same text with different labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection

ASKED_SHARE = 0.25  # of all rows that ask the same; more are an instruction, not a question


class Contradictions:
    """Takes in rows by keys of their question and answer."""

    def __init__(self) -> None:
        # Question -> (row, answer, whether the answer is a label or a few words)
        self._asked: dict[int, list[tuple[int, int, bool]]] = defaultdict(list)
        self._rows = 0

    def add(self, row: int, question: int, answer: int, is_short: bool) -> None:
        """Add a row; 0 stands for no question or no answer."""
        self._rows += 1
        if question and answer:
            self._asked[question].append((row, answer, is_short))

    def find(self, kept: Collection[int]) -> tuple[list[list[int]], list[int]]:
        """Rows of each question whose short answers differ, and rows that differ in long ones."""
        chosen, most = set(kept), max(3, ASKED_SHARE * self._rows)
        short: list[list[int]] = []
        long: list[int] = []
        for asked in self._asked.values():
            rows = [one for one in asked if one[0] in chosen]
            if len({answer for _, answer, _ in rows}) < 2 or len(rows) > most:
                continue
            if all(is_short for _, _, is_short in rows):
                short.append(_without_majority(rows))
            else:
                long += [row for row, _, _ in rows]
        return short, sorted(long)


def _without_majority(rows: list[tuple[int, int, bool]]) -> list[int]:
    """The rows that contradict the answer of most; all where no answer is that of most."""
    (answer, count), *_ = Counter(answer for _, answer, _ in rows).most_common(1)
    most = answer if 2 * count > len(rows) else None
    return [row for row, said, _ in rows if said != most]
