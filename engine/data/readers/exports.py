"""Rows of other programs' exports as plain ones: annotated tasks, paragraphs with questions, chats.

A row of any other kind stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from engine.data.readers.chats.assistants import conversation_of, is_assistant_chat
from engine.data.readers.chats.intents import intent_rows, is_intent
from engine.data.readers.chats.people import person_rows
from engine.data.readers.table import (
    BadRow,
    FileRows,
    HeldOutRow,
    NoRowsError,
    change_rows,
    objects_in,
)
from engine.data.rows import Row
from engine.spec.objective import LABEL_SEPARATORS
from engine.text import count_of

DISCORD_TABLE = {"AuthorID", "Author", "Date", "Content"}  # the columns of its export as CSV
SHORT_TASK = {"annotation_id", "annotator"}  # of Label Studio's "JSON-MIN"
PEEKED_TASKS = 1000  # tasks looked at to tell whether one may have several labels
# How Label Studio keeps what was said of a whole task; other kinds mark a part of it.
VALUE_KEYS = ("choices", "text", "rating", "number", "taxonomy", "selected", "datetime")
TASK_NOTES = {
    "empty": "Left out: {} without an annotation.",
    "cancelled": "Left out: {} skipped by the annotators (cancelled).",
    "parts": "Marked passages are not read ({}): Hone learns labels of whole texts.",
    "differ": "Annotators disagree on {}; the first one's annotation is used.",
}


def plain_export_rows(rows: FileRows, name: str, notes: list[str]) -> FileRows:
    """Yield the rows, those of a known export changed into plain ones; says how many had none."""
    first = next(rows, None)
    if first is None:
        return
    rows = chain([first], rows)
    if isinstance(first, BadRow):
        yield from rows
    elif is_assistant_chat(first):
        yield from _chat_rows(rows, name, notes)
    elif _is_task(first):
        yield from _task_rows(rows, name, notes)
    elif first.keys() >= SHORT_TASK:
        yield from change_rows(rows, _with_choices)
    elif _has_questions(first):
        yield from _question_rows(rows, notes)
    elif is_intent(first):
        yield from intent_rows(rows, notes)
    elif first.keys() >= DISCORD_TABLE:
        yield from _discord_rows(rows, name, notes)
    else:
        yield from rows


def _discord_rows(rows: FileRows, name: str, notes: list[str]) -> FileRows:
    """The messages of a channel that Discord's exporter has written as a table."""
    lowered = ({key.lower(): value for key, value in row.items()}
               for row in rows if isinstance(row, dict))  # fmt: skip
    return person_rows([[*lowered]], name, notes)


def _chat_rows(rows: FileRows, name: str, notes: list[str]) -> FileRows:
    counts: Counter[bool] = Counter()  # of conversations, by whether they have an answer

    def change(row: Row) -> Row | None:
        if not is_assistant_chat(row):
            return row
        found = conversation_of(row)
        counts[found is not None] += 1
        return found

    yield from change_rows(rows, change)
    if not counts[True]:
        raise NoRowsError(f"'{name}' holds conversations, but none with a question and its answer.")
    notes.append("Read as exported conversations; calls of tools, thoughts and files left out.")
    if counts[False]:
        notes.append(f"Left out: {count_of(counts[False], 'conversation')} without an answer.")


# --- annotated tasks (Label Studio) ---


def _is_task(row: Row) -> bool:
    annotated = isinstance(row.get("annotations", row.get("completions")), list)
    return annotated and isinstance(row.get("data"), dict)


def _task_rows(rows: FileRows, name: str, notes: list[str]) -> FileRows:
    """The data of each task with what was said of it, in a column for each question."""
    peeked = list(islice(rows, PEEKED_TASKS))
    several = {  # questions of which a label may have to stand in a list
        column for row in peeked if isinstance(row, dict)
        for column, found in _answers(row).items()
        if len(found) > 1 or LABEL_SEPARATORS.search(str(found[0]))
    }  # fmt: skip
    counts: Counter[str] = Counter()

    def change(row: Row) -> Row | None:
        if not _is_task(row):
            return row
        answers = _answers(row)
        counts.update(_task_marks(row, answers))
        if not answers:
            return None
        counts["made"] += 1
        data: Row = row["data"]
        return data | {
            column: found if column in several or len(found) > 1 else found[0]
            for column, found in answers.items()
        }

    yield from change_rows(chain(peeked, rows), change)
    if not counts["made"]:
        _refuse_tasks(name, counts)
    notes.append("Read as an export of Label Studio: the texts with what was said of them.")
    notes += [
        sentence.format(count_of(counts[mark], "task"))
        for mark, sentence in TASK_NOTES.items()
        if counts[mark]
    ]


def _refuse_tasks(name: str, counts: Counter[str]) -> None:
    if counts["parts"]:
        raise NoRowsError(
            f"'{name}' is an export of Label Studio whose annotations mark passages of a text. "
            "Hone learns labels of whole texts: add a question with choices, or export answers."
        )
    raise NoRowsError(
        f"'{name}' is an export of Label Studio in which no task has a finished annotation. "
        "Annotate some, then export again."
    )


def _given(task: Row) -> list[Row]:
    """All annotations of a task."""
    return objects_in(task.get("annotations", task.get("completions")))


def _annotations(task: Row) -> list[Row]:
    """The finished annotations of a task; one that is marked as the truth comes first."""
    whole = [
        one for one in _given(task) if objects_in(one.get("result")) and not _is_cancelled(one)
    ]
    return sorted(whole, key=lambda one: not one.get("ground_truth"))


def _is_cancelled(annotation: Row) -> bool:
    return bool(annotation.get("was_cancelled") or annotation.get("skipped"))


def _answers(task: Row) -> dict[str, list[Any]]:
    """What the first annotation says of the whole task, by question."""
    found = _annotations(task) if _is_task(task) else []
    return _read_results(found[0]["result"]) if found else {}


def _read_results(results: list[Any]) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {}
    for one in objects_in(results):
        value = one.get("value")
        if not isinstance(value, dict) or {"start", "x", "labels"} & set(value):
            continue
        key = next((key for key in VALUE_KEYS if key in value), "")
        answers = value.get(key)
        answers = answers if isinstance(answers, list) else [answers]
        if key == "taxonomy":
            answers = [" / ".join(map(str, path)) for path in answers if isinstance(path, list)]
        if key and answers:
            made.setdefault(str(one.get("from_name", key)), []).extend(answers)
    return made


def _task_marks(task: Row, answers: dict[str, list[Any]]) -> Iterator[str]:
    whole = _annotations(task)
    if not whole:
        yield "cancelled" if any(map(_is_cancelled, _given(task))) else "empty"
    elif not answers:
        yield "parts"
    elif any(_read_results(one["result"]) != answers for one in whole[1:]):
        yield "differ"


def _with_choices(row: Row) -> Row:
    """A task of the short form, whose labels are {"choices": [...]} where there are several."""
    return {
        key: value["choices"] if isinstance(value, dict) and "choices" in value else value
        for key, value in row.items()
    }


# --- paragraphs with questions (SQuAD) ---


def _has_questions(row: Row) -> bool:
    return any("qas" in part for part in objects_in(row.get("paragraphs"))[:1])


def _question_rows(rows: FileRows, notes: list[str]) -> FileRows:
    """A row for each question that the text answers."""
    unanswered = 0
    for row in rows:
        if isinstance(row, BadRow) or not _has_questions(row):
            yield row
            continue
        asked = ((part.get("context"), one) for part in objects_in(row["paragraphs"])
                 for one in objects_in(part.get("qas")))  # fmt: skip
        for context, one in asked:
            text = next((first.get("text") for first in objects_in(one.get("answers"))[:1]), None)
            if not isinstance(text, str):
                unanswered += 1
                continue
            made = {"context": context, "question": one.get("question"), "answer": text}
            yield HeldOutRow(made) if isinstance(row, HeldOutRow) else made
    notes.append("Read as questions about paragraphs (SQuAD): one row for each question.")
    if unanswered:
        notes.append(f"Left out: {count_of(unanswered, 'question')} that the text does not answer.")
