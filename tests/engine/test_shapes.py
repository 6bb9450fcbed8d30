"""Tables to normal rows: shapes by themselves, with the reason; bad rows named together."""

from __future__ import annotations

import pytest

from engine.errors import DataError
from engine.readers import Table, read_rows
from engine.shapes import Shape, normalise, recognise

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes."}]


def table(*rows: dict) -> Table:
    return Table("file", list(rows), list(dict.fromkeys(key for row in rows for key in row)), [])


@pytest.mark.parametrize(
    ("row", "shape", "normal"),
    [
        ({"messages": CHAT}, Shape.CHAT, {"messages": CHAT}),
        (
            {"id": 1, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes."}]},
            Shape.CHAT,
            {"messages": CHAT},
        ),
        ({"system": "S", "messages": CHAT}, Shape.CHAT, {"messages": [{"role": "system", "content": "S"}, *CHAT]}),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, CHAT[1]]},
            Shape.CHAT,
            {"messages": CHAT},
        ),
        ({"instruction": "Do", "input": "", "output": "Yes."}, Shape.ALPACA, {"prompt": "Do", "completion": "Yes."}),
        ({"instruction": "Do", "input": "it", "output": "Y"}, Shape.ALPACA, {"prompt": "Do\n\nit", "completion": "Y"}),
        ({"instruction": "Hi", "output": "Yes.", "system": "S"}, Shape.ALPACA,
         {"messages": [{"role": "system", "content": "S"}, *CHAT]}),
        ({"Prompt": "Hi", "Completion": "Yes."}, Shape.COMPLETION, {"prompt": "Hi", "completion": "Yes."}),
        ({"question": "Hi", "answer": "Yes."}, Shape.COMPLETION, {"prompt": "Hi", "completion": "Yes."}),
        ({"text": "Good.", "label": "positive"}, Shape.LABEL, {"prompt": "Good.", "completion": "positive"}),
        ({"text": "Good.", "label": 1}, Shape.LABEL, {"prompt": "Good.", "completion": "1"}),
        ({"prompt": "Hi", "chosen": "A", "rejected": "B"}, Shape.PREFERENCE, {"prompt": "Hi", "completion": "A"}),
        ({"conversations": [{"from": "human", "value": "Hi"}], "chosen": {"from": "gpt", "value": "Yes."},
          "rejected": {}}, Shape.PREFERENCE, {"messages": CHAT}),
        ({"messages": CHAT[:1], "chosen": CHAT[1:], "rejected": []}, Shape.PREFERENCE, {"messages": CHAT}),
        ({"messages": CHAT[:1], "chosen": "Yes.", "rejected": "No."}, Shape.PREFERENCE, {"messages": CHAT}),
        ({"messages": [{"role": "developer", "content": "S"}, *CHAT]}, Shape.CHAT,
         {"messages": [{"role": "system", "content": "S"}, *CHAT]}),
        ({"instruction": "Do", "input": None, "output": "Y"}, Shape.ALPACA, {"prompt": "Do", "completion": "Y"}),
        ({"instruction": "Do", "input": 0, "context": "C", "output": "Y"}, Shape.ALPACA,
         {"prompt": "Do\n\n0", "completion": "Y"}),
        ({"prompt": "Hi", "completion": "Yes.", "label": True}, Shape.COMPLETION,
         {"prompt": "Hi", "completion": "Yes."}),
        ({"text": "Once."}, Shape.TEXT, {"text": "Once."}),
        ({"story": "Once."}, Shape.TEXT, {"text": "Once."}),
    ],
)  # fmt: skip
def test_recognised_and_converted(row: dict, shape: Shape, normal: dict) -> None:
    found = recognise(table(row, row))
    assert found.shape == shape and found.reason.endswith(".")
    assert normalise(table(row, row), found).rows == [normal, normal]


def test_unused_columns_are_said() -> None:
    assert "not used: 'id', 'by'." in recognise(table({"prompt": "a", "completion": "b", "id": 1, "by": 2})).reason


def test_answers_marked_as_bad_are_not_learned_unasked() -> None:
    rows = table(*({"prompt": "a", "completion": "b", "label": good} for good in (True, False, False)))
    with pytest.raises(DataError, match=r"Row 2: the answer is marked as a bad one") as error:
        normalise(rows, recognise(rows))
    assert error.value.bad_rows == 2
    assert len(normalise(rows, recognise(rows), skip_bad=True).rows) == 1


def test_an_answer_without_a_mark_is_not_taken_for_a_good_one() -> None:
    marks = ({"label": True}, {"label": False}, {"label": None}, {})
    rows = table(*({"prompt": "a", "completion": "b"} | mark for mark in marks))
    with pytest.raises(DataError, match=r"Row 3: the answer is not marked as good or bad") as error:
        normalise(rows, recognise(rows))
    assert error.value.bad_rows == 3


def test_one_row_without_turns_does_not_change_what_the_others_are() -> None:
    rows = table({"messages": "oops"}, {"messages": CHAT}, {"messages": CHAT})
    with pytest.raises(DataError, match=r"Row 1: expected a list of turns") as error:
        normalise(rows, recognise(rows))
    assert error.value.bad_rows == 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (CHAT[0], "each row is one turn of a conversation"),
        ({"from": "human", "value": "Hi"}, "each row is one turn of a conversation"),
        ({"messages": "[{}]"}, "the column 'messages' should hold a list of turns"),
    ],
)
def test_what_is_nearly_a_chat_is_not_taken_for_text(row: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        recognise(table(row, row))


def test_a_missing_column_names_what_is_there_and_what_would_do() -> None:
    with pytest.raises(DataError, match=r"a column is missing. Found: 'frage', 'antwort'. Rename .*'prompt'"):
        recognise(table({"frage": "a", "antwort": "b"}))


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
        ({"messages": [*CHAT, {"role": "tool", "content": "3"}]}, "turn 3 calls a tool"),
        ({"messages": [*CHAT, {"role": "system", "content": "3"}]}, "must come first"),
        ({"messages": ["Hi"]}, "not an object"),
        ({"messages": CHAT[1:]}, "comes first, with no question before it"),
        ({"messages": [CHAT[0], {"role": "assistant", "content": None}]}, "turn 2 is empty"),
        ({"messages": [CHAT[0], {"role": "assistant", "content": {}}]}, "expected text, got an object"),
        ({"messages": [CHAT[0], CHAT[1] | {"weight": 0}]}, "turn 2 has the weight 0"),
        ({"messages": CHAT, "images": ["1.jpg"]}, "comes with images"),
    ],
)
def test_bad_rows_are_named_or_left_out_on_request(row: dict, words: str) -> None:
    good = {"messages": CHAT} if "messages" in row else {"prompt": "a", "completion": "b"}
    rows = table(good, row, good)
    with pytest.raises(DataError) as error:
        normalise(rows, recognise(rows))
    assert "Row 2: " in str(error.value) and words in str(error.value)
    assert error.value.bad_rows == 1
    kept = normalise(rows, recognise(rows), skip_bad=True)
    assert (len(kept.rows), kept.skipped) == (2, 1)


def test_many_bad_rows_are_summed_up() -> None:
    rows = table({"prompt": "a", "completion": "b"}, *[{"prompt": "a", "completion": ""}] * 20)
    with pytest.raises(DataError, match="and 15 more rows"):
        normalise(rows, recognise(rows))


def test_nothing_usable_cannot_be_helped_by_leaving_out() -> None:
    rows = table({"prompt": "a", "completion": ""})
    with pytest.raises(DataError) as error:
        normalise(rows, recognise(rows), skip_bad=True)
    assert error.value.bad_rows == 0


@pytest.mark.parametrize(
    ("file", "rows", "shape"),
    [
        ("openai_chat/toy_chat_fine_tuning.jsonl", 10, Shape.CHAT),
        ("alpaca/alpaca_small.json", 2000, Shape.ALPACA),
        ("sharegpt/dummy_conversation.json", 500, Shape.CHAT),
        ("llamafactory/alpaca_zh_demo.json", 1000, Shape.ALPACA),
        ("mlx_prompt_completion/train.jsonl", 1800, Shape.COMPLETION),
        ("mlx_wikisql_text/train.jsonl", 1000, Shape.TEXT),
        ("gsm8k/train.jsonl", 7473, Shape.COMPLETION),
        ("banking77/train.csv", 10003, Shape.LABEL),
        ("text/tinyshakespeare.txt", 7222, Shape.TEXT),
    ],
)
def test_real_files_pass_whole(shared_data, file: str, rows: int, shape: Shape) -> None:
    path = shared_data / "datasets" / file
    found = read_rows(path, path.name)
    kind = recognise(found)
    assert kind.shape == shape
    assert len(normalise(found, kind).rows) == rows


@pytest.mark.parametrize(
    ("file", "shape", "bad"),
    [
        ("llamafactory/kto_en_demo.json", Shape.CHAT, 150),  # half the answers are marked as bad
        ("llamafactory/glaive_toolcall_en_demo.json", Shape.CHAT, 153),
        ("llamafactory/mllm_demo.json", Shape.CHAT, 0),  # every row needs its image
    ],
)
def test_real_files_with_rows_that_must_not_be_learned(shared_data, file: str, shape: Shape, bad: int) -> None:
    path = shared_data / "datasets" / file
    found = read_rows(path, path.name)
    kind = recognise(found)
    assert kind.shape == shape
    with pytest.raises(DataError) as error:
        normalise(found, kind)
    assert error.value.bad_rows == bad


def test_real_preferences_end_in_the_chosen_answer(shared_data) -> None:
    path = shared_data / "datasets" / "llamafactory" / "dpo_en_demo.json"
    found = read_rows(path, path.name)
    kind = recognise(found)
    rows = normalise(found, kind).rows
    assert kind.shape == Shape.PREFERENCE and len(rows) == 300
    assert all(
        row["messages"][-1]["content"] == raw["chosen"]["value"] for row, raw in zip(rows, found.rows, strict=True)
    )


def test_real_tool_calls_are_refused_by_name(shared_data) -> None:
    path = shared_data / "datasets" / "openai_chat" / "weather_chat_fine_tuning.jsonl"
    found = read_rows(path, path.name)
    with pytest.raises(DataError, match="turn 2 calls a tool"):
        normalise(found, recognise(found))
