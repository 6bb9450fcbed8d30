"""Rows of other programs' exports as plain ones: annotated tasks, paragraphs with questions, chats.

A row of any other kind stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from engine.data.readers.chats.assistants import conversation_of, is_assistant_chat
from engine.data.readers.chats.people import person_rows
from engine.data.readers.table import BadRow, FileRows, HeldOutRow, NoRowsError
from engine.data.rows import Row
from engine.spec.objective import LABEL_SEPARATORS
from engine.text import count_of

DISCORD_TABLE = {"AuthorID", "Author", "Date", "Content"}  # the columns of its export as CSV
PEEKED_TASKS = 1000  # tasks looked at to tell whether one may have several labels
# How Label Studio keeps what was said of a whole task; other kinds mark a part of it.
VALUE_KEYS = ("choices", "text", "rating", "number", "taxonomy", "selected", "datetime")


def plain_export_rows(rows: FileRows, name: str, notes: list[str]) -> FileRows:
    """Yield the rows, those of a known export changed into plain ones; says how many had none."""
    first = next(rows, None)
    if first is None:
        return
    kinds = ((is_assistant_chat, _chat_rows), (_is_task, _task_rows), (_is_short_task, _short_rows),
             (_has_questions, _question_rows), (_is_discord_row, _discord_rows))  # fmt: skip
    readers = (read for fits, read in kinds if isinstance(first, dict) and fits(first))
    yield from next(readers, _same_rows)(chain([first], rows), name, notes)


def _same_rows(rows: FileRows, name: str, notes: list[str]) -> FileRows:
    return rows


def _is_discord_row(row: Row) -> bool:
    return row.keys() >= DISCORD_TABLE


def _discord_rows(rows: FileRows, name: str, notes: list[str]) -> FileRows:
    """The messages of a channel that Discord's exporter has written as a table."""
    lowered = ({key.lower(): value for key, value in row.items()}
               for row in rows if isinstance(row, dict))  # fmt: skip
    return person_rows([[*lowered]], name, notes)


def _chat_rows(rows: FileRows, name: str, notes: list[str]) -> FileRows:
    unanswered = made = 0
    for row in rows:
        if isinstance(row, BadRow) or not is_assistant_chat(row):
            yield row
        elif found := conversation_of(row):
            made += 1
            yield found
        else:
            unanswered += 1
    if not made:
        raise NoRowsError(f"'{name}' holds conversations, but none with a question and its answer.")
    notes.append("Read as exported conversations; calls of tools, thoughts and files left out.")
    if unanswered:
        kept = "was" if unanswered == 1 else "were"
        notes.append(f"{count_of(unanswered, 'conversation')} without an answer {kept} left out.")


# --- annotated tasks (Label Studio) ---


def _is_task(row: Row) -> bool:
    annotated = isinstance(row.get("annotations", row.get("completions")), list)
    return annotated and isinstance(row.get("data"), dict)


def _task_rows(rows: FileRows, name: str, notes: list[str]) -> FileRows:
    """The data of each task with what was said of it, in a column for each question."""
    peeked = list(islice(rows, PEEKED_TASKS))
    several = {
        column for row in peeked if isinstance(row, dict)
        for column, found in _answers(row).items() if len(found) > 1 or _has_separator(found)
    }  # fmt: skip
    counts: Counter[str] = Counter()
    for row in chain(peeked, rows):
        if isinstance(row, BadRow) or not _is_task(row):
            yield row
            continue
        answers = _answers(row)
        counts.update(_task_marks(row, answers))
        if answers:
            counts["made"] += 1
            data = {key: value for key, value in row["data"].items() if key not in answers}
            yield data | {
                column: found if column in several else _one_or_list(found)
                for column, found in answers.items()
            }
    if not counts["made"]:
        _refuse_tasks(name, counts)
    notes.append("Read as an export of Label Studio: the texts with what was said of them.")
    if counts["empty"]:
        verb = "has" if counts["empty"] == 1 else "have"
        notes.append(f"{count_of(counts['empty'], 'task')} {verb} no annotation and no row here.")
    if counts["cancelled"]:
        verb = "was" if counts["cancelled"] == 1 else "were"
        tasks = count_of(counts["cancelled"], "task")
        notes.append(f"{tasks} {verb} skipped by the annotators (cancelled) and left out here.")
    if counts["parts"]:
        notes.append(
            f"Marked passages are not read ({count_of(counts['parts'], 'task')}): Hone learns "
            "labels of whole texts."
        )
    if counts["differ"]:
        notes.append(
            f"Annotators disagree on {count_of(counts['differ'], 'task')}; the first one's "
            "annotation is used."
        )


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


def _annotations(task: Row) -> list[Row]:
    """The finished annotations of a task; one that is marked as the truth comes first."""
    found: list[Any] = task.get("annotations", task.get("completions")) or []
    whole = [
        one for one in found if isinstance(one, dict) and isinstance(one.get("result"), list)
        and one["result"] and not one.get("was_cancelled") and not one.get("skipped")
    ]  # fmt: skip
    return sorted(whole, key=lambda one: not one.get("ground_truth"))


def _answers(task: Row) -> dict[str, list[Any]]:
    """What the first annotation says of the whole task, by question."""
    found = _annotations(task) if _is_task(task) else []
    return _read_results(found[0]["result"]) if found else {}


def _read_results(results: list[Any]) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {}
    for one in results:
        value = one.get("value") if isinstance(one, dict) else None
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
        yield "cancelled" if _is_cancelled(task) else "empty"
    elif not answers:
        yield "parts"
    elif any(_read_results(one["result"]) != answers for one in whole[1:]):
        yield "differ"


def _is_cancelled(task: Row) -> bool:
    found: list[Any] = task.get("annotations", task.get("completions")) or []
    marks = [one for one in found if isinstance(one, dict)]
    return any(one.get("was_cancelled") or one.get("skipped") for one in marks)


def _has_separator(values: list[Any]) -> bool:
    """Whether a label would fall apart if it were read from a text."""
    return any(LABEL_SEPARATORS.search(str(value)) for value in values)


def _one_or_list(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _is_short_task(row: Row) -> bool:
    return {"annotation_id", "annotator"} <= row.keys()


def _short_rows(rows: FileRows, name: str, notes: list[str]) -> FileRows:
    return map(_with_choices, rows)


def _with_choices(row: Row | BadRow) -> Row | BadRow:
    """A task of the short form, whose labels are {"choices": [...]} where there are several."""
    if isinstance(row, BadRow):
        return row
    return {
        key: value["choices"] if isinstance(value, dict) and "choices" in value else value
        for key, value in row.items()
    }


# --- paragraphs with questions (SQuAD) ---


def _has_questions(row: Row) -> bool:
    parts = row.get("paragraphs")
    first = parts[0] if isinstance(parts, list) and parts else None
    return isinstance(first, dict) and "qas" in first


def _question_rows(rows: FileRows, name: str, notes: list[str]) -> FileRows:
    """A row for each question that the text answers."""
    unanswered = 0
    for row in rows:
        if isinstance(row, BadRow) or not _has_questions(row):
            yield row
            continue
        parts = [part for part in row["paragraphs"] if isinstance(part, dict)]
        asked = (
            (part.get("context"), one)
            for part in parts
            if isinstance(part.get("qas"), list)
            for one in part["qas"]
            if isinstance(one, dict)
        )
        for context, one in asked:
            answers = one.get("answers")
            first = answers[0] if isinstance(answers, list) and answers else None
            text = first.get("text") if isinstance(first, dict) else None
            if not isinstance(text, str):
                unanswered += 1
                continue
            made = {"context": context, "question": one.get("question"), "answer": text}
            yield HeldOutRow(made) if isinstance(row, HeldOutRow) else made
    notes.append("Read as questions about paragraphs (SQuAD): one row for each question.")
    if unanswered:
        notes.append(f"{count_of(unanswered, 'question')} that the text does not answer left out.")
