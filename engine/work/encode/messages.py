"""A conversation in the forms that chat templates want, and whether a template showed all of it.

Knows nothing about masks: it turns messages into messages, and compares them with a rendered text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from engine.errors import DataError

Message = dict[str, Any]
Tool = dict[str, Any]
ADVICE = "Choose another chat format (template), or leave these rows out."


def message_forms(source: str, messages: list[Message]) -> Iterator[list[Message]]:
    """The messages as a template may want them: calls with ids or without, arguments as an object or as JSON, and
    texts as lists of parts, which templates of models that also see pictures read."""
    # Some read thinking from a field of its own alone, and would show the marks around it as the answer's words.
    apart = "</think>" not in source and ("reasoning_content" in source or "thinking" in source)
    plain = [_clean_message(message, apart) for message in messages]
    yield plain
    if any("tool_calls" in message for message in plain):
        yield _with_call_ids(plain)
        as_text = [_with_json_arguments(message) for message in plain]
        yield as_text
        yield _with_call_ids(as_text)
    yield [
        message | {"content": [{"type": "text", "text": message["content"]}]} for message in plain
    ]


def content_of(message: Message) -> str:
    """A turn's text, also where it is a list of parts."""
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def answer_after_thinking(message: Message) -> str:
    """An assistant's words after its thinking, which templates may drop."""
    return content_of(message).rpartition("</think>")[2]


def replace_words(message: Message, words: str) -> Message:
    """The same turn with other words, thinking where it thought."""
    text = f"<think>\n{words}\n</think>\n\n{words}" if "</think>" in content_of(message) else words
    parts = not isinstance(message["content"], str)
    made = message | {"content": [{"type": "text", "text": text}] if parts else text}
    return made | {"reasoning_content": words} if "reasoning_content" in message else made


def contains_words(squeezed: str, content: str) -> bool:
    """Whether a text without its blanks holds these words, as they are or as JSON writes them.

    Blanks do not count: templates trim and indent.
    """
    ways = (content, json.dumps(content, ensure_ascii=False)[1:-1], json.dumps(content)[1:-1])
    return any(remove_blanks(way) in squeezed for way in ways)


def remove_blanks(text: str) -> str:
    return "".join(text.split())


def check_complete(text: str, messages: list[Message], tools: list[Tool]) -> None:
    """Raises DataError where the template left out a turn, a call or a tool."""
    squeezed = remove_blanks(text)
    names = {
        "system": "the system prompt",
        "user": "what the user says",
        "tool": "what tools answer",
    }
    for message in messages:
        content = (
            answer_after_thinking(message)
            if message["role"] == "assistant"
            else content_of(message)
        )
        if not contains_words(squeezed, content):
            calls = " when it also calls a tool" if "tool_calls" in message else ""
            raise_missing(names.get(message["role"], f"what the assistant says{calls}"))
        for call in message.get("tool_calls", []):
            if not contains_words(squeezed, call["function"]["name"]):
                raise_missing("tool calls")
    for tool in tools:
        if not contains_words(squeezed, str(tool.get("function", tool).get("name", ""))):
            raise_missing("the list of tools")


def contains_calls(squeezed: str, message: Message) -> bool:
    """Whether a text holds each tool call of a turn: the tool's name, as often as it is called, and its arguments'."""
    calls = [call["function"] for call in message.get("tool_calls", [])]
    names = [remove_blanks(call["name"]) for call in calls]
    return all(squeezed.count(name) >= names.count(name) for name in names) and all(
        contains_words(squeezed, key) for call in calls for key in _call_arguments(call)
    )


def _call_arguments(call: dict[str, Any]) -> dict[str, Any]:
    found = call.get("arguments") or {}
    return json.loads(found) if isinstance(found, str) else found


def raise_missing(what: str) -> None:
    """Raises DataError: the template leaves this out."""
    raise DataError(
        f"This model's chat template does not show {what}, so it could not be learned or read. {ADVICE}"
    )


def _clean_message(message: Message, apart: bool) -> Message:
    """Without what is not the template's, and with the thinking in its own field where that is wanted."""
    kept = {
        key: value for key, value in message.items() if key != "weight" and value not in (None, [])
    }
    kept.setdefault("content", "")
    if apart and message["role"] == "assistant" and "</think>" in kept["content"]:
        thought, _, answer = kept["content"].rpartition("</think>")
        kept |= {
            "reasoning_content": thought.replace("<think>", "").strip(),
            "content": answer.lstrip("\n"),
        }
    return kept


def _with_json_arguments(message: Message) -> Message:
    if "tool_calls" not in message:
        return message
    functions = [call["function"] for call in message["tool_calls"]]
    texts = [
        json.dumps(function.get("arguments", {}), ensure_ascii=False) for function in functions
    ]
    calls = [
        call | {"function": function | {"arguments": text}}
        for call, function, text in zip(message["tool_calls"], functions, texts, strict=True)
    ]
    return message | {"tool_calls": calls}


def _with_call_ids(messages: list[Message]) -> list[Message]:
    """Calls numbered in nine characters, as Mistral's templates want them, and results that name theirs."""
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
