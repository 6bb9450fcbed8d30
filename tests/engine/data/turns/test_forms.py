"""Conversations in the forms of many tools, and what is empty or nearly a known word in them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.data.messages import read_messages
from engine.data.turns.roles import known_role
from engine.errors import DataError
from tests.engine.data.columns.tables import SYSTEM, ask, assistant, good, read_rows, turns_of, user

Q, A = "Hello?", "Hi."
CHAT = [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]


@pytest.mark.parametrize(
    ("names", "role"),
    [
        (("user", "Human ", "USER:", "<|user|>", "Customer", "prompter", "User 1", "### Human",
          "用户", "Nutzer", "usuario", "Human User", "question"), "user"),
        (("assistant", "ASSISTANT:", "AI", "Assistant(model)", "Assistant (model)", "gpt", "GPT-4",
          "gpt-3.5-turbo", "chatgpt", "Chatbot", "AI Assistant", "model", "agent", "助手",
          "claude-3-opus", "Bot:", "CHATBOT", "answer"), "assistant"),
        (("system", "System", "developer", "SYS", "system_prompt", "系统"), "system"),
        (("tool", "function", "observation", "tool_result"), "tool"),
        (("wizard", "narrator", "Bob", "", "content", "user and assistant", "7"), ""),
    ],
)  # fmt: skip
def test_a_role_is_known_in_many_spellings(names: tuple[str, ...], role: str) -> None:
    assert {name: known_role(name) for name in names} == dict.fromkeys(names, role)


@pytest.mark.parametrize(
    "turns",
    [
        [{"from": "Human ", "value": Q}, {"from": "AI", "value": A}],
        [{"speaker": "user", "utterance": Q}, {"speaker": "bot", "utterance": A}],
        [{"author": "User", "text": Q}, {"author": "Assistant", "text": A}],
        [{"author": {"role": "user"}, "content": {"content_type": "text", "parts": [Q]}},
         {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": [A]}}],
        [{"role": "user", "parts": [{"text": Q}]}, {"role": "model", "parts": [{"text": A}]}],
        [{"role": "user", "parts": Q}, {"role": "model", "parts": [A]}],
        [{"role": "user", "content": [{"type": "input_text", "text": Q}]},
         {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": A}]}],
        [{"role": "user", "content": [{"text": Q}]},
         {"role": "assistant", "content": [{"text": A}]}],
        [{"role": "user", "content": {"text": Q}}, {"role": "assistant", "content": [A]}],
        [{"type": "human", "data": {"content": Q}}, {"type": "ai", "data": {"content": A}}],
        [{"human": Q, "assistant": A}], [{"input": Q, "output": A}], [{"bot": A, "user": Q}],
        [{"system": " ", "input": Q, "output": A}], [{"user": Q}, {"assistant": A}],
        [{"question": Q, "answer": A}], [[Q, A]], [Q, A], [{"Role": "User", "Content": Q}, CHAT[1]],
        [{"rolle": "Nutzer", "inhalt": Q}, {"rolle": "Assistent", "inhalt": A}],
        {"role": ["user", "assistant"], "content": [Q, A]}, {"messages": CHAT},
        [{"role": "system", "content": ""}, *CHAT], [{"role": "system", "content": "\n "}, *CHAT],
        [{"role": "system", "content": None}, *CHAT], [*CHAT, {"role": "user", "content": ""}],
        [*CHAT, {"role": "user", "content": " "}, {"role": "assistant", "content": None}],
        [*CHAT, {"role": "assistant", "content": "\u200b"}],
    ],
    ids=lambda turns: str(turns)[:40],
)  # fmt: skip
def test_the_turns_of_many_tools_are_read(turns: Any) -> None:
    assert read_messages(turns) == CHAT


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        ([{"role": "user", "content": ""}, CHAT[1]], "turn 1 is empty"),
        ([CHAT[0], {"role": "assistant", "content": "\u200b"}], "turn 2 is empty"),
        ([*CHAT, {"role": "user", "content": " "}, CHAT[1]], "turn 3 is empty"),
        ([{"speaker": "Bob", "text": Q}, CHAT[1]], "unknown role 'Bob'"),
        ([{"text": Q}, CHAT[1]], "unknown role ''"),
        ([CHAT[0], {"role": "assistant", "content": [{"type": "image_url", "url": "x"}]}],
         "something other than text"),
        ([CHAT[0], {"role": "assistant", "content": 7}], "expected text, got a number"),
    ],
)  # fmt: skip
def test_what_is_no_turn_is_still_named(turns: list[Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_messages(turns)


def test_the_calls_of_other_tools_are_read() -> None:
    """Anthropic's blocks and Gemini's parts."""
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    blocks = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Wait."},
              {"type": "tool_use", "id": "t", "name": "add", "input": {"a": 1}}]  # fmt: skip
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "2"}]}
    made = read_messages([CHAT[0], {"role": "assistant", "content": blocks},
                          {"role": "user", "content": [result]}, CHAT[1]])  # fmt: skip
    assert made == [
        CHAT[0],
        {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nWait.", "tool_calls": [call]},
        {"role": "tool", "content": "2"},
        CHAT[1],
    ]
    part = {"functionCall": {"name": "add", "args": {"a": 1}}}
    made = read_messages([CHAT[0], {"role": "model", "parts": [part]}])
    assert made[1] == {"role": "assistant", "content": "", "tool_calls": [call]}


@pytest.mark.parametrize("blank", ["", " ", "\n", "\t\u00a0", "\u200b", None])
def test_a_blank_field_is_an_empty_one(blank: str | None) -> None:
    for row, turns in (
        ({"instruction": ask(1), "input": blank, "output": good(1), "system": blank}, 2),
        ({"messages": [user(1), assistant(1)], "system": blank}, 2),
        ({"messages": [{"role": "system", "content": blank}, user(1), assistant(1)]}, 2),
        ({"messages": [SYSTEM, user(1), assistant(1)], "system": blank}, 3),
    ):
        _, rows = read_rows(lambda n, row=row: dict(row))
        assert turns_of(rows[0])[-2:] == [("user", ask(1)), ("assistant", good(1))]
        assert len(turns_of(rows[0])) == turns
    _, rows = read_rows(lambda n: {"title": blank, "text": good(n), "label": "ab"[n % 2]})
    assert rows[1] == {"prompt": good(1), "completion": "b"}


@pytest.mark.parametrize(
    ("system", "messages"),
    [
        ("system", [user(1), assistant(1)]),
        ("systemInstruction", [{"role": "user", "parts": [{"text": ask(1)}]},
                               {"role": "model", "parts": [{"text": good(1)}]}]),
    ],
)  # fmt: skip
def test_a_system_text_may_come_in_parts(system: str, messages: list[Any]) -> None:
    name = "contents" if "parts" in messages[0] else "messages"
    for value in ("Be kind.", [{"text": "Be kind."}], {"parts": [{"text": "Be kind."}]}):
        _, rows = read_rows(lambda n, value=value: {system: value, name: messages})
        assert turns_of(rows[0])[0] == ("system", "Be kind.")


def test_turns_without_speakers_are_asked_about() -> None:
    schema, rows = read_rows(lambda n: {"dialog": [ask(n), good(n), "Thanks."]})
    assert not schema.certain and "in turn" in schema.reason
    assert turns_of(rows[0])[:2] == [("user", ask(0)), ("assistant", good(0))]
