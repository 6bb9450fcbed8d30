"""What is noticed over all rows, and which of them are left after the chosen fixes.

Works on a few facts of each row; the rows themselves stay on disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from engine.data.normalize import Row
from engine.data.quality import findings as fd
from engine.data.quality.findings import Finding
from engine.data.rows import HELD_OUT, TRAIN, Rows
from engine.spec.run import Fix

ROWS_LISTED = 20  # row numbers of a finding
SKEWED, BALANCED = (
    5,
    2,
)  # times as frequent as the rarest label: from where it is said, and what is left then


class RowFacts:
    """What is kept of each normal row while the others are read."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.parts: list[int] = []
        self.keys: list[bytes] = []
        self.groups: list[int] = []
        self.first: dict[bytes, int] = {}  # key -> group
        self.labels: list[str] = []
        self.marks: list[bool] = []  # whether an answer is good
        self.personal: dict[int, tuple[str, str]] = {}
        self.bad: list[str] = []  # in words, the first ones
        self.bad_count = 0
        self.bad_answers = 0


def row_words(row: Row) -> str:
    """All that a row says, for comparing and searching."""
    if "messages" in row:
        return "\n".join(
            message["content"] for message in row["messages"] if message["role"] != "system"
        )
    return row.get("text") or f"{row['prompt']}\n{row['completion']}"


def _example(row: Row) -> str:
    words = " ".join(row_words(row).split())
    return words if len(words) <= 160 else words[:160] + "…"


def apply_fixes(
    fixes: tuple[Fix, ...], facts: RowFacts, rows: Rows, compared: int, labelled: bool
) -> tuple[list[Finding], list[int]]:
    """What is noticed, and the indices of the rows that are left after the chosen fixes.

    ``compared`` is how many rows were compared for likeness; ``labelled`` whether their answers are labels.
    """
    noticed: list[Finding] = []
    kept = list(range(len(rows)))

    def numbers(found: list[int]) -> list[int]:
        return [facts.numbers[at] for at in found[:ROWS_LISTED]]

    def apply(kind: str, found: list[int], make: Callable[[bool], Finding]) -> None:
        """Note it, and leave the rows out where that was chosen."""
        nonlocal kept
        if found:
            chosen = kind in fixes
            noticed.append(make(chosen))
            if chosen:
                gone = set(found)
                kept = [at for at in kept if at not in gone]

    if facts.bad_count:
        total = len(rows) + facts.bad_count + facts.bad_answers
        noticed.append(fd.unusable(facts.bad_count, total, facts.bad, "unusable" in fixes))
    seen: set[tuple[int, bytes]] = set()
    again = [
        at for at in kept if (pair := (facts.parts[at], facts.keys[at])) in seen or seen.add(pair)
    ]  # type: ignore[func-returns-value]
    apply(
        "duplicates",
        again,
        lambda done: fd.duplicates(
            len(again), len(rows), _example(rows[again[0]]), numbers(again), done
        ),
    )
    exact = set(again)
    first: dict[tuple[int, int], int] = {}
    near = [
        at
        for at in kept
        if at not in exact and first.setdefault((facts.parts[at], facts.groups[at]), at) != at
    ]
    apply(
        "similar",
        near,
        lambda done: fd.similar(
            len(near),
            f"{_example(rows[first[facts.parts[near[0]], facts.groups[near[0]]]])}\n{_example(rows[near[0]])}",
            numbers(near),
            done,
            compared,
            len(rows),
        ),
    )
    learned = {
        facts.groups[at] for at in kept if facts.parts[at] == TRAIN
    }  # equal rows are of one group, too
    leaks = [at for at in kept if facts.parts[at] == HELD_OUT and facts.groups[at] in learned]
    apply(
        "leaked",
        leaks,
        lambda done: fd.leaked(
            len(leaks), facts.parts.count(HELD_OUT), _example(rows[leaks[0]]), numbers(leaks), done
        ),
    )
    private = [at for at in kept if at in facts.personal]
    kinds = Counter(facts.personal[at][0] for at in private)
    apply(
        "personal",
        private,
        lambda done: fd.personal(
            len(private), dict(kinds), facts.personal[private[0]][1], numbers(private), done
        ),
    )
    if labelled:
        labels = Counter(facts.labels[at] for at in kept if facts.parts[at] == TRAIN)
        if len(labels) == 1:
            noticed.append(fd.one_label(next(iter(labels)), labels.total()))
        elif labels and max(labels.values()) > SKEWED * min(labels.values()):
            many = _too_many(facts, kept, BALANCED * min(labels.values()))
            apply("balance", many, lambda done: fd.unbalanced(dict(labels), len(many), done))
        if rare := {label: count for label, count in labels.items() if count < 5}:
            noticed.append(fd.rare_labels(rare))
    if facts.bad_answers:
        noticed.append(fd.bad_answers(facts.bad_answers))
    return noticed, kept


def _too_many(facts: RowFacts, kept: list[int], most: int) -> list[int]:
    """Training rows of frequent labels beyond ``most`` of each, chosen by content."""
    by_label: dict[str, list[int]] = {}
    for at in kept:
        if facts.parts[at] == TRAIN:
            by_label.setdefault(facts.labels[at], []).append(at)
    return sorted(
        at
        for found in by_label.values()
        for at in sorted(found, key=lambda at: facts.keys[at])[most:]
    )
