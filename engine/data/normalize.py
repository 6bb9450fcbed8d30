"""Converts rows of every shape to the three normal forms that the rest of Hone knows.

    {"messages": [message, ...]}           as in engine.data.messages; perhaps with "tools"
    {"prompt": text, "completion": text}
    {"text": text}

A preference keeps its worse answer as "rejected", feedback its mark as "good".
"""

from __future__ import annotations

import re
from typing import Any

from engine.data.messages import Message, make_message, read_content, read_messages, read_tools
from engine.data.rows import Row
from engine.data.schema import Schema
from engine.errors import DataError
from engine.spec.run import Shape

Roles = dict[str, str]  # role -> column
MEDIA_FIELDS = ("images", "videos", "audios", "image", "audio")  # of LLaMA-Factory's chats
SPEAKER_MARKS = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")
MARKS = {"true": True, "1": True, "good": True, "yes": True}
MARKS |= {"false": False, "0": False, "bad": False, "no": False}
INSTANCE_ROLES = {"prompt": "prompt", "input": "input", "completion": "output"}
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
            columns = [roles[role] for role in ("text", "second") if role in roles]
            prompt = "\n\n".join(_field_text(row, column, "text") for column in columns)
            label = _read_label(row, roles["label"], class_names or {})
            made = {"prompt": prompt, "completion": label}
        case Shape.CHAT:
            made = _normalize_chat(row, roles)
        case Shape.PREFERENCE:
            made = _normalize_preference(row, roles)
        case Shape.FEEDBACK:
            made = _normalize_feedback(row, roles)
        case _:
            return _normalize_instances(row, roles)
    return [made]


def _normalize_instances(row: Row, roles: Roles) -> list[Row]:
    """One row, or one per instance of an instruction."""
    found = row.get(roles["completion"])
    instances = found if isinstance(found, list) else []
    if not instances or not all(isinstance(one, dict) and "output" in one for one in instances):
        return [_normalize_answer(row, roles)]
    prompt = _field_text(row, roles["prompt"], "question")
    return [_normalize_answer({"prompt": prompt, **one}, INSTANCE_ROLES) for one in instances]


def _normalize_answer(row: Row, roles: Roles) -> Row:
    """Prompt and answer; the input follows the prompt."""
    asked, found = row.get(roles["prompt"]), row.get(roles["completion"])
    if isinstance(asked, list) and any(isinstance(turn, dict) for turn in asked):  # as TRL has them
        answers = found if isinstance(found, list) else [_answer_message(found)]
        return {"messages": _after_system(row, roles, read_messages([*asked, *answers]))}
    prompt = _field_text(row, roles["prompt"], "question")
    answer = _field_text(row, roles["completion"], "answer")
    if "input" in roles and row.get(roles["input"]) not in (None, ""):
        prompt = f"{prompt}\n\n{_field_text(row, roles['input'], 'input')}"
    if not _system_text(row, roles):
        return {"prompt": prompt, "completion": answer}
    turns = [make_message("user", prompt), make_message("assistant", answer)]
    return {"messages": _after_system(row, roles, turns)}


def _normalize_chat(row: Row, roles: Roles) -> Row:
    _refuse_media(row)
    messages = read_messages(row.get(roles["messages"]))
    made: Row = {"messages": _after_system(row, roles, messages)}
    if "tools" in roles and (tools := read_tools(row.get(roles["tools"]))):
        made["tools"] = tools
    return made


def _normalize_preference(row: Row, roles: Roles) -> Row:
    _refuse_media(row)
    before = _read_prompt(row, roles)
    answers: list[Any] = [row.get(roles["chosen"]), row.get(roles["rejected"])]
    if not before and all(isinstance(one, str) for one in answers):
        answers = list(map(_split_speakers, answers))
    chosen, rejected = answers
    if all(isinstance(one, list) for one in answers) and max(map(len, answers)) > 1:
        # Both hold the whole conversation; only answers to the same question can be compared.
        if chosen[:-1] != rejected[:-1]:
            raise DataError(
                "its two conversations differ before the last answer, so the answers cannot be "
                "compared."
            )
        before = [*before, *chosen[:-1]] if isinstance(before, list) else chosen[:-1]
    better, worse = _answer_text(chosen, "better"), _answer_text(rejected, "worse")
    if isinstance(before, str):
        _field_text({"prompt": before}, "prompt", "question")
        if not _system_text(row, roles):
            return {"prompt": before, "completion": better, "rejected": worse}
        before = [make_message("user", before)]
    messages = read_messages([*before, make_message("assistant", better)])
    return {"messages": _after_system(row, roles, messages), "rejected": worse}


def _normalize_feedback(row: Row, roles: Roles) -> Row:
    _refuse_media(row)
    mark = str(row.get(roles["mark"], "")).strip().lower()
    if mark not in MARKS:
        raise DataError(f"'{roles['mark']}' is {mark or 'empty'}, where true or false is needed.")
    before = _read_prompt(row, roles)
    if isinstance(before, list):
        if "completion" in roles:
            before = [*before, _answer_message(row.get(roles["completion"]))]
        messages = _after_system(row, roles, read_messages(before))
        return {"messages": messages, "good": MARKS[mark]}
    if "completion" not in roles:
        raise DataError(
            f"'{roles['prompt']}' is a text and not a conversation, so a column for the answer is "
            "needed."
        )
    return _normalize_instances(row, roles)[0] | {"good": MARKS[mark]}


def _split_speakers(text: str) -> str | list[Message]:
    """Turns of a text with "Human:" and "Assistant:" parts (HH-RLHF); of another, the text."""
    parts = SPEAKER_MARKS.split(text)
    if len(parts) < 5 or parts[0].strip():
        return text
    roles = {"Human": "user", "Assistant": "assistant"}
    turns = zip(parts[1::2], parts[2::2], strict=True)
    return [make_message(roles[speaker], said.strip()) for speaker, said in turns]


def _answer_text(value: Any, which: str) -> str:
    """The text of an answer that is a text, a turn, or a list that ends with one."""
    if isinstance(value, list) and value:
        value = value[-1]
    if isinstance(value, dict):
        value = read_content(value.get("content", value.get("value")), 1)[0]
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"no {which} answer: the field is empty or holds no text.")
    return value


def _answer_message(value: Any) -> Message:
    return make_message("assistant", _answer_text(value, "good"))


def _read_prompt(row: Row, roles: Roles) -> Any:
    """What comes before the answer: a text or a list of turns; empty where no column has it."""
    value = row.get(roles["prompt"]) if "prompt" in roles else []
    if not isinstance(value, str | list):
        raise DataError(f"no question: the field '{roles['prompt']}' is empty or holds no text.")
    return value


def _refuse_media(row: Row) -> None:
    if media := next((name for name in MEDIA_FIELDS if row.get(name)), ""):
        raise DataError(f"it comes with {media}, which Hone cannot train on.")


def _system_text(row: Row, roles: Roles) -> str:
    if "system" not in roles or not row.get(roles["system"]):
        return ""
    return _field_text(row, roles["system"], "system text")


def _after_system(row: Row, roles: Roles, messages: list[Message]) -> list[Message]:
    """The messages after the row's system text; those that bring one keep theirs."""
    text = _system_text(row, roles)
    if not text or messages[0]["role"] == "system":
        return messages
    return [make_message("system", text), *messages]


def _field_text(row: Row, column: str, what: str) -> str:
    """A field's text; numbers (a label's class number) stay as they are written."""
    value = row.get(column)
    if isinstance(value, list | dict):
        got = "a list" if isinstance(value, list) else "an object"
        raise DataError(f"expected text in '{column}', got {got}.")
    if value is None or not str(value).strip():
        raise DataError(f"no {what}: the field '{column}' is empty.")
    return str(value)


def _read_label(row: Row, column: str, class_names: dict[str, str]) -> str:
    """A row's label; several, given as a list, are joined with commas."""
    value = row.get(column)
    labels = value if isinstance(value, list) and value else [value]
    texts = [_field_text({column: one}, column, "label").strip() for one in labels]
    return ", ".join(class_names.get(one, one) for one in texts)


def as_table_row(row: Row, shape: Shape | None = None) -> Row:
    """Convert a normal row back to columns from which its schema is inferred again."""
    if "text" in row:
        return {"text": row["text"]}
    if shape == Shape.LABEL and "prompt" in row:
        return {"text": row["prompt"], "label": row["completion"]}
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
