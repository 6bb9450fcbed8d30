"""Tables whose column names say nothing: what the columns hold decides, or the user."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.data.columns import names as known
from engine.data.columns.contents import (
    all_integers,
    are_questions,
    are_references,
    holds_label_lists,
    holds_labels,
)
from engine.data.columns.marks import find_mark, name_words
from engine.data.columns.table import Columns
from engine.data.schema import Schema
from engine.spec.run import Shape

NO_NAME = re.compile(r"column \d+|\d+|")  # of a column in a file whose columns have none
PLACE = re.compile(r"[\W_]*(\d+|[\W_][ab])$")  # of a text among several, at the end of its name
UNNAMED = "No column's name says what it is."


def guess_schema(columns: Sequence[str], table: Columns) -> Schema:
    """Guess from what columns hold; certain only where no other reading is possible."""
    if len(columns) == 1:
        reason = f"The only column, '{columns[0]}', is taken as text. The model learns all of it."
        return Schema(Shape.TEXT, reason, {"text": columns[0]})
    count = len(table.rows)
    texts = {column: table.texts(column) for column in columns}
    labels = [one for one in columns if holds_labels(texts[one], count)]
    worded = [one for one in columns if texts[one] and one not in labels]
    said = [one for one in worded if not are_references(texts[one])]
    found = _guess_label_lists(columns, table, said or labels)
    if found is None and len(said) < 2 and labels:
        found = _guess_labels(table, columns, said or worded, labels)
    if found is None and len(said) == 2 and len(labels) == 1:
        found = _numbered_classes(table, columns, said, labels[0])
    if found is None and len(said) < 2:
        found = _guess_text(columns, said, worded)
    if found is None and len(said) > 2 and not labels:
        return _guess_compared(table, _longest(said, texts, columns, most=3))
    return found or _guess_answers(table, _longest(said, texts, columns), labels)


def _longest(
    said: list[str], texts: dict[str, list[str]], columns: Sequence[str], most: int = 2
) -> list[str]:
    """The columns with the longest texts: that which asks first, else as they stand."""
    length = {one: sum(map(len, texts[one])) / max(1, len(texts[one])) for one in said}
    chosen = sorted(said, key=lambda one: -length[one])[:most]
    ordered = [column for column in columns if column in chosen]
    return sorted(ordered, key=lambda one: not are_questions(texts[one]))


def _guess_compared(table: Columns, three: list[str]) -> Schema:
    """A question and its answer; or a better and a worse answer to it."""
    prompt, better, worse = three
    reason = f"'{better}' was taken as the better answer to '{prompt}', '{worse}' as the worse one."
    roles = {"prompt": prompt, "chosen": better, "rejected": worse}
    compared = Schema(Shape.PREFERENCE, reason, roles)
    return _guess_answers(table, [prompt, better], [])._replace(alternative=compared)


def _guess_answers(table: Columns, pair: list[str], labels: list[str]) -> Schema:
    """A question and its answer; the other reading is a mark, a category, or the other way."""
    if named := _asked_by_name(pair):
        return named
    found = _asked(*pair)
    if len(labels) == 1 and _are_alike(*pair):
        return _two_texts(pair, labels[0]).doubted(alternative=found)
    if mark := find_mark(table, found)[0]:
        reason = f"{UNNAMED} '{mark}' says whether '{pair[1]}' is a good answer to '{pair[0]}'."
        roles = {**found.roles, "mark": mark}
        return Schema(Shape.FEEDBACK, reason, roles).doubted(alternative=found)
    if len(labels) == 1:
        return found.doubted(alternative=_two_texts(pair, labels[0]))
    return found.doubted(alternative=_asked(*reversed(pair)))


def _two_texts(pair: list[str], label: str) -> Schema:
    reason = f"{UNNAMED} '{label}' is the label of two texts ('{pair[0]}', '{pair[1]}')."
    roles = {"text": pair[0], "second": pair[1], "label": label}
    return Schema(Shape.LABEL, reason, roles)


def _are_alike(one: str, other: str) -> bool:
    """Whether two names differ in their number or last letter alone: "question1", "question2"."""
    stems = {PLACE.sub("", name.strip().lower()) for name in (one, other)}
    return len(stems) == 1 and bool(stems.pop()) and not NO_NAME.fullmatch(one)


def _asked(prompt: str, answer: str) -> Schema:
    reason = f"{UNNAMED} '{prompt}' was taken as the question and '{answer}' as the answer."
    return Schema(Shape.COMPLETION, reason, {"prompt": prompt, "completion": answer})


def _asked_by_name(pair: list[str]) -> Schema | None:
    """The pair where a word of one name says question and one of the other says answer."""
    for prompt, answer in (pair, pair[::-1]):
        if name_words(prompt) & known.QUESTION_WORDS and name_words(answer) & known.ANSWER_WORDS:
            reason = f"By their names, '{prompt}' is the question and '{answer}' the answer."
            return Schema(Shape.COMPLETION, reason, {"prompt": prompt, "completion": answer})
    return None


def _guess_labels(
    table: Columns, columns: Sequence[str], said: list[str], labels: list[str]
) -> Schema | None:
    """A label and one text; sure by the label's name, or where no column has a name."""
    by_length = sorted(labels, key=lambda one: -sum(map(len, table.texts(one))))
    if not said:
        said, labels = by_length[:1], by_length[1:]
    if not labels:
        return None
    text, label = said[0], labels[-1] if labels[-1] != said[0] else labels[0]
    found = _by_different_values(table, "values", {"text": text, "label": label})
    unread = [one for one in columns if one not in found.roles.values() and not table.texts(one)]
    sure = bool(name_words(label) & known.LABEL_WORDS) or all(map(NO_NAME.fullmatch, columns))
    if sure and len(labels) == 1 and not any(table.filled(one) for one in unread):
        return found
    other = next((one for one in labels if one != label), "")
    if other:
        second = found._replace(roles={"text": text, "label": other})
    elif are_questions(table.texts(text)):
        second = _asked(text, label)
    else:
        second = _alone(text)
    return found.doubted(alternative=second)


def _by_different_values(table: Columns, what: str, roles: dict[str, str]) -> Schema:
    count = len(set(table.texts(roles["label"])))
    reason = f"The column '{roles['label']}' has {count} different {what}, taken as labels."
    return Schema(Shape.LABEL, reason, roles)


def _numbered_classes(
    table: Columns, columns: Sequence[str], said: list[str], label: str
) -> Schema | None:
    """A title, a text and a class number, as files without names have them; neither text asks."""
    named = not all(map(NO_NAME.fullmatch, columns))
    asks = any(are_questions(table.texts(one)) for one in said)
    if named or asks or not all_integers(table.values(label)):
        return None
    roles = {"text": said[0], "second": said[1], "label": label}
    return _by_different_values(table, "numbers", roles)


def _guess_text(columns: Sequence[str], said: list[str], worded: list[str]) -> Schema:
    """The only column that says something; a column of numbers could be its label."""
    text = (said or worded or list(columns))[0]
    reason = f"{UNNAMED} The one with text was taken: '{text}'."
    found = Schema(Shape.TEXT, reason, {"text": text})
    number = next((one for one in worded if one != text), "")
    label = f"'{number}' is the label of '{text}', or its number."
    labelled = Schema(Shape.LABEL, label, {"text": text, "label": number})
    return found.doubted(alternative=labelled if number else None)


def _guess_label_lists(columns: Sequence[str], table: Columns, texts: list[str]) -> Schema | None:
    """A text with a list of labels, which nothing but the contents tells."""
    lists = [one for one in columns if holds_label_lists(table.filled(one), len(table.rows))]
    text = next((one for one in texts if one not in lists), "")
    if not lists or not text:
        return None
    reason = f"{UNNAMED} '{text}' was taken as the text and '{lists[0]}' as its labels."
    found = Schema(Shape.LABEL, reason, {"text": text, "label": lists[0]})
    return found.doubted(alternative=_alone(text))


def _alone(text: str) -> Schema:
    reason = f"The column '{text}' alone. The model learns all of it."
    return Schema(Shape.TEXT, reason, {"text": text})
