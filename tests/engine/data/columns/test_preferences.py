"""Tables of better and worse answers, whose columns overlap: what is asked once, each turn once."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from engine.data.normalize import normalize_row
from engine.data.rows import Row
from engine.data.schema import Shape
from engine.errors import DataError
from tests.engine.data.columns.tables import (
    SYSTEM,
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

HUMAN, AI = "\n\nHuman: ", "\n\nAssistant:"
WHOLE, OTHER = (lambda n: [user(n), assistant(n)]), (lambda n: [user(n), worse(n)])
# A row by its number -> the column that is asked.
LAYOUTS: dict[str, tuple[Callable[[int], Row], str]] = {
    "prompt, whole answers, chat with the answer": (lambda n: {
        "prompt": ask(n), "prompt_id": f"id{n}", "chosen": WHOLE(n), "rejected": OTHER(n),
        "messages": WHOLE(n), "score_chosen": 8.0, "score_rejected": 3.5}, "prompt"),
    "chat with the answer alone": (lambda n: {
        "messages": WHOLE(n), "chosen": good(n), "rejected": bad(n)}, "messages"),
    "chat with the worse answer": (lambda n: {
        "messages": OTHER(n), "chosen": good(n), "rejected": bad(n)}, "messages"),
    "prompt, chat with the answer, texts": (lambda n: {
        "messages": WHOLE(n), "prompt": ask(n), "chosen": good(n), "rejected": bad(n)}, "prompt"),
    "question alone in the chat, whole answers": (lambda n: {
        "conversations": [{"from": "human", "value": ask(n)}], "chosen": WHOLE(n),
        "rejected": OTHER(n)}, "conversations"),
    "whole answers alone": (lambda n: {"chosen": WHOLE(n), "rejected": OTHER(n)}, ""),
    "prompt as a list, answers as lists": (lambda n: {
        "prompt": [user(n)], "chosen": [assistant(n)], "rejected": [worse(n)]}, "prompt"),
    "answers as turns": (lambda n: {
        "question": ask(n), "chosen": assistant(n), "rejected": worse(n)}, "question"),
    "white space differs": (lambda n: {
        "prompt": f" {ask(n)}\n", "chosen": WHOLE(n), "rejected": OTHER(n)}, "prompt"),
    "one side whole": (lambda n: {
        "prompt": ask(n), "chosen": WHOLE(n), "rejected": bad(n)}, "prompt"),
    "JSON in cells": (lambda n: {
        "prompt": ask(n), "chosen": json.dumps(WHOLE(n)), "rejected": json.dumps(OTHER(n))},
        "prompt"),
    "Python in cells": (lambda n: {
        "instruction": ask(n), "chosen": str(WHOLE(n)), "rejected": str(OTHER(n))}, "instruction"),
    "HH-RLHF": (lambda n: {
        "chosen": f"{HUMAN}{ask(n)}{AI} {good(n)}", "rejected": f"{HUMAN}{ask(n)}{AI} {bad(n)}"},
        ""),
    "HH-RLHF with its prompt": (lambda n: {
        "prompt": f"{HUMAN}{ask(n)}{AI}", "chosen": f" {good(n)}", "rejected": f" {bad(n)}"},
        "prompt"),
    "HH-RLHF, prompt in both": (lambda n: {
        "prompt": f"{HUMAN}{ask(n)}{AI}", "chosen": f"{HUMAN}{ask(n)}{AI} {good(n)}",
        "rejected": f"{HUMAN}{ask(n)}{AI} {bad(n)}"}, "prompt"),
    "texts that begin with the prompt": (lambda n: {
        "prompt": ask(n), "chosen": f"{ask(n)}\n{good(n)}", "rejected": f"{ask(n)}\n{bad(n)}"},
        "prompt"),
    "a prompt that is written out": (lambda n: {
        "prompt": f"{ask(n)}\n{good(n)}", "question": ask(n), "chosen": good(n),
        "rejected": bad(n)}, "question"),
    "OpenAI": (lambda n: {
        "input": {"messages": [user(n)], "tools": []}, "preferred_output": [assistant(n)],
        "non_preferred_output": [worse(n)]}, "input.messages"),
    "objects": (lambda n: {
        "prompt": {"text": ask(n)}, "chosen": {"content": good(n), "score": 2},
        "rejected": {"content": bad(n), "score": 1}}, "prompt.text"),
    "ms-swift": (lambda n: {"messages": WHOLE(n), "rejected_response": bad(n)}, ""),
    "ms-swift, two chats": (lambda n: {
        "messages": WHOLE(n), "rejected_messages": OTHER(n)}, ""),
    "a chat and a turn": (lambda n: {
        "conversations": WHOLE(n), "rejected": {"from": "gpt", "value": bad(n)}}, ""),
    "a response and a worse one": (lambda n: {
        "query": ask(n), "response": good(n), "rejected_response": bad(n)}, "query"),
    "a completion and a worse one": (lambda n: {
        "prompt": ask(n), "completion": good(n), "rejected": bad(n)}, "prompt"),
    "Prodigy": (lambda n: {
        "input": {"text": ask(n)}, "accept": {"text": good(n)}, "reject": {"text": bad(n)},
        "answer": "accept"}, "input.text"),
    "a list of one text": (lambda n: {
        "prompt": [ask(n)], "chosen": [good(n)], "rejected": [bad(n)]}, "prompt[0]"),
    "an empty system column": (lambda n: {
        "system": " ", "prompt": ask(n), "chosen": WHOLE(n), "rejected": OTHER(n)}, "prompt"),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_question_stands_once_and_never_with_the_answer(layout: str) -> None:
    make_row, asked = LAYOUTS[layout]
    schema, rows = read_rows(make_row)
    assert schema.shape == Shape.PREFERENCE and schema.certain
    assert schema.roles.get("prompt", "") == asked
    for number, row in enumerate(rows):
        assert [(role, text.strip()) for role, text in turns_of(row)] == [
            ("user", ask(number)), ("assistant", good(number)),
        ]  # fmt: skip
        assert row["rejected"] == bad(number)


@pytest.mark.parametrize(
    "make_row",
    [
        lambda n: {"prompt": ask(n), "messages": [user(90), assistant(90), *WHOLE(n)],
                   "chosen": good(n), "rejected": bad(n)},
        lambda n: {"prompt": ask(n), "chosen": [user(90), assistant(90), *WHOLE(n)],
                   "rejected": [user(90), assistant(90), *OTHER(n)]},
        lambda n: {"prompt": ask(90), "chosen": [user(90), assistant(90), *WHOLE(n)],
                   "rejected": [user(90), assistant(90), *OTHER(n)]},
        lambda n: {"conversation": [user(90), assistant(90), user(n)],
                   "chosen": WHOLE(n), "rejected": OTHER(n)},
        lambda n: {"conversation": [user(90), assistant(90)],
                   "chosen": WHOLE(n), "rejected": OTHER(n)},
    ],
)  # fmt: skip
def test_turns_of_longer_conversations_stand_once(make_row: Callable[[int], Row]) -> None:
    _, rows = read_rows(make_row)
    earlier = [("user", ask(90)), ("assistant", good(90))]
    for number, row in enumerate(rows):
        assert turns_of(row) == [*earlier, ("user", ask(number)), ("assistant", good(number))]


@pytest.mark.parametrize(
    "make_row",
    [
        lambda n: {"system": "Be kind.", "prompt": [SYSTEM, user(n)],
                   "chosen": [SYSTEM, *WHOLE(n)], "rejected": [SYSTEM, *OTHER(n)]},
        lambda n: {"prompt": [SYSTEM, user(n)], "chosen": WHOLE(n), "rejected": OTHER(n)},
        lambda n: {"prompt": ask(n), "chosen": [SYSTEM, *WHOLE(n)], "rejected": OTHER(n)},
        lambda n: {"system_prompt": "Be kind.", "question": ask(n), "chosen": good(n),
                   "rejected": bad(n)},
    ],
)  # fmt: skip
def test_a_system_turn_stands_once(make_row: Callable[[int], Row]) -> None:
    _, rows = read_rows(make_row)
    for number, row in enumerate(rows):
        assert turns_of(row) == [
            ("system", "Be kind."), ("user", ask(number)), ("assistant", good(number)),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("make_row", "asked"),
    [
        (lambda n: {"instruction": ask(n), "input": "Soon.", "chosen": good(n), "rejected": bad(n)},
         f"{ask(0)}\n\nSoon."),
        (lambda n: {"question": ask(n), "context": "Soon.", "chosen": good(n), "rejected": bad(n)},
         f"{ask(0)}\n\nSoon."),
        (lambda n: {"instruction": ask(n), "input": " ", "chosen": good(n), "rejected": bad(n)},
         ask(0)),
        (lambda n: {"prompt": f"Soon. {ask(n)}", "context": "Soon.", "chosen": good(n),
                    "rejected": bad(n)}, f"Soon. {ask(0)}"),
        (lambda n: {"prompt": f"Soon. {ask(n)}", "context": "Soon.", "completion": good(n)},
         f"Soon. {ask(0)}"),
    ],
)  # fmt: skip
def test_an_input_is_asked_with_its_instruction_and_once(
    make_row: Callable[[int], Row], asked: str
) -> None:
    _, rows = read_rows(make_row)
    assert turns_of(rows[0]) == [("user", asked), ("assistant", good(0))]


def test_earlier_turns_stand_before_what_is_compared() -> None:
    _, rows = read_rows(
        lambda n: {"instruction": ask(n), "input": "", "history": [["Hello?", "Hi."]],
                   "chosen": good(n), "rejected": bad(n), "system": "Be kind."}
    )  # fmt: skip
    assert turns_of(rows[0]) == [
        ("system", "Be kind."), ("user", "Hello?"), ("assistant", "Hi."), ("user", ask(0)),
        ("assistant", good(0)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "Another question?", "chosen": WHOLE(1), "rejected": OTHER(1)},
         "not the one that the conversation of its answer has"),
        ({"prompt": ask(1), "chosen": WHOLE(1), "rejected": OTHER(2)}, "differ before the last"),
        ({"prompt": ask(1), "chosen": WHOLE(1), "rejected": [user(1)]}, "no worse answer"),
        ({"prompt": ask(1), "chosen": " ", "rejected": bad(1)}, "no better answer"),
        ({"prompt": "", "chosen": good(1), "rejected": bad(1)}, "no question before it"),
    ],
)  # fmt: skip
def test_answers_that_cannot_be_compared_are_named(row: Row, words: str) -> None:
    schema = infer([{"prompt": ask(n), "chosen": good(n), "rejected": bad(n)} for n in range(9)])
    with pytest.raises(DataError, match=words):
        normalize_row(row, schema)


ANSWERED: dict[str, Callable[[int], Row]] = {
    "a mark, chat and answer": lambda n: {
        "messages": WHOLE(n), "completion": good(n), "label": n % 2 == 0},
    "a mark, chat without the answer": lambda n: {
        "messages": [user(n)], "completion": good(n), "label": n % 2 == 0},
    "a mark, prompt with the answer": lambda n: {
        "prompt": WHOLE(n), "completion": [assistant(n)], "label": n % 2 == 0},
    "prompt with the answer": lambda n: {"prompt": WHOLE(n), "completion": good(n)},
    "prompt and whole conversation": lambda n: {"prompt": ask(n), "completion": WHOLE(n)},
    "chat and its answer": lambda n: {"messages": [user(n)], "response": good(n)},
    "a prompt written out, and the question": lambda n: {
        "prompt": f"{ask(n)} {good(n)}", "question": ask(n), "completion": good(n)},
    "an answer that repeats the prompt": lambda n: {
        "prompt": [user(n)], "completion": WHOLE(n)},
}  # fmt: skip


@pytest.mark.parametrize("layout", ANSWERED)
def test_an_answer_never_stands_in_what_is_asked(layout: str) -> None:
    schema, rows = read_rows(ANSWERED[layout])
    assert schema.certain and ("mark" in layout) == (schema.shape == Shape.FEEDBACK)
    for number, row in enumerate(rows):
        assert turns_of(row) == [("user", ask(number)), ("assistant", good(number))]


def test_a_prompt_that_ends_with_the_answer_is_no_question() -> None:
    schema, _ = read_rows(lambda n: {"prompt": f"{ask(n)} {good(n)}", "completion": good(n)})
    assert schema.shape == Shape.TEXT and not schema.certain
    assert "cannot be the question" in schema.reason


@pytest.mark.parametrize(
    "answer", ['{"role": "admin", "id": 7}', "[1, 2]", '["a"]', "{x}", "array([1, 2])", "('a', 1)"]
)
def test_an_answer_that_is_json_stays_a_text(answer: str) -> None:
    schema, rows = read_rows(
        lambda n: {"prompt": ask(n), "chosen": f"{answer}", "rejected": f"[{n}]"}
    )
    assert schema.shape == Shape.PREFERENCE
    assert (rows[0]["completion"], rows[0]["rejected"]) == (answer, "[0]")
    _, rows = read_rows(lambda n: {"prompt": ask(n), "completion": answer})
    assert rows[0] == {"prompt": ask(0), "completion": answer}
