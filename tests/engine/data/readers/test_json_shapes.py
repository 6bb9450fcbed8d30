"""JSON files whose rows stand somewhere inside: in a wrapper, in splits, in columns, in exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.infer_schema import infer_schema
from engine.data.readers.table import NoRowsError
from engine.errors import DataError
from tests.engine.data.readers.reading import read_made

ROWS = [{"prompt": f"Question {n}?", "completion": f"Answer {n}."} for n in range(6)]
QUESTIONS = [
    {"question": f"Who is {n}?", "answers": [{"text": f"Number {n}", "answer_start": 0}]}
    for n in range(3)
]


@pytest.mark.parametrize(
    ("value", "held_out", "note"),
    [
        ({"train": ROWS[:4], "test": ROWS[4:]}, 2, "held out: 'test'"),
        ({"training": ROWS[:4], "validation": ROWS[4:], "version": 2}, 2, "held out: 'validation'"),
        ({"train_data": ROWS[:3], "dev": ROWS[3:5], "eval": ROWS[5:]}, 3, "'dev' and 'eval'"),
        ({"data": {"train": ROWS[:4], "valid": ROWS[4:]}}, 2, "held out: 'valid'"),
        ({"train": {"data": ROWS[:4]}, "test": {"data": ROWS[4:]}}, 2, "held out: 'test'"),
        ({"dev": ROWS[:4], "test": ROWS[4:]}, 0, "'dev' and 'test'"),
        ({"data": ROWS, "errors": [{"row": 3}]}, 0, "Not read, since the rows are in 'data'"),
        ({"info": [{"a": 1}], "examples": ROWS}, 0, "the list 'examples'"),
        ({"rows": [{"row_idx": n, "row": row} for n, row in enumerate(ROWS)]}, 0, "list 'rows'"),
        ({str(n): row for n, row in enumerate(ROWS)}, 0, "the values of the file's one object"),
        ({f"q{n}": row for n, row in enumerate(ROWS)}, 0, "the values of the file's one object"),
        ({key: [row[key] for row in ROWS] for key in ROWS[0]}, 0, "column by column"),
        ({key: {str(n): row[key] for n, row in enumerate(ROWS)} for key in ROWS[0]}, 0,
         "column by column"),
        ({"columns": [*ROWS[0]], "index": [0, 1], "data": [[*row.values()] for row in ROWS]}, 0,
         "The first list names the columns"),
        ([[*ROWS[0]], *([*row.values()] for row in ROWS)], 0, "The first list names the columns"),
    ],
)  # fmt: skip
def test_rows_are_found_inside_an_object(
    tmp_path: Path, value: Any, held_out: int, note: str
) -> None:
    found = read_made(tmp_path, "a.json", json.dumps(value))
    assert found.rows == ROWS and not found.bad
    assert found.held_out == held_out and note in found.said


@pytest.mark.parametrize(
    "inner",
    [{"image": [1]}, [1, 2], {"box": {"x": 1}}, [{"id": 3}]],
)
def test_objects_are_not_called_numbers(tmp_path: Path, inner: Any) -> None:
    rows = [{"id": n, "data": inner} for n in range(8)]
    with pytest.raises(
        DataError, match=r"no column that holds text\. Lists or objects stand in: 'data'"
    ):
        infer_schema("a.json", ["id", "data"], rows)
    with pytest.raises(DataError, match="holds nothing but numbers"):
        infer_schema("a.json", ["id"], rows)


def test_lists_without_names_are_rows(tmp_path: Path) -> None:
    pairs = [[row["prompt"], row["completion"]] for row in ROWS]
    found = read_made(tmp_path, "a.json", json.dumps(pairs))
    assert [[*row.values()] for row in found.rows] == pairs and "column 1" in found.said


def talk(n: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n}."}]


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ({"messages": talk(1)}, 1),
        ({"id": 7, "conversations": [{"from": "human", "value": "a"},
                                     {"from": "gpt", "value": "b"}]}, 1),
        ({"conversations": [{"messages": talk(n)} for n in range(3)]}, 3),
        ([talk(n) for n in range(5)], 5),
        ([{"messages": talk(n)} for n in range(4)], 4),
    ],
)  # fmt: skip
def test_conversations_are_rows(tmp_path: Path, value: Any, count: int) -> None:
    found = read_made(tmp_path, "a.json", json.dumps(value))
    assert len(found.rows) == count and not found.bad
    assert all("messages" in row or "conversations" in row for row in found.rows)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"reasons": [], "total_in": 30, "kept": 30}, "holds no list of examples"),
        ({"repo": "x", "splits": {"train": 30}}, "holds no list of examples"),
        ("a text", "holds one value, not a list"),
        ({"messages": []}, "holds no list of examples"),
    ],
)
def test_a_report_has_no_rows(tmp_path: Path, value: Any, words: str) -> None:
    with pytest.raises(NoRowsError, match=words):
        read_made(tmp_path, "a.json", json.dumps(value))


# --- annotated tasks ---


def task(n: int, *results: dict, data: dict | None = None, **fields: Any) -> dict:
    made = [{"id": n, "result": list(results), **fields}] if results else []
    return {"id": n, "data": data or {"text": f"Text {n}"}, "annotations": made, "predictions": []}


def result(kind: str, value: Any, name: str = "topic") -> dict:
    return {"from_name": name, "to_name": "text", "type": kind, "value": {kind: value}}


@pytest.mark.parametrize(
    ("results", "columns"),
    [
        ([result("choices", ["Good"])], {"topic": "Good"}),
        ([result("choices", ["Food", "Travel"])], {"topic": ["Food", "Travel"]}),
        ([result("choices", ["Travel, leisure"])], {"topic": ["Travel, leisure"]}),
        ([result("rating", 4, "stars"), result("choices", ["B"])], {"stars": 4, "topic": "B"}),
        ([result("text", ["An answer."], "answer")], {"answer": "An answer."}),
        ([result("taxonomy", [["Animals", "Cat"]])], {"topic": "Animals / Cat"}),
        ([result("choices", ["A"]), {"value": {"start": 0, "end": 2, "labels": ["PER"]}}],
         {"topic": "A"}),
    ],
)  # fmt: skip
def test_annotated_tasks_become_texts_and_labels(
    tmp_path: Path, results: list[dict], columns: dict
) -> None:
    tasks = [task(n, *results) for n in range(4)]
    tasks += [task(9), task(10, *results, was_cancelled=True)]
    found = read_made(tmp_path, "a.json", json.dumps(tasks))
    assert found.rows == [{"text": f"Text {n}"} | columns for n in range(4)]
    assert "Label Studio" in found.said and "1 task without an annotation" in found.said
    assert "1 task skipped by the annotators" in found.said


def test_annotations_that_cannot_be_learned_are_refused_truly(tmp_path: Path) -> None:
    spans = [task(n, {"value": {"start": 0, "end": 3, "labels": ["PER"]}}) for n in range(4)]
    with pytest.raises(DataError, match="annotations mark passages of a text"):
        read_made(tmp_path, "a.json", json.dumps(spans))
    with pytest.raises(DataError, match="no task has a finished annotation"):
        read_made(tmp_path, "a.json", json.dumps([task(n) for n in range(4)]))


def test_the_short_form_of_tasks(tmp_path: Path) -> None:
    about = {"annotation_id": 1, "annotator": 1, "id": 1}
    rows = [{"text": "a", "topic": {"choices": ["x, y", "z"]}} | about, {"text": "b", "topic": "z"}]
    found = read_made(tmp_path, "a.json", json.dumps(rows))
    assert [row["topic"] for row in found.rows] == [["x, y", "z"], "z"]


def test_questions_about_paragraphs_are_rows(tmp_path: Path) -> None:
    unanswered = {"question": "Who?", "answers": [], "is_impossible": True}
    part = {"context": "A text.", "qas": [*QUESTIONS, unanswered]}
    value = {"version": "2.0", "data": [{"title": "t", "paragraphs": [part, part]}]}
    found = read_made(tmp_path, "a.json", json.dumps(value))
    assert len(found.rows) == 6 and "2 questions that the text does not answer" in found.said
    assert found.rows[1] == {"context": "A text.", "question": "Who is 1?", "answer": "Number 1"}


# --- conversations with assistants ---


def chatgpt(turns: list[tuple[str, Any]], **more: Any) -> dict:
    mapping = {"root": {"id": "root", "message": None, "parent": None}}
    before = "root"
    for n, (role, parts) in enumerate(turns):
        content = parts if isinstance(parts, dict) else {"content_type": "text", "parts": [parts]}
        message = {"author": {"role": role}, "content": content, "recipient": "all"}
        mapping[f"n{n}"] = {"id": f"n{n}", "message": message, "parent": before}
        before = f"n{n}"
    return {"title": "t", "mapping": mapping, "current_node": before, **more}


ASKED = [("system", ""), ("user", "Why?"), ("assistant", "Because."), ("user", "So?")]
THOUGHT = {"content_type": "thoughts", "thoughts": [{"summary": "hm"}]}
PICTURE = {"content_type": "multimodal_text", "parts": [{"asset": "x"}, "What is this?"]}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (chatgpt(ASKED), ["Why?", "Because."]),
        (chatgpt([("user", PICTURE), ("assistant", THOUGHT), ("assistant", "A cat.")]),
         ["What is this?", "A cat."]),
        (chatgpt([("user", "a"), ("tool", "noise"), ("assistant", "b"), ("assistant", "c")]),
         ["a", "b\n\nc"]),
        ({"uuid": "1", "name": "n", "chat_messages": [
            {"sender": "human", "text": "Hi"}, {"sender": "assistant", "text": "Hello"}]},
         ["Hi", "Hello"]),
        ({"uuid": "1", "chat_messages": [
            {"sender": "human", "content": [{"type": "text", "text": "Hi"}], "text": ""},
            {"sender": "assistant", "content": [{"type": "thinking", "thinking": "hm"},
                                                {"type": "text", "text": "Hello"}]}]},
         ["Hi", "Hello"]),
        ({"id": "1", "chat": {"messages": [{"role": "user", "content": "Hi"},
                                           {"role": "assistant", "content": "Hello"}]}},
         ["Hi", "Hello"]),
    ],
)  # fmt: skip
def test_exported_chats_with_assistants(tmp_path: Path, row: dict, said: list[str]) -> None:
    empty = chatgpt([("user", "Nobody answers")])
    found = read_made(tmp_path, "conversations.json", json.dumps([row, row, empty]))
    assert len(found.rows) == 2 and "1 conversation without an answer" in found.said
    messages = found.rows[0]["messages"]
    assert [message["content"] for message in messages] == said
    assert [message["role"] for message in messages] == ["user", "assistant"]


def test_what_was_asked_again_is_another_branch(tmp_path: Path) -> None:
    row = chatgpt([("user", "first"), ("assistant", "one")])
    again = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["second"]}}
    row["mapping"]["x"] = {"id": "x", "message": again, "parent": "root"}
    answer = {
        "author": {"role": "assistant"},
        "content": {"content_type": "text", "parts": ["two"]},
    }
    row["mapping"]["y"] = {"id": "y", "message": answer, "parent": "x"}
    found = read_made(tmp_path, "a.jsonl", json.dumps(row | {"current_node": "y"}))
    assert [one["content"] for one in found.rows[0]["messages"]] == ["second", "two"]
