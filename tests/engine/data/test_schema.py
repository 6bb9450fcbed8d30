"""Schemas, inferred or chosen by the user, and the normal rows that come of them."""

from __future__ import annotations

import json
import re

import pytest

from engine.data.infer_schema import infer_schema
from engine.data.normalize import as_table_row, normalize_row
from engine.data.schema import REQUIRED_ROLES, ROLES, SHAPE_TASKS, Schema, Shape, check_schema
from engine.errors import DataError

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes."}]
SYSTEM = {"role": "system", "content": "S"}
HUMAN, GPT = {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes."}
CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {}}}


def infer(*rows: dict) -> Schema:
    return infer_schema("file", list(dict.fromkeys(key for row in rows for key in row)), list(rows))


@pytest.mark.parametrize(
    ("row", "shape", "made"),
    [
        ({"messages": CHAT}, Shape.CHAT, {"messages": CHAT}),
        ({"id": 1, "conversations": [HUMAN, GPT]}, Shape.CHAT, {"messages": CHAT}),
        ({"system": "S", "messages": CHAT}, Shape.CHAT, {"messages": [SYSTEM, *CHAT]}),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, CHAT[1]]},
         Shape.CHAT, {"messages": CHAT}),
        ({"instruction": "Do", "input": "", "output": "Yes."},
         Shape.ALPACA, {"prompt": "Do", "completion": "Yes."}),
        ({"instruction": "Do", "input": "it", "output": "Y"},
         Shape.ALPACA, {"prompt": "Do\n\nit", "completion": "Y"}),
        ({"instruction": "Hi", "output": "Yes.", "system": "S"},
         Shape.ALPACA, {"messages": [SYSTEM, *CHAT]}),
        ({"Prompt": "Hi", "Completion": "Yes."},
         Shape.COMPLETION, {"prompt": "Hi", "completion": "Yes."}),
        ({"question": "Hi", "answer": "Yes."},
         Shape.COMPLETION, {"prompt": "Hi", "completion": "Yes."}),
        ({"text": "Good.", "label": "positive"},
         Shape.LABEL, {"prompt": "Good.", "completion": "positive"}),
        ({"text": "Good.", "label": 1}, Shape.LABEL, {"prompt": "Good.", "completion": "1"}),
        ({"title": "T", "description": "D", "label_int": 1, "label": "x"}, Shape.LABEL,
         {"prompt": "T\n\nD", "completion": "x"}),
        ({"db_id": 1, "query": "SELECT", "question": "Q?"}, Shape.COMPLETION,
         {"prompt": "Q?", "completion": "SELECT"}),
        ({"instruction": "Do", "instances": [{"input": "it", "output": "Y"}]}, Shape.ALPACA,
         {"prompt": "Do\n\nit", "completion": "Y"}),
        ({"messages": CHAT, "label": True}, Shape.FEEDBACK, {"messages": CHAT, "good": True}),
        ({"messages": [CHAT[0], {"role": "assistant", "tool_calls": [
            {"id": "1", "type": "function",
             "function": {"name": "add", "arguments": '"{\\"a\\": 1}"'}}]},
            {"role": "tool", "name": "add", "content": "2"}, CHAT[1]], "tools": [TOOL]}, Shape.CHAT,
         {"messages": [CHAT[0], {"role": "assistant", "content": "", "tool_calls": [CALL]},
                       {"role": "tool", "content": "2", "name": "add"}, CHAT[1]], "tools": [TOOL]}),
        ({"conversations": [{"from": "human", "value": "Hi"},
                            {"from": "function_call",
                             "value": '{"name": "add", "arguments": {"a": 1}}'},
                            {"from": "observation", "value": "2"}, GPT],
          "tools": '[{"name": "add", "parameters": {}}]'}, Shape.CHAT,
         {"messages": [CHAT[0], {"role": "assistant", "content": "", "tool_calls": [CALL]},
                       {"role": "tool", "content": "2"}, CHAT[1]], "tools": [TOOL]}),
        ({"messages": [CHAT[0], {"role": "assistant", "content": [
            {"type": "reasoning", "value": "Hm."}, {"type": "text", "value": "Yes."}]}]},
         Shape.CHAT, {"messages": [
             CHAT[0], {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nYes."}]}),
        ({"messages": [CHAT[0], CHAT[1] | {"weight": 0}, *CHAT]}, Shape.CHAT,
         {"messages": [CHAT[0], CHAT[1] | {"weight": 0}, *CHAT]}),
        ({"messages": [CHAT[0], CHAT[1] | {"weight": "0"}, CHAT[0], CHAT[1] | {"weight": "1"}]},
         Shape.CHAT, {"messages": [CHAT[0], CHAT[1] | {"weight": 0}, *CHAT]}),
        ({"messages": [CHAT[0], CHAT[1] | {"loss_weight": "0.0"}, CHAT[0],
                       CHAT[1] | {"weight": ""}]},
         Shape.CHAT, {"messages": [CHAT[0], CHAT[1] | {"weight": 0}, *CHAT]}),
        ({"messages": [CHAT[0], CHAT[1] | {"loss_mask": 0}, CHAT[0], CHAT[1] | {"loss_mask": 1}]},
         Shape.CHAT, {"messages": [CHAT[0], CHAT[1] | {"weight": 0}, *CHAT]}),
        ({"messages": CHAT[:1], "reference_answer": "Yes."}, Shape.COMPLETION, {"messages": CHAT}),
        ({"messages": CHAT[:1], "expected_answer": "Yes."}, Shape.COMPLETION, {"messages": CHAT}),
        ({"messages": CHAT[:1], "reference_answer": {"value": "Yes."}}, Shape.COMPLETION,
         {"messages": CHAT}),
        ({"messages": [CHAT[0], CHAT[1] | {"train": False}, *CHAT]}, Shape.CHAT,
         {"messages": [CHAT[0], CHAT[1] | {"weight": 0}, *CHAT]}),
        ({"conversations": [HUMAN, GPT | {"training": "false"}, HUMAN, GPT | {"training": True}]},
         Shape.CHAT, {"messages": [CHAT[0], CHAT[1] | {"weight": 0}, *CHAT]}),
        ({"messages": [CHAT[0], CHAT[1] | {"loss": False}, CHAT[0], CHAT[1] | {"loss": 1.0}]},
         Shape.CHAT, {"messages": [CHAT[0], CHAT[1] | {"weight": 0}, *CHAT]}),
        ({"chosen": "\n\nHuman: Hi\n\nAssistant: Yes.",
          "rejected": "\n\nHuman: Hi\n\nAssistant: No."},
         Shape.PREFERENCE, {"messages": CHAT, "rejected": "No."}),
        ({"chosen": CHAT, "rejected": [CHAT[0], {"role": "assistant", "content": "No."}]},
         Shape.PREFERENCE, {"messages": CHAT, "rejected": "No."}),
        ({"prompt": "Hi", "chosen": "A", "rejected": "B"}, Shape.PREFERENCE,
         {"prompt": "Hi", "completion": "A", "rejected": "B"}),
        ({"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": "No."}},
         Shape.PREFERENCE, {"messages": CHAT, "rejected": "No."}),
        ({"messages": CHAT[:1], "chosen": "Yes.", "rejected": "No."}, Shape.PREFERENCE,
         {"messages": CHAT, "rejected": "No."}),
        ({"messages": [{"role": "developer", "content": "S"}, *CHAT]}, Shape.CHAT,
         {"messages": [SYSTEM, *CHAT]}),
        ({"instruction": "Do", "input": None, "output": "Y"},
         Shape.ALPACA, {"prompt": "Do", "completion": "Y"}),
        ({"instruction": "Do", "input": 0, "context": "C", "output": "Y"}, Shape.ALPACA,
         {"prompt": "Do\n\n0", "completion": "Y"}),
        ({"prompt": "Hi", "completion": "Yes.", "label": True}, Shape.FEEDBACK,
         {"prompt": "Hi", "completion": "Yes.", "good": True}),
        ({"messages": json.dumps(CHAT)}, Shape.CHAT, {"messages": CHAT}),
        ({"text": "Once."}, Shape.TEXT, {"text": "Once."}),
        ({"story": "Once."}, Shape.TEXT, {"text": "Once."}),
    ],
)  # fmt: skip
def test_recognised_and_converted(row: dict, shape: Shape, made: dict) -> None:
    found = infer(row, row)
    assert found.shape == shape and found.reason.endswith(".") and found.certain
    assert normalize_row(row, found) == [made]
    again = as_table_row(made, shape)  # what the editor saves is read back as it was
    # Marks are recognised by having both.
    other = again | {"good": False} if shape == Shape.FEEDBACK else again
    assert normalize_row(again, infer(again, other)) == [made]


def test_unused_columns_are_said() -> None:
    found = infer({"prompt": "a", "completion": "b", "id": 1, "by": 2})
    assert "not used: 'id', 'by'." in found.reason


@pytest.mark.parametrize("own", [[], [{"role": "system", "content": "Own"}]])
def test_a_system_column_precedes_conversations_without_their_own(own: list) -> None:
    for row in (
        {"messages": [*own, *CHAT], "system": "S"},
        {"messages": [*own, CHAT[0]], "chosen": "Yes.", "rejected": "No.", "system": "S"},
        {"messages": [*own, *CHAT], "label": True, "system": "S"},
        {"prompt": [*own, CHAT[0]], "completion": CHAT[1:], "system": "S"},
    ):
        assert normalize_row(row, infer(row))[0]["messages"] == [*(own or [SYSTEM]), *CHAT]


@pytest.mark.parametrize("mark", [None, "", "maybe"])
def test_an_answer_without_a_mark_is_not_taken_for_a_good_one(mark) -> None:
    found = infer(*({"prompt": "a", "completion": "b", "label": good} for good in (True, False)))
    row = {"prompt": "a", "completion": "b"}
    assert normalize_row(row | {"label": False}, found)[0]["good"] is False
    with pytest.raises(DataError, match="where true or false is needed"):
        normalize_row(row | {"label": mark}, found)


def test_several_instances_are_several_rows() -> None:
    instances = [{"input": "a", "output": "A"}, {"input": "", "output": "B"}]
    row = {"instruction": "Do", "instances": instances}
    assert normalize_row(row, infer(row)) == [
        {"prompt": "Do\n\na", "completion": "A"},
        {"prompt": "Do", "completion": "B"},
    ]


def test_columns_without_a_name_are_distinguished_by_what_they_hold() -> None:
    found = infer(*({"column 1": "ab"[n % 2], "column 2": f"a longer text {n}"} for n in range(40)))
    assert (found.shape, found.certain) == (Shape.LABEL, True)
    assert found.roles == {"text": "column 2", "label": "column 1"}


def test_a_column_of_row_numbers_without_a_name_is_no_answer() -> None:
    found = infer(*({"": str(n), "text": f"A sentence, number {n}."} for n in range(30)))
    assert (found.shape, found.roles) == (Shape.TEXT, {"text": "text"})


def test_a_guess_asks_to_be_confirmed() -> None:
    found = infer(*({"eins": f"Was ist {n}?", "zwei": f"Das ist {n}."} for n in range(9)))
    assert (found.shape, found.certain) == (Shape.COMPLETION, False)
    assert found.roles == {"prompt": "eins", "completion": "zwei"}
    assert "Is that right?" in found.reason


def test_numbers_alone_are_no_text() -> None:
    with pytest.raises(DataError, match="nothing but numbers"):
        infer({"text": "1"}, {"text": "2"})


def test_class_numbers_get_their_names() -> None:
    found = infer({"text": "a", "label": 0}, {"text": "b", "label": 1})
    made = normalize_row({"text": "a", "label": 1}, found, {"0": "bad", "1": "good"})
    assert made == [{"prompt": "a", "completion": "good"}]


def test_the_user_may_say_what_the_columns_are() -> None:
    found = check_schema(Shape.LABEL, {"text": "b", "label": "a"}, "abc", "file")
    made = normalize_row({"a": "x", "b": "Text.", "c": 1}, found)
    assert made == [{"prompt": "Text.", "completion": "x"}]
    for roles, words in (
        ({"text": "b"}, "choose the column for: Label"),
        ({"text": "b", "label": "z"}, "no column 'z'"),
        ({"text": "b", "label": "b"}, "chosen for two parts"),
        ({"text": "b", "label": "a", "chosen": "c"}, "is not a part of"),
    ):
        with pytest.raises(DataError, match=words):
            check_schema(Shape.LABEL, roles, "abc", "file")


def test_every_shape_has_its_parts_and_its_task() -> None:
    assert set(ROLES) == set(REQUIRED_ROLES) == set(SHAPE_TASKS) == set(Shape)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (CHAT[0], "each row is one turn of a conversation"),
        (HUMAN, "each row is one turn of a conversation"),
        ({"messages": "oops"}, "the column 'messages' should hold a list of turns"),
    ],
)
def test_what_is_nearly_a_chat_is_not_taken_for_text(row: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        infer(row, row)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "a", "completion": ""}, "no answer: the field 'completion' is empty"),
        ({"prompt": "a", "completion": None}, "no answer"),
        ({"prompt": " ", "completion": "b"}, "no question"),
        ({"prompt": ["a"], "completion": "b"}, "expected text in 'prompt', got a list"),
        ({"messages": []}, "conversation is empty"),
        ({"messages": CHAT[:1]}, "no assistant answer"),
        ({"messages": [{"role": "narrator", "content": "x"}, *CHAT]}, "unknown role 'narrator'"),
        ({"messages": [CHAT[0], *CHAT]}, "turns 1 and 2 are both the user's"),
        ({"messages": [CHAT[0], {"role": "assistant", "content": ""}]}, "turn 2 is empty"),
        ({"messages": [CHAT[0], {"role": "assistant", "tool_calls": [{"function": {}}]}]},
         "cannot be read"),
        ({"messages": [CHAT[0] | {"tool_calls": [CALL]}, CHAT[1]]}, "Only the assistant can"),
        ({"messages": [*CHAT, {"role": "system", "content": "3"}]}, "must come first"),
        ({"messages": ["Hi"]}, "not an object"),
        ({"messages": CHAT[1:]}, "comes first, with no question before it"),
        ({"messages": [CHAT[0], {"role": "assistant", "content": None}]}, "turn 2 is empty"),
        ({"messages": [CHAT[0], {"role": "assistant", "content": {}}]},
         "expected text, got an object"),
        ({"messages": [CHAT[0], CHAT[1] | {"weight": 0}]}, "all its answers have the weight 0"),
        ({"messages": [CHAT[0], CHAT[1] | {"weight": 0.5}]}, "has the weight 0.5"),
        ({"messages": CHAT, "tools": "{"}, "list of tools is not valid JSON"),
        ({"prompt": "a", "chosen": "b", "rejected": ""}, "no worse answer"),
        ({"messages": CHAT, "images": ["1.jpg"]}, "comes with images"),
    ],
)  # fmt: skip
def test_bad_rows_are_named(row: dict, words: str) -> None:
    good = {"messages": CHAT} if "messages" in row else {"prompt": "a", "completion": "b"}
    with pytest.raises(DataError, match=re.escape(words)):
        normalize_row(row, infer(good, row))


def test_a_list_of_labels_is_read_as_labels() -> None:
    rows = [{"text": f"Text {n}.", "labels": ["a", "b"][: 1 + n % 2]} for n in range(30)]
    found = infer(*rows)
    assert found.shape == Shape.LABEL and found.roles["label"] == "labels"
    assert [normalize_row(row, found)[0]["completion"] for row in rows[:2]] == ["a", "a, b"]
    numbered = normalize_row({"text": "x", "labels": [0, 2]}, found, {"0": "joy", "2": "fear"})
    assert numbered[0]["completion"] == "joy, fear"
    for wrong in ([], [""], [["a"]]):
        with pytest.raises(DataError):
            normalize_row({"text": "x", "labels": wrong}, found)


def test_measured_numbers_are_a_label_although_every_row_has_its_own() -> None:
    numbers = infer(*({"text": f"Text {n}.", "label": f"{n / 7:.3f}"} for n in range(40)))
    answers = infer(*({"text": f"Text {n}.", "label": f"Answer {n}."} for n in range(40)))
    assert (numbers.shape, answers.shape) == (Shape.LABEL, Shape.COMPLETION)
