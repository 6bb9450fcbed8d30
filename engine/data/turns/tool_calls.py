"""Tools and the calls of them, as OpenAI's {"type": "function", "function": {...}}."""

from __future__ import annotations

import json
from typing import Any

from engine.data.rows import Row
from engine.errors import DataError

JSON_ERRORS = (ValueError, RecursionError)
ARGUMENT_FIELDS = ("arguments", "parameters", "args", "input")  # the last is Anthropic's


def read_calls(turn: Row, number: int) -> list[Row]:
    """OpenAI's tool calls of a turn: "tool_calls", or the old "function_call"."""
    calls = turn.get("tool_calls") or []
    if not isinstance(calls, list):
        raise DataError(f"turn {number}: 'tool_calls' is not a list.")
    if turn.get("function_call"):
        calls = [*calls, turn["function_call"]]
    functions = (one.get("function", one) if isinstance(one, dict) else one for one in calls)
    return [read_call(one, number) for one in functions]


def read_call(value: Any, number: int) -> Row:
    """Read a tool call. Arguments that are JSON, even twice, are decoded: templates encode them."""
    try:
        value = json.loads(value) if isinstance(value, str) else value
        name = value["name"]
        arguments: Any = next((value[field] for field in ARGUMENT_FIELDS if field in value), {})
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
