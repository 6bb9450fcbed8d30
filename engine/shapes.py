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
    "system": "system", "developer": "system", "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant",
}  # fmt: skip
TOOLS = {"tool", "function", "function_call", "observation", "ipython"}
MEDIA = ("images", "videos", "audios")  # what LLaMA-Factory and others put beside a chat


def recognise(table: Table) -> Recognised:
    """The shape of a table by its columns; raises DataError that names what was found and what would do."""
    have = {column.lower(): column for column in table.columns}

    def found(shape: Shape, roles: dict[str, str], reason: str) -> Recognised:
        if shape in (Shape.CHAT, Shape.COMPLETION) and _marks(table, have.get("label")):
            roles = roles | {"mark": have["label"]}
            reason += f" '{have['label']}' says whether its answer is a good one."
        rest = ", ".join(f"'{column}'" for column in table.columns if column not in roles.values())
        return Recognised(shape, f"{reason} Columns not used: {rest}." if rest else reason, roles)

    for name in CHAT_COLUMNS:
        # One row that has a list is enough: the others are then bad rows, and not a sign of another shape.
        if name in have and any(isinstance(row.get(have[name]), list) for row in table.rows):
            roles = {"messages": have[name]} | ({"system": have["system"]} if "system" in have else {})
            if {"chosen", "rejected"} <= set(have):
                return found(
                    Shape.PREFERENCE,
                    roles | {"completion": have["chosen"]},
                    f"Every row has '{have[name]}', 'chosen' and 'rejected'. Hone learns from 'chosen' and the turns"
                    " before it.",
                )
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
    if {"role", "content"} <= set(have) or {"from", "value"} <= set(have):
        raise DataError(
            f"'{table.name}': each row is one turn of a conversation, where Hone needs one conversation per row. "
            "Put the turns of each conversation into one list named 'messages' (JSON or JSONL)."
        )
    if name := next((have[name] for name in CHAT_COLUMNS if name in have), ""):
        raise DataError(
            f"'{table.name}': the column '{name}' should hold a list of turns, but no row has one. Use JSON or JSONL."
        )
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
    if not table.columns:
        raise DataError(f"'{table.name}': its rows have no fields. Each needs some, such as 'prompt' and 'completion'.")
    raise DataError(
        f"'{table.name}': a column is missing. Found: {', '.join(map(repr, table.columns[:12]))}. "
        "Rename the columns to 'prompt' and 'completion', or 'instruction' and 'output', or 'messages', or 'text'."
    )


def _marks(table: Table, column: str | None) -> bool:
    """Whether a column calls each answer good or bad (KTO's true and false)."""
    if column is None:
        return False
    values = {_mark(row, column) for row in table.rows}
    return bool(values & {"true", "false"}) and values <= {"true", "false", ""}


def _mark(row: Row, column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value).strip().lower()


def _alpaca_extras(have: dict[str, str]) -> dict[str, str]:
    return {
        role: name for role, name in (("input", "context"), ("input", "input"), ("system", "system")) if name in have
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
    if "mark" in roles and (mark := _mark(row, roles["mark"])) != "true":
        why = "is marked as a bad one" if mark else "is not marked as good or bad"
        raise DataError(f"the answer {why} ('{roles['mark']}' is {mark or 'empty'}), so it should not be learned.")
    if "messages" in roles:
        if media := next((name for name in MEDIA if row.get(name)), ""):
            raise DataError(f"it comes with {media}, which Hone cannot train on yet.")
        return {"messages": _system(row, roles) + _messages(_turns(row, roles))}
    if recognised.shape == Shape.TEXT:
        return {"text": _text(row, roles["text"], "text")}
    prompt = _text(row, roles["prompt"], "question")
    answer = _text(row, roles["completion"], "answer")
    if "input" in roles and row.get(roles["input"]) not in (None, ""):
        prompt = f"{prompt}\n\n{_text(row, roles['input'], 'input')}"
    if system := _system(row, roles):
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        return {"messages": system + turns}
    return {"prompt": prompt, "completion": answer}


def _turns(row: Row, roles: dict[str, str]) -> Any:
    """The row's conversation; where it is a preference, with the chosen answer at its end."""
    turns, chosen = row.get(roles["messages"]), row.get(roles.get("completion", ""))
    if "completion" not in roles or not isinstance(turns, list):
        return turns
    if isinstance(chosen, str):
        chosen = {"role": "assistant", "content": chosen}
    return turns + (chosen if isinstance(chosen, list) else [chosen])


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
    if isinstance(turns, str | dict):
        raise DataError("expected a list of turns, got something else.")
    if not isinstance(turns, list) or not turns:
        raise DataError("the conversation is empty.")
    messages: list[dict[str, str]] = []
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, dict):
            raise DataError(f"turn {number} is not an object with a role and a content.")
        role = str(turn.get("role", turn.get("from", "")))
        if role.lower() in TOOLS or turn.get("tool_calls") or turn.get("function_call"):
            raise DataError(f"turn {number} calls a tool, which Hone cannot train on yet.")
        if turn.get("weight") == 0:
            raise DataError(f"turn {number} has the weight 0 (not to be learned), which Hone does not know yet.")
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
    if not any(message["role"] == "assistant" for message in messages[1:]):
        raise DataError("the assistant's only answer comes first, with no question before it.")
    return messages


def _content(value: Any, number: int) -> str:
    if isinstance(value, list):  # OpenAI's parts
        if not all(isinstance(part, dict) and part.get("type") == "text" for part in value):
            raise DataError(f"turn {number} holds something other than text.")
        value = "".join(str(part.get("text", part.get("value", ""))) for part in value)
    if value is not None and not isinstance(value, str):
        what = {"dict": "an object", "bool": "true or false"}.get(type(value).__name__, "a number")
        raise DataError(f"turn {number}: expected text, got {what}.")
    if not value or not value.strip():
        raise DataError(f"turn {number} is empty.")
    return value
