"""Messages in the forms that chat templates want, and the check that a template showed all of them.

Knows nothing about masks: it turns messages into messages, and compares them with a rendered text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from engine.data.messages import Message
from engine.errors import DataError

Tool = dict[str, Any]
ADVICE = "Choose another chat format (template), or leave these rows out."
MESSAGE_PARTS = {
    "system": "the system prompt",
    "user": "what the user says",
    "tool": "what tools answer",
}


def message_forms(source: str, messages: list[Message]) -> Iterator[list[Message]]:
    """The messages in each form that a template with this source may want.

    Tool calls with ids or without, arguments as an object or as JSON, and texts as lists of parts,
    which templates of models that also read pictures expect.
    """
    # Some templates read thinking only from a field of its own, and would show <think> as the
    # answer.
    has_field = "reasoning_content" in source or "thinking" in source
    separate = has_field and "</think>" not in source
    plain = [_clean_message(message, separate) for message in messages]
    yield plain
    if any("tool_calls" in message for message in plain):
        yield _with_call_ids(plain)
        as_text = [_with_json_arguments(message) for message in plain]
        yield as_text
        yield _with_call_ids(as_text)
    yield [message | {"content": _text_parts(message["content"])} for message in plain]


def content_of(message: Message) -> str:
    """A message's text, also where it is a list of parts."""
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def answer_after_thinking(message: Message) -> str:
    """An assistant's text after its thinking, which templates may drop."""
    return content_of(message).rpartition("</think>")[2]


def replace_words(message: Message, words: str) -> Message:
    """The message with other words; with thinking if it had thinking."""
    text = f"<think>\n{words}\n</think>\n\n{words}" if "</think>" in content_of(message) else words
    as_text = isinstance(message["content"], str)
    made = message | {"content": text if as_text else _text_parts(text)}
    return made | {"reasoning_content": words} if "reasoning_content" in message else made


def _text_parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def contains_words(squeezed: str, content: str) -> bool:
    """Whether a text without its blanks contains these words, as they are or as JSON writes them.

    Blanks do not count, since templates trim and indent.
    """
    forms = (content, json.dumps(content, ensure_ascii=False)[1:-1], json.dumps(content)[1:-1])
    return any(remove_blanks(form) in squeezed for form in forms)


def remove_blanks(text: str) -> str:
    return "".join(text.split())


def check_complete(text: str, messages: list[Message], tools: list[Tool]) -> None:
    """Raises DataError where the template left out a message, a tool call or a tool."""
    squeezed = remove_blanks(text)
    for message in messages:
        answers = message["role"] == "assistant"
        content = answer_after_thinking(message) if answers else content_of(message)
        if not contains_words(squeezed, content):
            calls = " when it also calls a tool" if "tool_calls" in message else ""
            raise_missing(MESSAGE_PARTS.get(message["role"], f"what the assistant says{calls}"))
        for call in message.get("tool_calls", []):
            if not contains_words(squeezed, call["function"]["name"]):
                raise_missing("tool calls")
    for tool in tools:
        if not contains_words(squeezed, str(tool.get("function", tool).get("name", ""))):
            raise_missing("the list of tools")


def contains_calls(squeezed: str, message: Message) -> bool:
    """Whether a text without blanks has each tool's name, once per call, and its arguments'."""
    calls = [call["function"] for call in message.get("tool_calls", [])]
    names = [remove_blanks(call["name"]) for call in calls]
    return all(squeezed.count(name) >= names.count(name) for name in names) and all(
        contains_words(squeezed, key) for call in calls for key in _call_arguments(call)
    )


def _call_arguments(call: dict[str, Any]) -> dict[str, Any]:
    found = call.get("arguments") or {}
    return json.loads(found) if isinstance(found, str) else found


def raise_missing(what: str) -> NoReturn:
    raise DataError(
        f"This model's chat template does not show {what}, so it could not be learned or read. "
        f"{ADVICE}"
    )


def _clean_message(message: Message, separate: bool) -> Message:
    """The message without Hone's own and empty fields; ``separate``: thinking in its own field."""
    kept = {
        key: value for key, value in message.items() if key != "weight" and value not in (None, [])
    }
    kept.setdefault("content", "")
    if separate and message["role"] == "assistant" and "</think>" in kept["content"]:
        thought, _, answer = kept["content"].rpartition("</think>")
        kept["reasoning_content"] = thought.replace("<think>", "").strip()
        kept["content"] = answer.lstrip("\n")
    return kept


def _with_json_arguments(message: Message) -> Message:
    """The message with the arguments of its tool calls as JSON text."""
    if "tool_calls" not in message:
        return message
    calls = []
    for call in message["tool_calls"]:
        arguments = json.dumps(call["function"].get("arguments", {}), ensure_ascii=False)
        calls.append(call | {"function": call["function"] | {"arguments": arguments}})
    return message | {"tool_calls": calls}


def _with_call_ids(messages: list[Message]) -> list[Message]:
    """Tool calls and results with ids of nine characters, as Mistral's templates want."""
    count, waiting, made = 0, [], []
    for message in messages:
        if "tool_calls" in message:
            calls = []
            for call in message["tool_calls"]:
                count += 1
                waiting.append(f"call{count:05d}")
                calls.append({"id": waiting[-1], **call})
            message = message | {"tool_calls": calls}
        elif message["role"] == "tool":
            message = message | {"tool_call_id": waiting.pop(0) if waiting else "call00000"}
        made.append(message)
    return made
