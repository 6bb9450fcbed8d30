"""Converts rows of every shape to the three normal forms that the rest of Hone knows.

    {"messages": [message, ...]}           as in engine.data.messages; perhaps with "tools"
    {"prompt": text, "completion": text}
    {"text": text}

A preference keeps its worse answer as "rejected", feedback its mark as "good", and a text whose
labels are a list in the file that list as "labels".
"""

from __future__ import annotations

import re
from typing import Any

from engine.data.columns.cells import decode_cell, is_blank
from engine.data.columns.marks import read_mark
from engine.data.columns.names import ANSWERS_OF
from engine.data.columns.paths import read_path
from engine.data.messages import Message, check_messages, make_message, read_messages
from engine.data.rows import Row
from engine.data.schema import Schema
from engine.data.turns.compared import join_answer, join_compared, read_question
from engine.data.turns.content import read_content
from engine.data.turns.fields import as_list, holds_turns
from engine.data.turns.history import read_history
from engine.data.turns.overlap import join_turns
from engine.data.turns.tool_calls import read_tools
from engine.errors import DataError
from engine.spec.objective import split_labels
from engine.spec.run import Shape

Roles = dict[str, str]  # role -> column, or a path as in engine.data.columns.paths
MEDIA_FIELDS = ("images", "videos", "audios", "image", "audio")  # of LLaMA-Factory's chats
INSTANCE_ROLES = {"prompt": "prompt", "input": "input", "completion": "output"}
NO_INPUT = {"<noinput>", "nan", "none", "null", "n/a"}  # as Alpaca, pandas and people write it
SHEET_ERROR = re.compile(r"\s*#(N/A|NV|REF!|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|SPILL!|CALC!)\s*")
PART_FIELDS = {"start", "end", "start_offset", "end_offset", "offset", "begin", "span"}
LABEL_JOINTS = (", ", "; ", " | ")  # between several labels that are one answer
ANSWER_COLUMNS = ("completion", "output", "label")  # of normal rows and of raw ones


def normalize_row(row: Row, schema: Schema, class_names: dict[str, str] | None = None) -> list[Row]:
    """Convert a row to one normal row, or several where it holds several examples.

    ``class_names`` are by class number. Raises DataError that says what is wrong with the row.
    """
    roles = schema.roles
    match schema.shape:
        case Shape.TEXT:
            made = {"text": _field_text(row, roles["text"], "text")}
        case Shape.LABEL:
            labels = _read_labels(row, roles["label"], class_names or {})
            made = {"prompt": _texts_to_label(row, roles), **labels}
        case Shape.CHAT:
            column = roles["messages"]
            if column.startswith(ANSWERS_OF) and not read_path(row, column):
                return []  # that person says nothing in this part of a chat
            made = _normalize_chat(row, roles)
        case Shape.PREFERENCE:
            made = _normalize_preference(row, roles)
        case Shape.FEEDBACK:
            made = _normalize_feedback(row, roles)
        case _:
            return _normalize_instances(row, roles)
    return [made]


def _texts_to_label(row: Row, roles: Roles) -> str:
    """A row's text, and the second one where it has it."""
    columns = [roles[role] for role in ("text", "second") if role in roles]
    filled = [column for column in columns if not is_blank(read_path(row, column))]
    return "\n\n".join(_field_text(row, column, "text") for column in filled or columns)


def _normalize_instances(row: Row, roles: Roles) -> list[Row]:
    """One row, or one per instance of an instruction."""
    found = read_path(row, roles["completion"])
    instances = found if isinstance(found, list) else []
    if not instances or not all(isinstance(one, dict) and "output" in one for one in instances):
        return [_normalize_answer(row, roles)]
    prompt = _field_text(row, roles["prompt"], "question")
    return [_normalize_answer({"prompt": prompt, **one}, INSTANCE_ROLES) for one in instances]


def _normalize_answer(row: Row, roles: Roles) -> Row:
    """Prompt and answer; the input follows the prompt, and both follow the earlier turns."""
    asked, found = (read_path(row, roles[role]) for role in ("prompt", "completion"))
    if _is_conversation(asked) or _is_conversation(found):  # as TRL has them
        return {"messages": _after_system(row, roles, join_answer(asked, found))}
    prompt = _field_text(row, roles["prompt"], "question")
    answer = _field_text(row, roles["completion"], "answer")
    before = _with_input_and_history(row, roles, prompt)
    if isinstance(before, str) and not _system_text(row, roles):
        return {"prompt": before, "completion": answer}
    turns = [make_message("user", before)] if isinstance(before, str) else before
    messages = check_messages([*turns, make_message("assistant", answer)])
    return {"messages": _after_system(row, roles, messages)}


def _normalize_chat(row: Row, roles: Roles) -> Row:
    _refuse_media(row)
    messages = read_messages(read_path(row, roles["messages"]))
    made: Row = {"messages": _after_system(row, roles, messages)}
    if "tools" in roles and (tools := read_tools(read_path(row, roles["tools"]))):
        made["tools"] = tools
    return made


def _normalize_preference(row: Row, roles: Roles) -> Row:
    _refuse_media(row)
    asked = read_path(row, roles["prompt"]) if "prompt" in roles else None
    chosen, rejected = (read_path(row, roles[role]) for role in ("chosen", "rejected"))
    before = _with_input_and_history(row, roles, asked)
    messages, worse = join_compared(before, chosen, rejected)
    if isinstance(asked, str) and len(messages) == 2 and not _system_text(row, roles):
        question, answer = (message["content"] for message in messages)
        return {"prompt": question, "completion": answer, "rejected": worse}
    return {"messages": _after_system(row, roles, messages), "rejected": worse}


def _with_input_and_history(row: Row, roles: Roles, asked: Any) -> Any:
    """What is asked with its input, after the earlier turns; as it is where it has neither."""
    extra = read_path(row, roles["input"]) if "input" in roles else None
    if isinstance(asked, str) and not (is_blank(extra) or str(extra).strip().lower() in NO_INPUT):
        asked = f"{asked}\n\n{_field_text(row, roles['input'], 'input')}"
    history = read_history(read_path(row, roles["history"])) if "history" in roles else []
    return join_turns(history, read_question(asked)) if history else asked


def _normalize_feedback(row: Row, roles: Roles) -> Row:
    _refuse_media(row)
    value = read_path(row, roles["mark"])
    mark = None if is_blank(value) else read_mark(value)
    if mark is None:
        given = "empty" if is_blank(value) else str(value).strip().lower()
        raise DataError(f"'{roles['mark']}' is {given}, where true or false is needed.")
    asked = read_path(row, roles["prompt"])
    if "completion" in roles:
        return _normalize_instances(row, roles)[0] | {"good": mark}
    if not _is_conversation(asked):
        raise DataError(
            f"'{roles['prompt']}' is a text and not a conversation, so a column for the answer is "
            "needed."
        )
    return {"messages": _after_system(row, roles, read_messages(asked)), "good": mark}


def _is_conversation(value: Any) -> bool:
    """Whether a value holds turns, perhaps with unknown speakers; a text may hold them as JSON."""
    found = as_list(value)
    if isinstance(value, str):
        return found is not value and holds_turns(found)
    return isinstance(found, list) and any(isinstance(turn, dict) for turn in found)


def _refuse_media(row: Row) -> None:
    if media := next((name for name in MEDIA_FIELDS if row.get(name)), ""):
        raise DataError(f"it comes with {media}, which Hone cannot train on.")


def _system_text(row: Row, roles: Roles) -> str:
    """The system text of a row; empty where it has none that can be read."""
    value = read_path(row, roles["system"]) if "system" in roles else None
    if isinstance(value, list | dict):  # Gemini's and Anthropic's parts
        value = read_content(value, 1)[0]
    return "" if is_blank(value) else str(value)


def _after_system(row: Row, roles: Roles, messages: list[Message]) -> list[Message]:
    """The messages after the row's system text; those that bring one keep theirs."""
    text = _system_text(row, roles)
    if not text or messages[0]["role"] == "system":
        return messages
    return [make_message("system", text), *messages]


def _field_text(row: Row, column: str, what: str) -> str:
    """A field's text; numbers (a label's class number) stay as they are written."""
    value = read_path(row, column)
    if isinstance(value, list | dict) and value:
        got = "a list" if isinstance(value, list) else "an object"
        raise DataError(f"expected text in '{column}', got {got}.")
    if is_blank(value):
        raise DataError(f"no {what}: the field '{column}' is empty.")
    if SHEET_ERROR.fullmatch(text := str(value)):
        raise DataError(f"'{column}' holds {text.strip()}, an error of a spreadsheet's formula.")
    return text


def _read_labels(row: Row, column: str, class_names: dict[str, str]) -> Row:
    """A row's label as the answer, and of several the list itself: they may hold commas."""
    value = decode_cell(read_path(row, column))
    labels = [_label_name(one) for one in (value if isinstance(value, list) else [value])]
    if any(isinstance(one, list | dict) for one in labels):
        raise DataError(
            f"'{column}' marks parts of the text, where a label for all of it is needed."
        )
    if not labels or any(map(is_blank, labels)):
        raise DataError(f"no label: the field '{column}' is empty.")
    texts = (str(one).strip() for one in labels)
    names = (class_names.get(one.removesuffix(".0"), one) for one in texts)  # pandas' 1.0
    named = list(dict.fromkeys(names))
    if not isinstance(value, list):
        return {"completion": named[0]}
    return {"completion": join_labels(named), "labels": named}


def _label_name(label: Any) -> Any:
    """The name of a label that is an object ({"name": "bug"}); any other label as it is."""
    if not isinstance(label, dict) or PART_FIELDS & label.keys():
        return label
    names = (label.get(field) for field in ("name", "label", "title", "value", "text", "id"))
    return next((one for one in names if isinstance(one, str)), label)


def join_labels(labels: list[str]) -> str:
    """Several labels as one answer, with a separator that none of them holds if there is one."""
    marks = (mark for mark in LABEL_JOINTS if not any(mark.strip() in one for one in labels))
    return next(marks, LABEL_JOINTS[0]).join(labels)


def row_labels(row: Row) -> list[str]:
    """The labels of a normal row: as its file lists them, else those that its answer holds."""
    if "labels" in row:
        return [str(one) for one in row["labels"]]
    return split_labels(last_answer(row))


def as_table_row(row: Row, shape: Shape | None = None) -> Row:
    """Convert a normal row back to columns from which its schema is inferred again."""
    if "text" in row:
        return {"text": row["text"]}
    if shape == Shape.LABEL and "prompt" in row:
        return {"text": row["prompt"], "label": row.get("labels", row["completion"])}
    if "rejected" not in row:
        columns = ("messages", "tools", "prompt", "completion", "good")
        return {key: row[key] for key in columns if key in row}
    if "messages" in row:
        *before, answer = row["messages"]
        return {"messages": before, "chosen": answer["content"], "rejected": row["rejected"]}
    return {"prompt": row["prompt"], "chosen": row["completion"], "rejected": row["rejected"]}


def last_answer(row: Row) -> str:
    """The last answer of a row, normal or raw, that is not plain text."""
    if "messages" in row:
        said = [turn.get("content") for turn in row["messages"] if turn["role"] == "assistant"]
        return str(said[-1] or "").strip()
    return str(next(row[column] for column in ANSWER_COLUMNS if column in row)).strip()
