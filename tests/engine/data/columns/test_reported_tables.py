"""Tables as people have reported them to other tools: read rightly, or asked about."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from engine.data.columns.cells import decode_cell, is_blank
from engine.data.messages import read_messages
from engine.data.normalize import normalize_row
from engine.data.schema import Shape
from engine.data.turns.roles import known_role
from engine.errors import DataError
from tests.engine.data.columns.tables import (
    ask,
    assistant,
    bad,
    good,
    infer,
    read_rows,
    turns_of,
    user,
    worse,
)

EARLIER = [user(90), assistant(90)]
# A row by its number; each has the question, the good answer and, of a preference, the bad one.
READ: dict[str, Callable[[int], dict[str, Any]]] = {
    "completion and rejected_completion": lambda n: {
        "prompt": ask(n), "completion": good(n), "rejected_completion": bad(n)},
    "chosen_completion and rejected_completion": lambda n: {
        "prompt": ask(n), "chosen_completion": good(n), "rejected_completion": bad(n),
        "chosen_model": "a", "rejected_model": "b"},
    "answer and negative_answer": lambda n: {
        "question": ask(n), "answer": good(n), "negative_answer": bad(n)},
    "a chat that goes on behind the answer": lambda n: {
        "prompt": ask(n), "chosen": [user(n), assistant(n)], "rejected": [user(n), worse(n)],
        "messages": [user(n), assistant(n), user(91), assistant(91)]},
    "messages and choices": lambda n: {
        "messages": [user(n)], "choices": [{"index": 0, "message": assistant(n)}]},
    "a conversation and the message that answers": lambda n: {
        "model": "m", "messages": [user(n)], "message": assistant(n)},
    "pairs of role and text": lambda n: {
        "messages": [["user", ask(n)], ["assistant", good(n)]]},
    "no input, in words": lambda n: {
        "instruction": ask(n), "input": "<noinput>", "output": good(n)},
    "no input, in lists": lambda n: {
        "instruction": ask(n), "input": [[], {}, ""][n % 3], "output": good(n)},
    "no input, as pandas and people write it": lambda n: {
        "instruction": ask(n), "input": ["nan", "N/A", "None", "null"][n % 4], "output": good(n)},
    "turns that begin with who speaks": lambda n: {
        "conversations": [f"User: {ask(n)}", f"Assistant: {good(n)}"]},
    "the same source in each row": lambda n: {
        "source": "web", "text": ask(n), "target": good(n)},
    "numpy's lists in cells": lambda n: {
        "messages": f"[{{'content': {ask(n)!r}, 'role': 'user'}}\n {assistant(n)}]"},
    "numpy's arrays in cells": lambda n: {
        "conversations": f"array([{user(n)},\n       {assistant(n)}], dtype=object)"},
    "an answer of pandas": lambda n: {
        "question": ask(n),
        "answers": f"{{'text': array([{good(n)!r}], dtype=object), 'start': array([5])}}"},
}  # fmt: skip


@pytest.mark.parametrize("layout", READ)
def test_a_table_is_read_as_it_is_meant(layout: str) -> None:
    schema, rows = read_rows(READ[layout])
    assert schema.certain
    for number, row in enumerate(rows):
        assert turns_of(row) == [("user", ask(number)), ("assistant", good(number))]
        assert row.get("rejected", bad(number)) == bad(number)
    compared = any(word in layout for word in ("rejected", "negative", "goes on"))
    assert (schema.shape == Shape.PREFERENCE) == compared


@pytest.mark.parametrize(
    "earlier",
    [
        {"chat_history": [["human", ask(90)], ["ai", good(90)]]}, {"context": EARLIER},
        {"previous_messages": EARLIER}, {"history": [tuple(one.values()) for one in EARLIER]},
    ],
    ids=str,
)  # fmt: skip
def test_earlier_turns_in_other_columns(earlier: dict[str, Any]) -> None:
    _, rows = read_rows(lambda n: {"question": ask(n), "answer": good(n)} | earlier)
    assert turns_of(rows[3]) == [
        ("user", ask(90)), ("assistant", good(90)), ("user", ask(3)), ("assistant", good(3)),
    ]  # fmt: skip


def chat(n: int, **field: Any) -> dict[str, Any]:
    return {"messages": [user(n), assistant(n) | field]}


# A row by its number -> what the question to the user has to name.
ASKED: dict[str, tuple[Callable[[int], dict[str, Any]], str]] = {
    "several worse answers": (lambda n: {
        "prompt": ask(n), "chosen": good(n), "rejected": [bad(n), f"Nor does {n} know it."]},
        "'rejected[1]' is not used"),
    "Gemini's scored completions": (lambda n: {
        "contents": [user(n)], "completions": [
            {"score": 0, "completion": worse(n)}, {"score": 1, "completion": assistant(n)}]},
        "'completions[1].completion.content' is not used"),
    "the right answer and a model's": (
        lambda n: {"question": ask(n), "answer": good(n), "response": bad(n)}, "'response'"),
    "a response and its reference": (
        lambda n: {"prompt": ask(n), "response": bad(n), "reference": good(n)}, "'reference'"),
    "an answer beside an input that is empty": (
        lambda n: {"instruction": ask(n), "input": "", "output": bad(n), "gold_answer": good(n)},
        "'gold_answer'"),
    "thoughts beside the answer": (
        lambda n: {"question": ask(n), "reasoning": bad(n), "answer": str(n)}, "'reasoning'"),
    "a chat and the answer that was expected": (
        lambda n: {"messages": [user(n), worse(n)], "expected_answer": good(n)},
        "'expected_answer'"),
    "questions with answers beside their document": (
        lambda n: {"document": bad(n), "pairs": [{"question": ask(n), "answer": good(n)}]},
        "'document' holds text"),
    "who wrote a text": (
        lambda n: {"text": good(n), "human": n % 2, "ai": (n + 1) % 2}, "'human'"),
    "whether a person is a bot": (
        lambda n: {"user": f"user{n}", "tweet": good(n), "bot": n % 2}, "'bot'"),
    "texts that name who speaks": (
        lambda n: {"text": f"Q: {ask(n)}\nA: {good(n)}"}, "name who speaks"),
    "a script between people who ask and answer": (
        lambda n: {"id": n, "text": f"Customer: {ask(n)}\nAgent: {good(n)}\nCustomer: Thanks."},
        "name who speaks"),
    "choices in an object": (
        lambda n: {"question": ask(n), "options": {"A": good(n), "B": bad(n)},
                   "answer": "AB"[n % 2]}, "'options' holds choices"),
    "choices in a text": (
        lambda n: {"question": ask(n), "options": f"A) {good(n)} B) {bad(n)}",
                   "answer": "AB"[n % 2]}, "'options' holds choices"),
    "a context of titles and sentences": (
        lambda n: {"question": ask(n), "context": {"title": ["a"], "sentences": [["b"]]},
                   "answer": good(n)}, "'context' holds no text"),
    "turns that are good or bad": (lambda n: chat(n, quality=["good", "bad"][n % 2]), "'quality'"),
    "a number that may be measured, or a judgement": (
        lambda n: {"text": good(n), "score": f"{n * 1000:,}.{n}5"}, "'score' holds numbers"),
    "texts with the headings of Alpaca": (
        lambda n: {"text": f"Do it.\n\n### Instruction:\n{ask(n)}\n\n### Response:\n{good(n)}"},
        "name who speaks"),
    "stars of turns": (lambda n: chat(n, rating=n % 5 + 1), "'rating'"),
    "marks within a turn": (
        lambda n: chat(n, feedback={"score": ["up", "down"][n % 2]}), "'score'"),
    "turns that are flagged": (lambda n: chat(n, flagged=n % 3 == 0), "'flagged'"),
}  # fmt: skip


@pytest.mark.parametrize("layout", ASKED)
def test_what_may_be_meant_otherwise_is_asked(layout: str) -> None:
    make_row, named = ASKED[layout]
    schema, rows = read_rows(make_row, 24)
    assert not schema.certain and named in schema.reason, schema.reason
    assert len(rows) == 24


@pytest.mark.parametrize("text", ["ROMEO: {}\nJULIET: {}", "Note: {}\nAnswer: {}", "{} A: {}"])
def test_other_names_in_texts_are_no_speakers(text: str) -> None:
    schema, _ = read_rows(lambda n: {"text": text.format(ask(n), good(n))})
    assert schema.shape == Shape.TEXT and schema.certain


def test_fields_of_turns_that_judge_nothing_are_let_alone() -> None:
    for field in ({"id": 7}, {"name": "Ann"}, {"label": "greeting"}, {"state": "finished"}):
        schema, _ = read_rows(lambda n, field=field: chat(n, **field))
        assert schema.certain, field


@pytest.mark.parametrize("labels", [(3, 14, 159), ("3,57", "2,5", "1 234,5")])
def test_numbers_are_labels_although_nearly_every_row_has_its_own(labels: tuple[Any, ...]) -> None:
    texts = [str(one).replace("5", str(n)) for n in range(10, 20) for one in labels]
    rows = [{"text": good(n), "label": label} for n, label in enumerate(texts)]
    assert infer(rows).shape == Shape.LABEL


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("['a' 'b, c']", ["a", "b, c"]), ("{'b', 'a'}", ["b", "a"]), ("('a', 'b')", ["a", "b"]),
        ("[1 0\n 1]", [1, 0, 1]), ("['it is' \"Ann's\"]", ["it is", "Ann's"]), ("()", "()"),
        ("['a b' 'c']", ["a b", "c"]), ("[see 'that' below]", "[see 'that' below]"),
        ("(maybe)", "(maybe)"), ("['a' ... 'b']", "['a' ... 'b']"), ("{1: array([2])}", {"1": [2]}),
        ("array(['x'], dtype=object)", ["x"]), ("open('x')", "open('x')"), ("('a')", "('a')"),
    ],
)  # fmt: skip
def test_lists_as_python_and_numpy_write_them(text: str, found: Any) -> None:
    assert decode_cell(text) == found


def test_what_holds_nothing_is_blank() -> None:
    assert all(map(is_blank, [None, "", " \u200e", "\u2800", [], {}, "\u3164\n"]))
    assert not any(map(is_blank, [0, False, "-", [None], {"a": None}]))


@pytest.mark.parametrize(
    ("asks", "answers"),
    [
        ("客户", "客服"), ("患者", "医生"), ("Клиент", "Оператор"),
        ("Customer 1", "customer service"),
        ("customer", "Customer Support Representative"), ("User", "GPT4o"), ("user", "phi-3-mini"),
        ("human", "gemma-2-9b-it"), ("user", "o1-preview"), ("問", "答"), ("Người dùng", "Trợ lý"),
        ("seeker", "supporter"), ("interviewer", "interviewee"), ("user", "chat-gpt"),
    ],
)  # fmt: skip
def test_who_asks_and_who_answers(asks: str, answers: str) -> None:
    assert (known_role(asks), known_role(answers)) == ("user", "assistant")


def test_a_call_as_ms_swift_writes_it() -> None:
    call = json.dumps({"name": "look", "arguments": {"of": "x"}})
    turns = [user(1), {"role": "tool_call", "content": call},
             {"role": "tool_response", "content": "7"}, assistant(1)]  # fmt: skip
    made = read_messages(turns)
    assert made[1]["tool_calls"][0]["function"]["name"] == "look" and made[2]["role"] == "tool"


@pytest.mark.parametrize("error", ["#N/A", "#REF!", " #NAME? ", "#DIV/0!"])
def test_an_error_of_a_spreadsheet_is_no_answer(error: str) -> None:
    schema, _ = read_rows(lambda n: {"question": ask(n), "answer": good(n)})
    with pytest.raises(DataError, match="an error of a spreadsheet's formula"):
        normalize_row({"question": "Why?", "answer": error}, schema)
    assert normalize_row({"question": "Why?", "answer": "#1 is N/A"}, schema)
