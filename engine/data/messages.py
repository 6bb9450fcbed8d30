"""Conversations as lists of messages, read from the forms of many tools and checked.

    {"role": "system" | "user" | "assistant" | "tool", "content": text}

An assistant's message may have "tool_calls", and "weight": 0 where it is read but not a target.
"""

from __future__ import annotations

from typing import Any

from engine.data.columns.cells import is_blank
from engine.data.rows import Row
from engine.data.turns.content import read_content
from engine.data.turns.fields import as_list, role_name, split_turns, turn_content
from engine.data.turns.roles import CALL_ROLES, known_role
from engine.data.turns.tool_calls import read_call, read_calls
from engine.errors import DataError

Message = dict[str, Any]
# Of a turn: axolotl's, ms-swift's, and what others call it.
LEARNED_FIELDS = ("train", "training", "loss", "loss_mask", "trainable")
WEIGHT_FIELDS = ("weight", "loss_weight")
NOT_LEARNED, LEARNED = ("false", "0", "0.0"), ("true", "1", "1.0")


def make_message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def with_system(messages: list[Message], system: str) -> list[Message]:
    """Return the messages after this system prompt; those that bring one keep theirs."""
    if not system.strip() or (messages and messages[0]["role"] == "system"):
        return messages
    return [make_message("system", system.strip()), *messages]


def read_messages(turns: Any) -> list[Message]:
    """Convert a conversation's turns to messages; raises DataError for what no model can learn."""
    return check_messages(read_turns(turns))


def read_turns(turns: Any) -> list[Message]:
    """Convert turns to messages, whoever speaks first or last; DataError where one is unreadable.

    An empty system turn is left out, and so are empty turns after the last answer.
    """
    if isinstance(turns, str) and turns.lstrip().startswith("[{") and as_list(turns) is turns:
        raise DataError("its conversation is not valid JSON.")
    turns = as_list(turns)
    if isinstance(turns, str | dict):
        raise DataError("expected a list of turns, got something else.")
    if not isinstance(turns, list) or not turns:
        raise DataError("the conversation is empty.")
    messages: list[Message] = []
    empty = 0  # number of the first empty turn; it may stand at the end alone
    for number, turn in enumerate(split_turns(turns), start=1):
        if not isinstance(turn, dict):
            raise DataError(f"turn {number} is not an object with a role and a content.")
        message = _read_turn(turn, number)
        blank = is_blank(message["content"]) and "tool_calls" not in message
        if blank and message["role"] == "system":
            continue
        if not blank or message["role"] == "tool":
            _require_filled(empty)
            messages.append(message)
        elif not empty:
            empty = number
    if not any(one["role"] == "assistant" for one in messages):
        _require_filled(empty)
    return messages


def _require_filled(number: int) -> None:
    if number:
        raise DataError(f"turn {number} is empty.")


def check_messages(messages: list[Message]) -> list[Message]:
    """Return the messages; raises DataError where their order leaves nothing to learn."""
    for number, message in enumerate(messages[1:], start=2):
        role = message["role"]
        if role == "system":
            raise DataError(f"turn {number} is a system turn, which must come first.")
        if role == messages[number - 2]["role"] != "tool":
            raise DataError(f"turns {number - 1} and {number} are both the {role}'s.")
    _check_answers([message for message in messages if message["role"] == "assistant"], messages)
    return messages


def _check_answers(answers: list[Message], messages: list[Message]) -> None:
    if not answers:
        raise DataError("the conversation has no assistant answer.")
    if len(answers) == 1 and answers[0] is messages[0]:
        raise DataError("the assistant's only answer comes first, with no question before it.")
    if all(answer.get("weight") == 0 for answer in answers):
        raise DataError("all its answers have the weight 0, so there is nothing to learn.")


def _read_turn(turn: Row, number: int) -> Message:
    role = role_name(turn)
    name, value = known_role(role), turn_content(turn)
    if not name:
        raise DataError(
            f"turn {number} has the unknown role '{role}'. "
            "Known are system, user, assistant and tool."
        )
    calls = read_calls(turn, number)
    if role.strip().lower() in CALL_ROLES:
        content, calls = "", [read_call(value, number)]
    else:
        content, more = read_content(value, number)
        calls += more
    if calls and name != "assistant":
        raise DataError(
            f"turn {number} calls a tool, but it is the {name}'s. Only the assistant can."
        )
    message = make_message(name, content)
    if calls:
        message["tool_calls"] = calls
    if name == "tool" and turn.get("name"):
        message["name"] = str(turn["name"])
    if name == "assistant" and _has_zero_weight(turn, number):
        message["weight"] = 0
    return message


def _has_zero_weight(turn: Row, number: int) -> bool:
    """Whether an answer is not learned: by its weight, or as axolotl and ms-swift say it."""
    if any(str(turn.get(one)).strip().lower() in NOT_LEARNED for one in LEARNED_FIELDS):
        return True
    weight = next((turn[field] for field in WEIGHT_FIELDS if not is_blank(turn.get(field))), 1)
    word = str(weight).strip().lower()
    if word not in (*NOT_LEARNED, *LEARNED):
        raise DataError(f"turn {number} has the weight {weight}; known are 0 (not learned) and 1.")
    return word in NOT_LEARNED
