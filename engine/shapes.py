"""What a table's rows are, and how they become normal rows: the only three forms that the rest of Hone knows.

{"messages": [{"role": "system" | "user" | "assistant", "content": text}, ...]}
{"prompt": text, "completion": text}
{"text": text}
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from engine.errors import DataError
from engine.readers import Row, Table

SHOWN = 5  # problems named one by one in a message


class Shape(StrEnum):
    """What rows are; the value is shown to the user."""

    CHAT = "chat messages"
    ALPACA = "Alpaca (instruction, input, output)"
    COMPLETION = "prompt and completion"
    PREFERENCE = "preferences (prompt, chosen, rejected)"
    LABEL = "text with a label"
    TEXT = "plain text"


class Recognised(NamedTuple):
    """A shape, why, and which column plays which role."""

    shape: Shape
    reason: str
    roles: dict[str, str]  # role -> column


class Normal(NamedTuple):
    """Normal rows, how many were left out on the user's wish, and what is wrong with those."""

    rows: list[Row]
    skipped: int
    problems: list[str]


CHAT_COLUMNS = ("messages", "conversations", "conversation")
PAIRS = (
    ("prompt", "completion"), ("prompt", "response"), ("question", "answer"), ("query", "response"),
    ("instruction", "output"), ("instruction", "response"), ("input", "output"),
)  # fmt: skip
LABELS = ("label", "label_text", "class", "category", "sentiment")
TURNS = {
    "system": "system", "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant",
}  # fmt: skip
TOOLS = {"tool", "function", "function_call", "observation", "ipython"}


def recognise(table: Table) -> Recognised:
    """The shape of a table by its columns; raises DataError that names what was found and what would do."""
    have = {column.lower(): column for column in table.columns}
    unused = "The other columns are not used."

    def found(shape: Shape, roles: dict[str, str], reason: str) -> Recognised:
        rest = set(table.columns) - set(roles.values())
        return Recognised(shape, f"{reason} {unused if rest else ''}".strip(), roles)

    for name in CHAT_COLUMNS:
        if name in have and all(isinstance(row.get(have[name]), list) for row in table.rows[:20]):
            roles = {"messages": have[name]} | ({"system": have["system"]} if "system" in have else {})
            return found(Shape.CHAT, roles, f"Every row has a list of turns in the column '{have[name]}'.")
    if {"prompt", "chosen", "rejected"} <= set(have):
        roles = {"prompt": have["prompt"], "completion": have["chosen"]}
        return found(
            Shape.PREFERENCE, roles, "Every row has 'prompt', 'chosen' and 'rejected'. Hone learns from 'chosen'."
        )
    for prompt, answer in PAIRS:
        if prompt in have and answer in have:
            roles = {"prompt": have[prompt], "completion": have[answer]}
            if prompt == "instruction":
                roles |= {role: have[name] for role, name in _alpaca_extras(have).items()}
                shape = Shape.ALPACA
            else:
                shape = Shape.COMPLETION
            return found(shape, roles, f"Every row has the columns '{have[prompt]}' and '{have[answer]}'.")
    text = next((have[name] for name in ("text", "sentence", "review", "content") if name in have), None)
    label = next((have[name] for name in LABELS if name in have), None)
    if text and label:
        reason = (
            f"Every row has a text ('{text}') and a label ('{label}'). The label is what the model learns to answer."
        )
        return found(Shape.LABEL, {"prompt": text, "completion": label}, reason)
    if text or len(table.columns) == 1:
        column = text or table.columns[0]
        return found(Shape.TEXT, {"text": column}, f"The column '{column}' holds text, all of which is learned.")
    raise DataError(
        f"'{table.name}': a column is missing. Found: {', '.join(map(repr, table.columns[:12]))}. "
        "Rename the columns to 'prompt' and 'completion', or 'instruction' and 'output', or 'messages', or 'text'."
    )


def _alpaca_extras(have: dict[str, str]) -> dict[str, str]:
    return {
        role: name for role, name in (("input", "input"), ("input", "context"), ("system", "system")) if name in have
    }


def normalise(table: Table, recognised: Recognised, skip_bad: bool = False) -> Normal:
    """All rows in normal form. Bad ones are named together in one DataError, or left out if that was asked for."""
    rows, problems = [], []
    for number, row in enumerate(table.rows, start=1):
        try:
            rows.append(_one(row, recognised))
        except DataError as error:
            problems.append(f"Row {number}: {error}")
    if problems and (not skip_bad or not rows):
        more = f"\n… and {len(problems) - SHOWN} more rows." if len(problems) > SHOWN else ""
        advice = f"\nCorrect them, or leave out these {len(problems)} of {len(table.rows)} rows." if rows else ""
        text = f"'{table.name}': " + "\n".join(problems[:SHOWN]) + more + advice
        raise DataError(text, bad_rows=len(problems) if rows else 0)
    return Normal(rows, len(problems), problems)


def _one(row: Row, recognised: Recognised) -> Row:
    roles = recognised.roles
    if recognised.shape == Shape.CHAT:
        return {"messages": _system(row, roles) + _messages(row.get(roles["messages"]))}
    if recognised.shape == Shape.TEXT:
        return {"text": _text(row, roles["text"], "text")}
    prompt = _text(row, roles["prompt"], "question")
    answer = _text(row, roles["completion"], "answer")
    if "input" in roles and row.get(roles["input"]):
        prompt = f"{prompt}\n\n{_text(row, roles['input'], 'input')}"
    if system := _system(row, roles):
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        return {"messages": system + turns}
    return {"prompt": prompt, "completion": answer}


def _system(row: Row, roles: dict[str, str]) -> list[dict[str, str]]:
    if "system" not in roles or not row.get(roles["system"]):
        return []
    return [{"role": "system", "content": _text(row, roles["system"], "system text")}]


def _text(row: Row, column: str, what: str) -> str:
    """A field's text; numbers (a label's class number) are taken as they are written."""
    value = row.get(column)
    if isinstance(value, list | dict):
        raise DataError(f"expected text in '{column}', got {'a list' if isinstance(value, list) else 'an object'}.")
    if value is None or not str(value).strip():
        raise DataError(f"no {what}: the field '{column}' is empty.")
    return str(value)


def _messages(turns: Any) -> list[dict[str, str]]:
    """OpenAI's role/content or ShareGPT's from/value turns, checked."""
    if not isinstance(turns, list) or not turns:
        raise DataError("the conversation is empty.")
    messages: list[dict[str, str]] = []
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, dict):
            raise DataError(f"turn {number} is not an object with a role and a content.")
        role = str(turn.get("role", turn.get("from", "")))
        if role.lower() in TOOLS or turn.get("tool_calls") or turn.get("function_call"):
            raise DataError(f"turn {number} calls a tool, which Hone cannot train on yet.")
        if role.lower() not in TURNS:
            raise DataError(f"turn {number} has the unknown role '{role}'. Known are system, user and assistant.")
        name = TURNS[role.lower()]
        content = _content(turn.get("content", turn.get("value")), number)
        if name == "system" and messages:
            raise DataError(f"turn {number} is a system turn, which must come first.")
        if messages and name == messages[-1]["role"]:
            raise DataError(f"turns {number - 1} and {number} are both the {name}'s.")
        messages.append({"role": name, "content": content})
    if not any(message["role"] == "assistant" for message in messages):
        raise DataError("the conversation has no assistant answer.")
    return messages


def _content(value: Any, number: int) -> str:
    if isinstance(value, list):  # OpenAI's parts
        if not all(isinstance(part, dict) and part.get("type") == "text" for part in value):
            raise DataError(f"turn {number} holds something other than text.")
        value = "".join(str(part.get("text", part.get("value", ""))) for part in value)
    if not isinstance(value, str):
        raise DataError(f"turn {number}: expected text, got {type(value).__name__}.")
    if not value.strip():
        raise DataError(f"turn {number} is empty.")
    return value
