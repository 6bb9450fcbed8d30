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
        ({"text": "Once."}, Shape.TEXT, {"text": "Once."}),
        ({"story": "Once."}, Shape.TEXT, {"text": "Once."}),
    ],
)  # fmt: skip
def test_recognised_and_converted(row: dict, shape: Shape, normal: dict) -> None:
    found = recognise(table(row, row))
    assert found.shape == shape and found.reason.endswith(".")
    assert normalise(table(row, row), found).rows == [normal, normal]


def test_unused_columns_are_said() -> None:
    assert "not used" in recognise(table({"prompt": "a", "completion": "b", "id": 1})).reason


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


def test_real_tool_calls_are_refused_by_name(shared_data) -> None:
    path = shared_data / "datasets" / "openai_chat" / "weather_chat_fine_tuning.jsonl"
    found = read_rows(path, path.name)
    with pytest.raises(DataError, match="turn 2 calls a tool"):
        normalise(found, recognise(found))
