"""Marks of good and bad answers, earlier turns, and labels under a name that nobody knows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.data.columns.marks import are_marks, judges, read_mark, says_bad
from engine.data.normalize import normalize_row
from engine.data.schema import Shape
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
)


@pytest.mark.parametrize(
    ("name", "marks"),
    [
        ("label", (1.0, 0.0)), ("label", ("1.0", "0.0")), ("label", ("thumbs_up", "thumbs_down")),
        ("label", (True, False)), ("label", (1, 0)), ("label", ("+1", "-1")), ("label", (1, -1)),
        ("label", ("Yes", "No")), ("label", ("chosen", "rejected")), ("good", ("ja", "nein")),
        ("feedback", ("👍", "👎")), ("feedback", ("👍🏽", "👎🏽")), ("feedback", (":+1:", ":-1:")),
        ("thumbs", ("up", "down")), ("vote", ("upvote", "downvote")),
        ("kto_tag", ("TRUE", "FALSE")),
        ("rating", ("Like", "Dislike")), ("label", ("Thumbs Up", "Thumbs Down")),
        ("label", ("desirable", "undesirable")), ("label", ("accepted", "rejected")),
        ("label", ("correct", "incorrect")), ("label", ("✅", "❌")), ("label", ("是", "否")),
        ("label", ("oui", "non")), ("label", ("да", "нет")), ("label", ("sí", "no")),
    ],
)  # fmt: skip
def test_a_mark_is_recognised_in_any_spelling(name: str, marks: tuple[Any, Any]) -> None:
    for chat in (False, True):
        words = {"messages": [user(1), assistant(1)]} if chat else {}
        schema, rows = read_rows(
            lambda n, words=words: (
                (words or {"prompt": ask(n), "completion": good(n)}) | {name: marks[n % 2]}
            )
        )
        assert (schema.shape, schema.certain) == (Shape.FEEDBACK, True)
        assert schema.roles["mark"] == name
        assert [row["good"] for row in rows[:4]] == [True, False, True, False]


@pytest.mark.parametrize(
    ("name", "marks"),
    [
        ("verdict", ("correct", "incorrect")), ("annotation", ("accept", "reject")),
        ("is_correct", (True, False)), ("approved", (1, 0)), ("quality", ("good", "bad")),
        ("label", ("positive", "negative")), ("Bewertung", ("gut", "schlecht")),
        ("评价", ("好", "差")), ("avis", ("bon", "mauvais")),
    ],
)  # fmt: skip
def test_what_may_be_a_mark_is_asked_about(name: str, marks: tuple[Any, Any]) -> None:
    schema, rows = read_rows(lambda n: {"prompt": ask(n), "response": good(n), name: marks[n % 2]})
    assert (schema.shape, schema.certain) == (Shape.FEEDBACK, False)
    assert f"'{name}'" in schema.reason and "Is that right?" in schema.reason
    assert [row["good"] for row in rows[:2]] == [True, False]
    other = schema.alternative
    assert other and other.shape == Shape.COMPLETION and f"'{name}' is not used" in other.reason


@pytest.mark.parametrize(
    ("values", "marks", "opinion"),
    [
        (["good", "bad"], True, True), (["good"], True, False), (["1"], False, False),
        (["1", "0", "2"], False, False), (["yes", "maybe"], False, False),
        (["accept", "reject", "ignore"], False, True), (["positive", "negative"], True, False),
        (["a", "b"], False, False), ([None, " "], False, False),
        (["Good ", "BAD", None], True, True),
    ],
)  # fmt: skip
def test_which_words_are_marks(values: list[Any], marks: bool, opinion: bool) -> None:
    assert (are_marks(values), judges(values)) == (marks, opinion)


def test_what_a_word_says() -> None:
    assert read_mark("Thumbs-Up") is True and read_mark(0.0) is False and read_mark("so") is None
    assert says_bad("was_cancelled", "true") and not says_bad("was_cancelled", "false")
    assert says_bad("approved", "0") and says_bad("status", "pending") and not says_bad("x", "1")


# --- earlier turns ---

PAIRS = [["Hello?", "Hi."], ["Who are you?", "A helper."]]
EARLIER = [("user", "Hello?"), ("assistant", "Hi."), ("user", "Who are you?"),
           ("assistant", "A helper.")]  # fmt: skip


@pytest.mark.parametrize(
    "history",
    [
        PAIRS,
        json.dumps(PAIRS),
        str(PAIRS),
        [{"role": role, "content": text} for role, text in EARLIER],
        [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Hi."},
         {"from": "human", "value": "Who are you?"}, {"from": "gpt", "value": "A helper."}],
        [text for _, text in EARLIER],
        [{"user": "Hello?", "bot": "Hi."}, {"user": "Who are you?", "bot": "A helper."}],
        [{"question": "Hello?", "answer": "Hi."}, {"question": "Who are you?",
                                                   "answer": "A helper."}],
        "User: Hello?\nBot: Hi.\nUser: Who are you?\nBot: A helper.",
    ],
    ids=lambda history: str(history)[:30],
)  # fmt: skip
def test_a_history_becomes_turns(history: Any) -> None:
    schema, rows = read_rows(
        lambda n: {"instruction": ask(n), "input": "", "output": good(n), "history": history}
    )
    assert schema.shape == Shape.ALPACA and schema.certain
    assert "Columns not used" not in schema.reason
    for number, row in enumerate(rows):
        assert turns_of(row) == [*EARLIER, ("user", ask(number)), ("assistant", good(number))]


@pytest.mark.parametrize("history", [[], None, "", " ", "[]", [[]]])
def test_an_empty_history_is_none(history: Any) -> None:
    _, rows = read_rows(lambda n: {"prompt": ask(n), "response": good(n), "history": history})
    assert rows[0] == {"prompt": ask(0), "completion": good(0)}


def test_a_history_that_cannot_be_read_is_not_passed_over() -> None:
    rows = [{"prompt": ask(n), "response": good(n), "history": "Some notes."} for n in range(9)]
    with pytest.raises(DataError, match="earlier turns are neither a list nor a text"):
        normalize_row(rows[0], infer(rows))


def test_a_mark_stands_beside_input_and_history() -> None:
    schema, rows = read_rows(
        lambda n: {"instruction": ask(n), "input": "Soon.", "output": good(n), "history": PAIRS,
                   "label": n % 2 == 0}
    )  # fmt: skip
    assert schema.shape == Shape.FEEDBACK and rows[1]["good"] is False
    assert turns_of(rows[0])[-2:] == [("user", f"{ask(0)}\n\nSoon."), ("assistant", good(0))]
    assert turns_of(rows[0])[:4] == EARLIER


# --- labels in a list ---


@pytest.mark.parametrize("name", ["tags", "topics", "Etiketten", "keywords"])
@pytest.mark.parametrize("as_text", [False, True])
def test_labels_in_a_list_are_asked_about_under_any_name(name: str, as_text: bool) -> None:
    lists = (["news", "sport"], ["sport"], ["art", "news"])
    schema, rows = read_rows(
        lambda n: {"text": bad(n), name: str(lists[n % 3]) if as_text else lists[n % 3]}
    )
    assert (schema.shape, schema.certain) == (Shape.LABEL, False)
    assert schema.alternative and schema.alternative.shape == Shape.TEXT
    assert [row["completion"] for row in rows[:2]] == ["news, sport", "sport"]
