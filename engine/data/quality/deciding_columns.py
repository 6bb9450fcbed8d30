"""Columns that may say whether a row is good: their values are counted, and asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

from engine.data.columns import names as known
from engine.data.columns.cells import is_blank
from engine.data.columns.contents import are_references
from engine.data.columns.marks import (
    BAD_WORDS,
    NAME_PARTS,
    NO_WORDS,
    SCORE_NAMES,
    UNDECIDED_WORDS,
    VERDICT_NAMES,
    YES_WORDS,
    is_verdict_name,
    judges,
    name_words,
    plain_word,
    says_bad,
)
from engine.data.columns.paths import nested_paths, read_path, root_column
from engine.data.quality.findings import Finding, make_finding
from engine.data.rows import Row
from engine.data.schema import Schema
from engine.spec.run import Shape
from engine.text import count_of

MOST_COLUMNS = 200  # that are counted
VALUES_ASKED = 12  # of a column that is asked about
VALUE_LENGTH = 60
ROWS_TO_REPEAT = 10  # below this a repeated value says nothing
ROWS_A_VALUE = 3  # rows for each value, where neither name nor values say what a column is
EMPTY = "(empty)"
ANY_SIGNS = {"x", "-"}  # that mean yes, nothing or X as often as no
ANSWERED = (Shape.CHAT, Shape.ALPACA, Shape.COMPLETION, Shape.FEEDBACK, Shape.PREFERENCE)


def value_text(value: Any) -> str | None:
    """A value as it is counted and chosen; empty where there is none, None for a long one."""
    if is_blank(value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        value = ", ".join(map(str, value))  # flags
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if not isinstance(value, str | int) or len(text := str(value).strip()) > VALUE_LENGTH:
        return None
    return text


def leaves_out(row: Row, left_out: Mapping[str, Sequence[str]]) -> bool:
    """Whether a row has one of the values, by column, whose rows are left out."""
    chosen = ((column, values) for column, values in left_out.items() if values)
    return any(value_text(read_path(row, column)) in values for column, values in chosen)


class ValueCounts:
    """How often each value stands in the columns from which nothing is learned."""

    def __init__(self, columns: Sequence[str], sample: Sequence[Row], schema: Schema) -> None:
        # While a schema is to be confirmed, the columns of its alternative are in use as well.
        other = schema.alternative.roles if schema.alternative else {}
        used = {*schema.roles.values(), *other.values()}
        paths = [one for one in (*columns, *nested_paths(sample)) if not root_column(one, used)]
        self.rows = 0
        self.of = {one: Counter[str]() for one in paths[:MOST_COLUMNS]}
        self._label = schema.roles.get("label", "")
        # Column -> value -> label, as long as a column is the label in another writing.
        self._labels = {one: dict[str, str]() for one in self.of if self._label}
        names = VERDICT_NAMES | SCORE_NAMES
        # Least and greatest number of each column that may score its rows.
        self.scores = {one: [inf, -inf] for one in self.of if name_words(_last_name(one)) & names}

    def add(self, row: Row) -> None:
        """Count a row's values; a column with too many or too long ones is given up."""
        self.rows += 1
        label = str(read_path(row, self._label))
        for column in list(self.scores):
            self._note_score(column, read_path(row, column))
        for column, counts in list(self.of.items()):
            text = value_text(read_path(row, column))
            if text is None or (text not in counts and len(counts) == VALUES_ASKED):
                del self.of[column]
                continue
            counts[text] += 1
            if self._labels.get(column, {}).setdefault(text, label) != label:
                del self._labels[column]

    def _note_score(self, column: str, value: Any) -> None:
        try:
            number = None if is_blank(value) else float(value)
        except (TypeError, ValueError):
            del self.scores[column]
            return
        if number is not None:
            low, high = self.scores[column]
            self.scores[column] = [min(low, number), max(high, number)]

    def undecided(self) -> dict[str, Counter[str]]:
        """The columns left, without the label's number or another writing of it."""
        same = {column for column, labels in self._labels.items()
                if len(set(labels.values())) == len(labels) > 1}  # fmt: skip
        return {column: counts for column, counts in self.of.items() if column not in same}


def deciding_findings(
    counts: ValueCounts, left_out: Mapping[str, Sequence[str]], shape: Shape
) -> Iterator[Finding]:
    """A question for each column that may decide, and what was answered already."""
    for column, found in counts.undecided().items():
        if column in left_out:
            yield _answered(column, found, left_out[column])
        elif kind := _kind_of(column, found, counts.rows, shape):
            yield _question(kind, column, found)

    for column, (low, high) in counts.scores.items():
        # Of preferences, the answers have their scores.
        if not (column in counts.of or column in left_out or shape == Shape.PREFERENCE):
            values = {"column": column, "low": f"{low:g}", "high": f"{high:g}"}
            yield make_finding("score", 0, values, column=column)


def _last_name(path: str) -> str:
    return path.rsplit(".", 1)[-1]


def _kind_of(column: str, counts: Counter[str], rows: int, shape: Shape) -> str:
    """What is asked: "verdict" of a column that judges its rows, "few values"; or nothing."""
    name, values = _last_name(column), [value for value in counts if value]
    if shape == Shape.PREFERENCE and name_words(name) & {"chosen", "rejected"}:
        return ""  # what one of the answers is worth, or who gave it
    words = {plain_word(value) for value in values}
    against = (words & BAD_WORDS) - ANY_SIGNS
    if len(counts) == 1:  # the same in every row
        bad = bool(against) or any(says_bad(name, value) for value in values)
        return "verdict" if bad and (is_verdict_name(name) or against) else ""
    named = is_verdict_name(name) and _could_judge(name, counts, words)
    if named or judges(values) or (bool(against) and words <= BAD_WORDS):
        return "verdict"
    yes_or_no = shape in ANSWERED and len(words) == 2 and words <= YES_WORDS | NO_WORDS
    scored = len(values) > 1 and bool(name_words(name) & SCORE_NAMES)
    if words == {"x"} or yes_or_no or scored:
        return "few values"
    repeated = rows >= ROWS_TO_REPEAT and 1 < len(values) <= max(2, rows // ROWS_A_VALUE)
    is_date = are_references(values) and not all(word.lstrip("-").isdigit() for word in words)
    return "few values" if repeated and not is_date else ""


def _could_judge(name: str, counts: Counter[str], words: set[str]) -> bool:
    """Whether values could be what a name like "correct" says: they repeat, and are no answers."""
    if words <= YES_WORDS | NO_WORDS | UNDECIDED_WORDS:
        return True
    answers = NAME_PARTS.split(name.rstrip("_0123456789"))[-1].lower() in known.ANSWER_NOUNS
    return not answers and max(counts.values()) > 1


def _question(kind: str, column: str, counts: Counter[str]) -> Finding:
    ordered = dict(counts.most_common())
    shown = ", ".join(f"{value or EMPTY} ({count:,})" for value, count in ordered.items())
    bad = [value for value in ordered if value and says_bad(_last_name(column), value)]
    values = {"column": column, "values": shown, "different": len(ordered)}
    suggested = bad if kind == "verdict" else []
    more: dict[str, Any] = {"column": column, "choices": ordered, "suggested": suggested}
    return make_finding(kind, counts.total(), values, **more)


def _answered(column: str, counts: Counter[str], chosen: Sequence[str]) -> Finding:
    gone = sum(counts[value] for value in chosen)
    shown = ", ".join(value or EMPTY for value in chosen)
    values = {"column": column, "values": shown, "gone": count_of(gone, "row")}
    name = "values left out" if chosen else "no matter"
    return make_finding(name, gone, values, column=column, choices=dict(counts), done=True)
