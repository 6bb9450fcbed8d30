"""What a turn says: its text out of the parts of many formats, and the tool calls among them."""

from __future__ import annotations

from typing import Any

from engine.data.rows import Row
from engine.data.turns.fields import TEXT_FIELDS
from engine.data.turns.tool_calls import read_call
from engine.errors import DataError

KIND_WORDS = {"dict": "an object", "list": "a list", "bool": "true or false"}
TEXT_PARTS = ("", "text", "input_text", "output_text", "markdown", "string")
THOUGHT_PARTS = ("reasoning", "thinking", "thought")
CALL_PARTS = ("tool_call", "tool_use", "function_call")
HIDDEN_PARTS = ("redacted_thinking", "step_start", "step-start")  # without a text to learn


def read_content(value: Any, number: int) -> tuple[str, list[Row]]:
    """Return a turn's text and the tool calls in it. Thinking is kept as models write it."""
    if value is None or isinstance(value, str):
        return value or "", []
    if isinstance(value, dict):
        inner = next((value[field] for field in TEXT_FIELDS if value.get(field) is not None), None)
        if inner is not None and not isinstance(inner, dict):
            return read_content(inner, number)
    if not isinstance(value, list):
        what = KIND_WORDS.get(type(value).__name__, "a number")
        raise DataError(f"turn {number}: expected text, got {what}.")
    texts, calls = "", []
    for part in value:
        text, found = _read_part(part, number)
        texts += text
        calls += found
    return texts, calls


def _read_part(part: Any, number: int) -> tuple[str, list[Row]]:
    """The text of a part, or its call; raises DataError for a picture or a file."""
    if isinstance(part, str):
        return part, []
    fields = part if isinstance(part, dict) else {"type": "unknown"}
    kind = str(fields.get("type", "")).lower()
    if kind in CALL_PARTS:
        return "", [read_call(fields.get("text", fields.get("value", fields)), number)]
    if isinstance(call := fields.get("functionCall", fields.get("function_call")), dict):
        return "", [read_call(call, number)]  # Gemini's
    names = ("text", "value", "content", kind) if kind else ("text", "value", "content")
    text = next((fields[name] for name in names if isinstance(fields.get(name), str)), None)
    if kind in HIDDEN_PARTS:
        return "", []
    if kind in THOUGHT_PARTS or fields.get("thought") is True:
        return f"<think>\n{(text or '').strip()}\n</think>\n\n", []
    if kind not in TEXT_PARTS or text is None:
        raise DataError(f"turn {number} holds something other than text.")
    return text, []
