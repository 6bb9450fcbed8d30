"""Conversations as lists of messages, read from OpenAI's and ShareGPT's forms and checked.

    {"role": "system" | "user" | "assistant" | "tool", "content": text}

An assistant's message may have "tool_calls", and "weight": 0 where it is read but not a target.
"""

from __future__ import annotations

import json
from typing import Any

from engine.data.rows import Row
from engine.errors import DataError

ROLE_NAMES = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant",
    "chatgpt": "assistant", "function_call": "assistant", "tool": "tool", "function": "tool",
    "observation": "tool", "ipython": "tool",
}  # fmt: skip
Message = dict[str, Any]
JSON_ERRORS = (ValueError, RecursionError)


def make_message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def with_system(messages: list[Message], system: str) -> list[Message]:
    """Return the messages after this system prompt; those that bring one keep theirs."""
    if not system.strip() or (messages and messages[0]["role"] == "system"):
        return messages
    return [make_message("system", system.strip()), *messages]


def read_messages(turns: Any) -> list[Message]:
    """Convert a conversation's turns to messages; raises DataError for what no model can learn."""
    if isinstance(turns, str) and turns.lstrip().startswith("[{"):  # a table's cell
        try:
            turns = json.loads(turns)
        except JSON_ERRORS:
            raise DataError("its conversation is not valid JSON.") from None
    if isinstance(turns, str | dict):
        raise DataError("expected a list of turns, got something else.")
    if not isinstance(turns, list) or not turns:
        raise DataError("the conversation is empty.")
    messages: list[Message] = []
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, dict):
            raise DataError(f"turn {number} is not an object with a role and a content.")
        message = _read_turn(turn, number)
        if message["role"] == "system" and messages:
            raise DataError(f"turn {number} is a system turn, which must come first.")
        if messages and message["role"] == messages[-1]["role"] != "tool":
            raise DataError(f"turns {number - 1} and {number} are both the {message['role']}'s.")
        messages.append(message)
    _check_answers([message for message in messages if message["role"] == "assistant"], messages[0])
    return messages


def _check_answers(answers: list[Message], first: Message) -> None:
    if not answers:
        raise DataError("the conversation has no assistant answer.")
    if len(answers) == 1 and answers[0] is first:
        raise DataError("the assistant's only answer comes first, with no question before it.")
    if all(answer.get("weight") == 0 for answer in answers):
        raise DataError("all its answers have the weight 0, so there is nothing to learn.")


def _read_turn(turn: Row, number: int) -> Message:
    role = str(turn.get("role", turn.get("from", "")))
    if role.lower() not in ROLE_NAMES:
        raise DataError(
            f"turn {number} has the unknown role '{role}'. "
            "Known are system, user, assistant and tool."
        )
    name, value = ROLE_NAMES[role.lower()], turn.get("content", turn.get("value"))
    calls = _read_calls(turn, number)
    if role.lower() == "function_call":
        content, calls = "", [_read_call(value, number)]
    else:
        content, more = read_content(value, number)
        calls += more
    if calls and name != "assistant":
        raise DataError(
            f"turn {number} calls a tool, but it is the {name}'s. Only the assistant can."
        )
    if not content.strip() and not calls and name != "tool":
        raise DataError(f"turn {number} is empty.")
    message = make_message(name, content)
    if calls:
        message["tool_calls"] = calls
    if name == "tool" and turn.get("name"):
        message["name"] = str(turn["name"])
    if name == "assistant" and _has_zero_weight(turn, number):
        message["weight"] = 0
    return message


def _has_zero_weight(turn: Row, number: int) -> bool:
    weight = turn.get("weight", turn.get("loss_weight"))
    if weight not in (None, 0, 1):
        raise DataError(f"turn {number} has the weight {weight}; known are 0 (not learned) and 1.")
    return bool(weight == 0)


def read_content(value: Any, number: int) -> tuple[str, list[Row]]:
    """Return a turn's text and the tool calls in it. Thinking is kept as models write it."""
    if value is None or isinstance(value, str):
        return value or "", []
    if not isinstance(value, list):
        kinds = {"dict": "an object", "bool": "true or false"}
        what = kinds.get(type(value).__name__, "a number")
        raise DataError(f"turn {number}: expected text, got {what}.")
    texts, calls = "", []
    for part in value:
        fields = part if isinstance(part, dict) else {}
        text = str(fields.get("text", fields.get("value", "")))
        match fields.get("type"):
            case "text":
                texts += text
            case "reasoning":
                texts += f"<think>\n{text.strip()}\n</think>\n\n"
            case "tool_call":
                calls.append(_read_call(text, number))
            case _:
                raise DataError(f"turn {number} holds something other than text.")
    return texts, calls


def _read_calls(turn: Row, number: int) -> list[Row]:
    """OpenAI's tool calls of a turn: "tool_calls", or the old "function_call"."""
    calls = turn.get("tool_calls") or []
    if not isinstance(calls, list):
        raise DataError(f"turn {number}: 'tool_calls' is not a list.")
    if turn.get("function_call"):
        calls = [*calls, turn["function_call"]]
    functions = (one.get("function", one) if isinstance(one, dict) else one for one in calls)
    return [_read_call(one, number) for one in functions]


def _read_call(value: Any, number: int) -> Row:
    """Read a tool call. Arguments that are JSON, even twice, are decoded: templates encode them."""
    try:
        value = json.loads(value) if isinstance(value, str) else value
        name, arguments = value["name"], value.get("arguments", value.get("parameters", {}))
        for _ in range(2):
            if isinstance(arguments, str) and arguments.strip():
                arguments = json.loads(arguments)
    except (*JSON_ERRORS, KeyError, TypeError, AttributeError):
        raise DataError(
            f"turn {number} calls a tool in a form that cannot be read (name and arguments)."
        ) from None
    if not isinstance(name, str) or not name or not isinstance(arguments, dict | None):
        raise DataError(
            f"turn {number} calls a tool without a name, or with arguments that are no object."
        )
    return {"type": "function", "function": {"name": name, "arguments": arguments or {}}}


def read_tools(value: Any) -> list[Row]:
    """The tools of a conversation, each as OpenAI's {"type": "function", "function": {...}}."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except JSON_ERRORS:
            raise DataError("its list of tools is not valid JSON.") from None
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise DataError("its tools are not a list of objects.")
    return [one if "function" in one else {"type": "function", "function": one} for one in value]
