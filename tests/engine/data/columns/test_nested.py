"""What lies nested in a row serves as a column, and is found where its names are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.data.columns.paths import MOST_PATHS, nested_paths, read_path, root_column
from engine.data.normalize import normalize_row
from engine.data.rows import Row
from engine.data.schema import Shape, check_schema
from engine.errors import DataError
from tests.engine.data.columns.tables import ask, assistant, good, read_rows, turns_of, user

NESTED: dict[str, tuple[Callable[[int], Row], set[str]]] = {
    "SQuAD": (lambda n: {
        "id": f"{n:x}", "question": ask(n),
        "answers": {"text": [good(n), "There."], "answer_start": [0, 4]}},
        {"question", "answers.text[0]"}),
    "one answer of several": (lambda n: {"question": ask(n), "answer": [good(n), "There."]},
                              {"question", "answer[0]"}),
    "an answer with aliases": (
        lambda n: {"question": ask(n), "answer": {"value": good(n), "aliases": ["There."]}},
        {"question", "answer.value"}),
    "a reply as an object": (
        lambda n: {"prompt": ask(n), "response": {"role": "assistant", "content": good(n)}},
        {"prompt", "response.content"}),
    "inputs and outputs": (
        lambda n: {"inputs": {"question": ask(n)}, "outputs": {"answer": good(n)}},
        {"inputs.question", "outputs.answer"}),
    "a log of requests": (lambda n: {
        "request": {"model": "m", "messages": [user(n)]},
        "response": {"choices": [{"message": assistant(n), "index": 0}]}},
        {"request.messages", "response.choices[0].message.content"}),
    "a batch": (lambda n: {"custom_id": f"r{n}", "body": {
        "model": "m", "messages": [user(n), assistant(n)]}}, {"body.messages"}),
    "a wrapper": (lambda n: {"id": n, "data": {"prompt": ask(n), "completion": good(n)}},
                  {"data.prompt", "data.completion"}),
}  # fmt: skip


@pytest.mark.parametrize("layout", NESTED)
def test_known_names_are_found_within_objects(layout: str) -> None:
    make_row, paths = NESTED[layout]
    schema, rows = read_rows(make_row)
    assert schema.certain and set(schema.roles.values()) == paths
    for number, row in enumerate(rows):
        assert turns_of(row) == [("user", ask(number)), ("assistant", good(number))]


def test_a_context_precedes_no_answer_but_follows_the_question() -> None:
    _, rows = read_rows(
        lambda n: {"title": "T", "context": "The shelf.", "question": ask(n),
                   "answers": {"text": [good(n)] if n else [], "answer_start": [1]}}
        if n else {"title": "T", "context": "C", "question": ask(0), "answers": {"text": ["x"]}}
    )  # fmt: skip
    assert rows[1] == {"prompt": f"{ask(1)}\n\nThe shelf.", "completion": good(1)}


def test_labels_within_an_object_are_found() -> None:
    schema, rows = read_rows(lambda n: {"id": n, "data": {"text": good(n), "label": "ab"[n % 2]}})
    assert schema.shape == Shape.LABEL and schema.certain
    assert rows[1] == {"prompt": good(1), "completion": "b"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a", 1), ("b.c", "x"), ("b.d[1]", 3), ("b.d[9]", None), ("b.e[0].f", "y"), ("q", None),
        ("b.c.d", None), ("a.b", None), ("dotted.name", 5), ("dotted.name.more", None),
        ("text.inner", "z"), ("", None), ("b[0]", None),
    ],
)  # fmt: skip
def test_a_path_is_followed_as_far_as_it_goes(path: str, value: object) -> None:
    row = {"a": 1, "b": {"c": "x", "d": [2, 3], "e": [{"f": "y"}]}, "dotted.name": 5,
           "text": '{"inner": "z"}'}  # fmt: skip
    assert read_path(row, path) == value
    assert root_column("b.d[1]", row) == "b" and root_column("bc", row) == ""


def test_paths_are_listed_within_bounds() -> None:
    row = {"a": {"b": ["x"], "c": {"d": 1}}, "messages": [user(1)], "m": {"turns": [user(1)]}}
    assert nested_paths([row]) == ["a.b", "a.b[0]", "a.c.d", "m.turns"]
    wide = {"a": {f"k{n}": n for n in range(1000)}}
    assert len(nested_paths([wide])) == MOST_PATHS
    deep: Row = {}
    for _ in range(60):
        deep = {"k": deep, "v": 1}
    assert len(nested_paths([deep])) < 10


def test_a_path_can_be_chosen() -> None:
    roles = {"prompt": "q.text", "completion": "answers[1]"}
    chosen = check_schema(Shape.COMPLETION, roles, ["q", "answers"], "file")
    row = {"q": {"text": "Why?"}, "answers": ["No.", "So."]}
    assert normalize_row(row, chosen) == [{"prompt": "Why?", "completion": "So."}]
    with pytest.raises(DataError, match="the field 'answers\\[1\\]' is empty"):
        normalize_row({"q": {"text": "Why?"}, "answers": ["No."]}, chosen)
    with pytest.raises(DataError, match=r"no column 'z\.text'"):
        check_schema(Shape.TEXT, {"text": "z.text"}, ["q"], "file")
