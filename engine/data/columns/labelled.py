"""Tables of texts by the names of their columns: with labels, in pairs, or alone."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from engine.data import column_names as known
from engine.data.columns.contents import (
    all_decimals,
    all_integers,
    are_distinct,
    are_own_texts,
    are_questions,
    are_sentences,
    could_matter,
    holds_label_lists,
    holds_labels,
)
from engine.data.columns.table import Columns
from engine.data.schema import Schema
from engine.spec.run import Shape

# Of the columns that could be labels, one so named is it.
PLAIN_NAMES = ("label", "labels", "label_text", "label_name", "class")
MANY_ROWS = 20  # from here on labels have to repeat


def find_texts(table: Columns) -> Schema | None:
    """A text, or two, with a label or without one; None where no column is known to hold text."""
    label = _answers_in_lists(table, find_label_column(table))
    known_pair = next((pair for pair in known.TEXT_PAIRS if table.has(*pair)), ())
    pair = [table.names[name] for name in known_pair]
    text = table.inside(table.first(known.TEXT_COLUMNS, label))
    if table.filled(text) and not table.texts(text):
        text = ""  # what is named so holds objects
    values, count = table.texts(label) if label else [], len(table.rows)
    if count >= MANY_ROWS and len(set(values)) > count // 2 and not all_decimals(values):
        if text or pair:
            roles = {"prompt": text or pair[0], "completion": label}
            reason = f"Nearly every row has its own '{label}'"
            reason += ", so it is taken as the answer to the text."
            found = Schema(Shape.COMPLETION, reason, roles)
            return _or_several(table, found)
        label = ""
    if label and (text or pair) and are_sentences(values) and are_distinct(values):
        named = Schema(Shape.LABEL, f"'{label}' is named as a label.",
                       {"text": text or pair[0], "label": label})  # fmt: skip
        return _or_answered(named, text or pair[0], label)
    if pair and label:
        return _pair_with_label(table, pair[0], pair[1], label)
    if text and label:
        return _text_with_label(table, text, label)
    return _text_alone(table, text) if text else None


def _answers_in_lists(table: Columns, label: str) -> str:
    """The path to the texts in lists that are answers, since nearly each row has its own."""
    first, count = f"{label}[0]", len(table.rows)
    if not label or not table.is_list(label):
        return label
    texts = table.texts(first)
    alone = count >= MANY_ROWS and not table.texts(f"{label}[1]")
    own = len(set(texts)) > count // 2 and (alone or are_sentences(texts))
    return first if own else label


def _or_several(table: Columns, found: Schema) -> Schema:
    """An answer; to be confirmed where it is the first of a list, of which the rest is dropped."""
    answer = found.roles["completion"]
    if not answer.endswith("[0]") or not table.texts(answer.removesuffix("[0]") + "[1]"):
        return found
    doubt = "Of several only the first is learned. Is that right?"
    return found._replace(reason=f"{found.reason} {doubt}", certain=False)


def find_label_column(table: Columns) -> str:
    """The column that holds labels; one with words is preferred to one with numbers."""
    labels = _label_columns(table)
    words = (column for column in labels if not all_integers(table.values(column)))
    return next(words, labels[0] if labels else "")


def _label_columns(table: Columns) -> list[str]:
    """The columns whose names say that they hold labels."""
    labels = [table.names[name] for name in known.LABEL_COLUMNS if name in table.names]
    for name, column in table.names.items():
        named = known.LABEL_WORDS.intersection(re.split(r"[\W_]+", name)) and column not in labels
        if named and holds_labels(table.texts(column), len(table.rows)):
            labels.append(column)
    return labels


def _other_label(table: Columns, label: str) -> str:
    """Another column of labels, where neither name nor values say which is meant; else empty."""
    if label.lower() in PLAIN_NAMES:
        return ""
    ours = table.texts(label)
    for column in _label_columns(table):
        theirs = table.texts(column)
        if column == label or not holds_labels(theirs, len(table.rows)):
            continue
        pairs = set(zip(ours, theirs, strict=False))
        if len(theirs) != len(ours) or not len(pairs) == len(set(ours)) == len(set(theirs)):
            return column
    return ""


def _pair_with_label(table: Columns, first: str, second: str, label: str) -> Schema:
    reason = f"Every row has two texts ('{first}', '{second}') and a label ('{label}')."
    found = Schema(Shape.LABEL, reason, {"text": first, "second": second, "label": label})
    asks = are_questions(table.texts(first)) and not are_questions(table.texts(second))
    return _or_answered(found, first, second) if asks else found


def _text_with_label(table: Columns, text: str, label: str) -> Schema:
    reason = f"Every row has a text ('{text}') and a label ('{label}')."
    found = Schema(Shape.LABEL, reason, {"text": text, "label": label})
    if other := other_text(table, (text, label)):
        return _or_answered(found, text, other)
    if second := _other_label(table, label):
        doubt = f"{reason} But '{second}' could be the label as well. Is that right?"
        words = f"Every row has a text ('{text}') and a label ('{second}')."
        other_label = Schema(Shape.LABEL, words, {"text": text, "label": second})
        return found._replace(reason=doubt).or_else(other_label)
    return found


def _or_answered(found: Schema, question: str, answer: str) -> Schema:
    """A label, or an answer in a further column: asked."""
    doubt = f"{found.reason} But '{answer}' could be the answer to '{question}'. Is that right?"
    reason = f"'{answer}' is taken as the answer to '{question}', and nothing as a label."
    roles = {"prompt": question, "completion": answer}
    other = Schema(Shape.COMPLETION, reason, roles)
    return found._replace(reason=doubt).or_else(other)


def other_text(table: Columns, used: Collection[str]) -> str:
    """A further column with texts of its own in every row, neither a copy nor a part of another."""
    taken = [table.texts(column) for column in used]
    for column in table.columns:
        texts = table.texts(column)
        if column in used or len(texts) < 0.5 * len(table.rows) or not are_own_texts(texts):
            continue
        if not any(_overlap(texts, others) for others in taken):
            return column
    return ""


def _overlap(some: list[str], others: list[str]) -> bool:
    """Whether nearly all of these texts hold those of the other column, or lie within them."""
    pairs = [(one.strip(), other.strip()) for one, other in zip(some, others, strict=False)]
    inside = sum(one in other or other in one for one, other in pairs)
    return bool(pairs) and inside > 0.8 * len(pairs)


def _text_alone(table: Columns, text: str) -> Schema:
    reason = f"The column '{text}' holds text. The model learns all of it."
    found, count = Schema(Shape.TEXT, reason, {"text": text}), len(table.rows)
    others = [column for column in (*table.columns, *table.nested_everywhere) if column != text]
    lists = (one for one in others if holds_label_lists(table.filled(one), count))
    if labels := next(lists, ""):
        reason = f"Every row has a text ('{text}') and labels ('{labels}')."
        labelled = Schema(Shape.LABEL, reason, {"text": text, "label": labels})
        return labelled._replace(reason=f"{reason} Is that right?").or_else(found)
    other = next((one for one in others if could_matter(table.texts(one), count)), "")
    if not other:
        return _or_scored(table, found, others)
    doubt = f"{reason} But '{other}' could be a label or an answer. Is that right?"
    return found._replace(reason=doubt).or_else(_with_other(table, text, other))


def _or_scored(table: Columns, found: Schema, others: list[str]) -> Schema:
    """A text; to be confirmed where a column may score labels, as those of spaCy do."""
    scored = next((one for one in others if _scores_names(table.filled(one))), "")
    if not scored:
        return found
    doubt = (
        f"But '{scored}' holds numbers from 0 to 1 for names, which may be labels. If so, put the "
        "label of each row into a column 'label'. Is that right?"
    )
    return found._replace(reason=f"{found.reason} {doubt}", certain=False)


def _scores_names(values: list[Any]) -> bool:
    """Whether a column has objects of numbers from 0 to 1, which may score labels."""
    return bool(values) and all(
        isinstance(value, dict)
        and all(isinstance(one, int | float) and 0 <= one <= 1 for one in value.values())
        for value in values
    )


def _with_other(table: Columns, text: str, other: str) -> Schema:
    """The text with another column: its label where that has few values, else its answer."""
    if holds_labels(table.texts(other), len(table.rows)):
        reason = f"Every row has a text ('{text}') and a label ('{other}')."
        return Schema(Shape.LABEL, reason, {"text": text, "label": other})
    reason = f"'{other}' is taken as the answer to '{text}'."
    return Schema(Shape.COMPLETION, reason, {"prompt": text, "completion": other})
