"""Tables of texts by the names of their columns: with labels, in pairs, or alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from engine.data.columns import names as known
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
from engine.data.columns.marks import name_words
from engine.data.columns.table import Columns
from engine.data.schema import Schema
from engine.spec.run import Shape

# Of the columns that could be labels, one so named is it.
PLAIN_NAMES = ("label", "labels", "label_text", "label_name", "class")
MANY_ROWS = 20  # from here on labels have to repeat


def find_texts(table: Columns) -> Schema | None:
    """A text, or two, with a label or without one; None where no column is known to hold text."""
    # Labels in words are preferred to numbers.
    labels = sorted(_label_columns(table), key=lambda one: all_integers(table.values(one)))
    label = _answers_in_lists(table, next(iter(labels), ""))
    known_pair = next((pair for pair in known.TEXT_PAIRS if table.has(*pair)), ())
    pair = [table.names[name] for name in known_pair]
    text = table.inside(table.first(known.TEXT_COLUMNS, label))
    if table.filled(text) and not table.texts(text):
        text = ""  # what is named so holds objects
    values, count = table.texts(label) if label else [], len(table.rows)
    first = text or next(iter(pair), "")
    numbers = all_decimals(values) or all_integers(values)
    if count >= MANY_ROWS and len(set(values)) > count // 2 and not numbers:
        if first:
            return _own_answers(table, first, label)
        label = ""
    if label and first and are_sentences(values) and are_distinct(values):
        named = Schema(Shape.LABEL, f"'{label}' is named as a label.",
                       {"text": first, "label": label})  # fmt: skip
        return _or_answered(named, first, label)
    if pair and label:
        reason = f"Every row has two texts ('{pair[0]}', '{pair[1]}') and a label ('{label}')."
        roles = {"text": pair[0], "second": pair[1], "label": label}
        found = Schema(Shape.LABEL, reason, roles)
        asks = are_questions(table.texts(pair[0])) and not are_questions(table.texts(pair[1]))
        return _or_answered(found, *pair) if asks else found
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


def _own_answers(table: Columns, text: str, answer: str) -> Schema:
    """An answer; to be confirmed where it is the first of a list, of which the rest is dropped."""
    reason = f"Nearly every row has its own '{answer}', so it is taken as the answer to the text."
    found = Schema(Shape.COMPLETION, reason, {"prompt": text, "completion": answer})
    several = answer.endswith("[0]") and table.texts(answer.removesuffix("[0]") + "[1]")
    return found.doubted("Of several only the first is learned.") if several else found


def _label_columns(table: Columns) -> list[str]:
    """The columns whose names say that they hold labels."""
    labels = [table.names[name] for name in known.LABEL_COLUMNS if name in table.names]
    for name, column in table.names.items():
        named = name_words(name) & known.LABEL_WORDS and column not in labels
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


def _text_with_label(table: Columns, text: str, label: str) -> Schema:
    found = _labelled(text, label)
    if other := other_text(table, (text, label)):
        return _or_answered(found, text, other)
    if second := _other_label(table, label):
        doubt = f"But '{second}' could be the label as well."
        return found.doubted(doubt, _labelled(text, second))
    return found


def _labelled(text: str, label: str) -> Schema:
    reason = f"Every row has a text ('{text}') and a label ('{label}')."
    return Schema(Shape.LABEL, reason, {"text": text, "label": label})


def _or_answered(found: Schema, question: str, answer: str) -> Schema:
    """A label, or an answer in a further column: asked."""
    reason = f"'{answer}' is taken as the answer to '{question}', and nothing as a label."
    other = Schema(Shape.COMPLETION, reason, {"prompt": question, "completion": answer})
    return found.doubted(f"But '{answer}' could be the answer to '{question}'.", other)


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
    both = zip(some, others, strict=False)
    pairs = [(one.strip(), other.strip()) for one, other in both if one.strip() and other.strip()]
    inside = sum(one in other or other in one for one, other in pairs)
    return bool(pairs) and inside > 0.8 * len(pairs)


def _text_alone(table: Columns, text: str) -> Schema:
    reason = f"The column '{text}' holds text. The model learns all of it."
    found, count = Schema(Shape.TEXT, reason, {"text": text}), len(table.rows)
    others = [column for column in (*table.columns, *table.nested_everywhere) if column != text]
    lists = (one for one in others if holds_label_lists(table.filled(one), count))
    if labels := next(lists, ""):
        reason = f"Every row has a text ('{text}') and labels ('{labels}')."
        return Schema(Shape.LABEL, reason, {"text": text, "label": labels}).doubted(
            alternative=found
        )
    if other := next((one for one in others if could_matter(table.texts(one), count)), ""):
        doubt = f"But '{other}' could be a label or an answer."
        return found.doubted(doubt, _with_other(table, text, other))
    if measured := next((one for one in others if _may_be_measured(table, one)), ""):
        doubt = f"But '{measured}' holds numbers, which could be the labels."
        return found.doubted(doubt, _labelled(text, measured))
    if scored := next((one for one in others if _scores_names(table.filled(one))), ""):
        return found.doubted(
            f"But '{scored}' holds numbers from 0 to 1 for names, which may be labels (as spaCy "
            "has them). If so, put the label of each row into a column 'label'."
        )
    return found


def _may_be_measured(table: Columns, column: str) -> bool:
    """Whether a column has numbers that its name says to be labels: "score"."""
    values = [str(one) for one in table.filled(column) if not isinstance(one, bool)]
    numbers = all_decimals(values) or all_integers(values)
    return numbers and bool(name_words(column) & known.LABEL_WORDS)


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
        return _labelled(text, other)
    reason = f"'{other}' is taken as the answer to '{text}'."
    return Schema(Shape.COMPLETION, reason, {"prompt": text, "completion": other})
