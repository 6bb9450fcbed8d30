"""What is noticed over all rows, and which of them are left after the chosen fixes.

Works on a few facts about each row; the rows themselves stay on disk.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from engine.data.likeness.contradictions import Contradictions
from engine.data.quality.findings import Finding, make_finding
from engine.data.quality.repairs import DECIMAL_COMMA, NUMBER_LABEL, REPAIRS, THOUSANDS
from engine.data.row_facts import RowFacts, row_text
from engine.data.rows import HELD_OUT, TRAIN, Rows
from engine.spec.run import Fix
from engine.text import count_of

ROWS_LISTED = 20  # row numbers of a finding
EXAMPLES_SHOWN = 5  # of rows that cannot be used
EXAMPLE_LENGTH = 160  # characters of a row
# Times as frequent as the rarest label: from where it is a finding, and what the fix leaves.
SKEWED, BALANCED = 5, 2
RARE_LABEL_ROWS = 5  # rows below which a label is rare


class Cleaner:
    """Looks for one kind of problem after another; what one fix leaves out, the next does not see.

    ``kept`` are the indices of the rows that are left, ``findings`` what was noticed.
    """

    def __init__(
        self, fixes: tuple[Fix, ...], facts: RowFacts, rows: Rows, contradictions: Contradictions
    ) -> None:
        self._fixes, self._facts, self._rows = fixes, facts, rows
        self._contradictions = contradictions
        self.findings: list[Finding] = []
        self.kept = list(range(len(rows)))

    def find_all(self, with_labels: bool) -> None:
        """Look for every kind of problem; ``with_labels`` where the answers are class labels."""
        self._find_unusable()
        self._find_repairs()
        self._find_lost_letters()
        self._find_contradictions()
        self._find_duplicates()
        self._find_leaks()
        self._find_personal_data()
        if with_labels:
            self._find_label_problems()
        if count := self._facts.bad_answers:
            self.findings.append(make_finding("bad answers", count))

    def _note(
        self, name: str, found: list[int], values: dict[str, Any] | None = None, **fields: Any
    ) -> None:
        """Note these rows, and leave them out where that was chosen."""
        fields.setdefault("rows", [self._facts.numbers[at] for at in found[:ROWS_LISTED]])
        finding = make_finding(name, len(found), values, self._fixes, **fields)
        self.findings.append(finding)
        if finding.done:
            gone = set(found)
            self.kept = [at for at in self.kept if at not in gone]

    def _example(self, at: int) -> str:
        words = " ".join(row_text(self._rows[at]).split())
        return words if len(words) <= EXAMPLE_LENGTH else words[:EXAMPLE_LENGTH] + "…"

    def _find_unusable(self) -> None:
        count, bad = self._facts.bad_count, self._facts.bad
        if not count:
            return
        example = "\n".join(bad[:EXAMPLES_SHOWN])
        if count > EXAMPLES_SHOWN and len(bad) >= EXAMPLES_SHOWN:
            example += f"\n… and {count - EXAMPLES_SHOWN:,} more."
        total = {"total": len(self._rows) + count + self._facts.bad_answers}
        self.findings.append(make_finding("unusable", count, total, self._fixes, example=example))

    def _find_repairs(self) -> None:
        """What is wrong within rows. A fix has changed them already."""
        for fix in REPAIRS:
            if not (found := self._facts.repairs.get(fix)) or not self._is_worth_a_word(fix):
                continue
            example = "\n".join(dict.fromkeys(text for _, text in found[:EXAMPLES_SHOWN]))
            rows = [number for number, _ in found[:ROWS_LISTED]]
            self.findings.append(
                make_finding(fix, len(found), None, self._fixes, example=example, rows=rows)
            )

    def _is_worth_a_word(self, fix: Fix) -> bool:
        """Whether labels with commas may be numbers: all of them, and none in thousands alone.

        Where one has several commas ("0,1,4"), they are lists.
        """
        if fix != "commas" or fix in self._fixes:
            return True
        labels = [label.strip() for label in self._facts.labels if label.strip()]
        numbers = all(NUMBER_LABEL.fullmatch(label) for label in labels)
        lists = any(one.count(",") > 1 and not THOUSANDS.fullmatch(one) for one in labels)
        return (
            numbers
            and not lists
            and not all(map(THOUSANDS.fullmatch, filter(DECIMAL_COMMA.fullmatch, labels)))
        )

    def _find_lost_letters(self) -> None:
        if lost := self._facts.lost:
            self._note("lost", lost, example=self._example(lost[0]))

    def _find_contradictions(self) -> None:
        if not all(self._facts.marks):
            return  # of a good and a bad answer nobody expects that they are equal
        short, long = self._contradictions.find(self.kept)
        if rows := sorted(row for group in short for row in group):
            first = short[0][:2]
            example = "\n".join(map(self._example, first))
            self._note("contradictions", rows, example=example)
        if long:
            example = "\n".join(map(self._example, long[:2]))
            self._note("several answers", long, example=example)

    def _find_duplicates(self) -> None:
        facts, rows = self._facts, len(self._rows)
        seen: set[tuple[int, bytes]] = set()
        first: dict[tuple[int, int], int] = {}
        equal, near = [], []
        for at in self.kept:
            if (pair := (facts.parts[at], facts.keys[at])) in seen:
                equal.append(at)
                continue
            seen.add(pair)
            if first.setdefault((facts.parts[at], facts.groups[at]), at) != at:
                near.append(at)
        if equal:
            name = "all rows the same" if len(equal) == rows - 1 else "duplicates"
            self._note(name, equal, example=self._example(equal[0]))
        if near:
            other = first[facts.parts[near[0]], facts.groups[near[0]]]
            example = f"{self._example(other)}\n{self._example(near[0])}"
            part = f" Looked at the first {facts.compared:,} rows." if facts.compared < rows else ""
            level = "warn" if len(near) > rows // 10 else "info"
            self._note("similar", near, {"part": part}, example=example, level=level)

    def _find_leaks(self) -> None:
        facts = self._facts
        trained = {facts.clusters[at] for at in self.kept if facts.parts[at] == TRAIN}
        held_out = (at for at in self.kept if facts.parts[at] == HELD_OUT)
        leaks = [at for at in held_out if facts.clusters[at] in trained]
        if leaks:
            values = {"held_out": count_of(facts.parts.count(HELD_OUT), "held-out row")}
            self._note("leaked", leaks, values, example=self._example(leaks[0]))

    def _find_personal_data(self) -> None:
        personal = self._facts.personal
        if private := [at for at in self.kept if at in personal]:
            counts = Counter(personal[at][0] for at in private)
            kinds = ", ".join(
                count_of(number, kind, "e-mail addresses" if kind == "e-mail address" else "")
                for kind, number in counts.items()
            )
            self._note("personal", private, {"kinds": kinds}, example=personal[private[0]][1])

    def _find_label_problems(self) -> None:
        facts = self._facts
        labels = Counter(facts.labels[at] for at in self.kept if facts.parts[at] == TRAIN)
        if not labels:
            return
        if facts.label_lists:  # the combinations are no labels of their own
            self._find_rare_labels(Counter(one for at in self.kept for one in facts.each_label(at)))
            return
        most, least = max(labels, key=labels.__getitem__), min(labels, key=labels.__getitem__)
        if len(labels) == 1:
            self.findings.append(make_finding("labels", labels.total(), {"label": most}))
        elif labels[most] > SKEWED * labels[least]:
            values: dict[str, Any] = {"most": most, "least": least}
            values |= {"most_rows": labels[most], "least_rows": labels[least]}
            self._note("balance", self._surplus(BALANCED * labels[least]), values, rows=[])
        self._find_rare_labels(labels)

    def _find_labels_alike(self, labels: Counter[str]) -> None:
        spellings: dict[str, list[str]] = {}
        for label in labels:
            spellings.setdefault("".join(label.casefold().split()), []).append(label)
        several = [one for one in spellings.values() if len(one) > 1]
        if count := sum(len(one) - 1 for one in several):
            names = ", ".join("/".join(f"“{label}”" for label in one) for one in several[:8])
            self.findings.append(make_finding("labels alike", count, {"names": names}))

    def _find_rare_labels(self, labels: Counter[str]) -> None:
        self._find_labels_alike(labels)
        if rare := {label: count for label, count in labels.items() if count < RARE_LABEL_ROWS}:
            names = ", ".join(f"“{label}” ({count})" for label, count in list(rare.items())[:8])
            self.findings.append(make_finding("rare", len(rare), {"names": names}))

    def _surplus(self, most: int) -> list[int]:
        """Training rows of frequent labels beyond ``most`` of each, chosen by their content."""
        facts = self._facts
        by_label: dict[str, list[int]] = {}
        for at in self.kept:
            if facts.parts[at] == TRAIN:
                by_label.setdefault(facts.labels[at], []).append(at)
        drawn = (sorted(rows, key=facts.keys.__getitem__)[most:] for rows in by_label.values())
        return sorted(at for rows in drawn for at in rows)
