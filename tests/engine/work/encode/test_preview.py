"""The token report and previews, with the pocket model's tokenizer."""

from __future__ import annotations

import json

import pytest

from engine.data.messages import make_message, with_system
from engine.data.quality.token_report import PreviewRow, TokenReport
from engine.process.desk import MEASURED_ROWS, Desk
from engine.spec.run import DataSpec
from engine.work.desk import DeskWorker as Worker
from engine.work.encode import preview
from tests.engine.work.encode.pocket_rows import REFUSED

DATA = DataSpec(max_length=32)
GOOD = {"prompt": "Hi", "completion": "Yes."}
LONG = {"prompt": "Hi", "completion": "Yes, of course. " * 20}
LOST = {"prompt": "word " * 100, "completion": "Yes."}
TYPED = {"prompt": "Say <|end|>", "completion": "No."}
ROWS = [GOOD, LONG, LOST, TYPED, REFUSED, GOOD]


def measured(tokenizer, rows, data=DATA) -> TokenReport:
    progress: list[int] = []
    indices = list(range(len(rows)))
    report = preview.token_report(tokenizer, rows, indices, len(rows), data, progress.append)
    return TokenReport(**report)


def test_the_report_counts_and_names_rows(tokenizer) -> None:
    found = measured(tokenizer, ROWS)
    counts = (found.rows, found.measured, found.cut, found.lost, found.refused.rows)
    assert counts == (6, 6, 2, 1, 1)
    assert set(found.longest_rows[:2]) == set(found.cut_rows) == {1, 2} and found.lost_rows == [2]
    assert found.longest == max(preview.preview_row(tokenizer, row, DATA)["length"] for row in ROWS)
    assert (found.control.rows, found.control.tokens, found.control.example) == (1, ["<|end|>"], 3)
    assert found.refused.first == 4 and "does not accept this conversation" in found.refused.reason
    previews = [preview.preview_row(tokenizer, row, DATA) for row in ROWS]
    assert found.tokens == sum(row["kept"] for row in previews)
    assert found.learned == sum(sum(row["learned"][: row["kept"]]) for row in previews)
    assert sum(found.counts) == 5 and len(found.edges) == len(found.counts) + 1


def test_a_classifier_reads_the_text_alone(tokenizer) -> None:
    """Without a chat format; what is learned is the label, which no cut can take away."""
    data = DATA.model_copy(update={"goal": "classify"})
    row = {"prompt": "It broke.", "completion": "complaint"}
    shown = PreviewRow(**preview.preview_row(tokenizer, row, data))
    assert "".join(shown.tokens).strip() == "It broke." and not any(shown.learned)
    assert shown.label == "complaint"
    found = measured(tokenizer, [row, LOST], data)
    assert (found.learned, found.cut, found.lost) == (2, 1, 0) and found.longest > 100
    asked = with_system([make_message("user", "It broke.")], "Be kind.")
    told = {"messages": [*asked, make_message("assistant", "complaint")]}
    assert PreviewRow(**preview.preview_row(tokenizer, told, data)) == shown


def test_no_rows_make_an_empty_report(tokenizer) -> None:
    found = measured(tokenizer, [])
    assert found.rows == found.longest == found.tokens == 0
    assert found.edges == found.longest_rows == []


@pytest.mark.parametrize("lengths", [[1], [5, 29], [30], [7, 300, 301, 12_345], list(range(1000))])
def test_the_histogram_holds_every_length_once(lengths) -> None:
    edges, counts = preview.length_histogram(lengths)
    assert sum(counts) == len(lengths) and len(counts) <= preview.HISTOGRAM_BINS and counts[-1] > 0
    for index, count in enumerate(counts):
        assert count == sum(edges[index] <= length < edges[index + 1] for length in lengths)


def test_the_worst_rows_are_twenty_at_most(tokenizer) -> None:
    rows = [{"prompt": "Hi", "completion": "Yes. " * (20 + number % 30)} for number in range(60)]
    found = measured(tokenizer, rows)
    assert len(found.longest_rows) == len(found.cut_rows) == 20
    assert found.longest_rows[:2] == [29, 59]


def test_control_tokens_are_found_in_calls_and_tools_too(tokenizer) -> None:
    call = {
        "type": "function",
        "function": {"name": "look", "arguments": {"what": ["a <|user|> b"]}},
    }
    turns = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    assert measured(tokenizer, [{"messages": turns}]).control.tokens == ["<|user|>"]
    assert measured(tokenizer, [GOOD | {"rejected": "<|end|>"}]).control.rows == 1


def test_of_a_preference_the_longer_answer_is_measured(tokenizer) -> None:
    pair = GOOD | {"rejected": "No. " * 60}
    found = measured(tokenizer, [pair])
    assert found.cut == 1 and found.longest > 100
    assert found.tokens > measured(tokenizer, [GOOD]).tokens
    write = DATA.model_copy(update={"goal": "write"})
    assert measured(tokenizer, [pair], write).cut == 0


def test_a_preview_has_all_tokens_and_tells_what_is_cut(tokenizer) -> None:
    shown = PreviewRow(**preview.preview_row(tokenizer, LONG, DATA))
    assert shown.kept == 32 and len(shown.tokens) == shown.length and shown.cut == shown.length - 32
    text = f"<|start|><|user|>Hi<|end|><|assistant|>{LONG['completion']}<|end|>"
    assert "".join(shown.tokens) == text
    special = [token for token, on in zip(shown.tokens, shown.special, strict=True) if on]
    assert special == ["<|start|>", "<|user|>", "<|end|>", "<|assistant|>", "<|end|>"]
    shorten = DATA.model_copy(update={"fixes": ("shorten",)})
    shortened = PreviewRow(**preview.preview_row(tokenizer, LOST, shorten))
    assert len(shortened.tokens) == max(32, 32 + sum(shortened.learned)) and shortened.length > 100


def test_a_preview_says_why_a_row_cannot_be_shown(tokenizer) -> None:
    shown = PreviewRow(**preview.preview_row(tokenizer, REFUSED, DATA))
    assert shown.tokens == [] and shown.cut == 0
    assert "Pocket knows the roles system, user and assistant, not tool" in shown.problem
    assert "Choose another chat format (template), or leave these rows out." in shown.problem


# --- over the pipe ---


class Straight(Desk):
    """The desk without a process: asks go to the worker through JSON, as over the pipe."""

    def __init__(self) -> None:
        self.worker, self.asked = Worker(), []

    def _stream(self, op, **values):
        self.asked.append(values)
        ask = json.loads(json.dumps({"id": 1, "op": op, **values}))
        yield json.loads(json.dumps(getattr(self.worker, op)(ask, lambda part: None)))


def test_the_desk_hands_the_data_spec_on() -> None:
    desk = Straight()
    data = DataSpec(template="chatml", system="Be brief.", max_length=512, fixes=("literal",))
    shown = desk.preview_rows("pocket", [GOOD], data)[0]
    assert "".join(shown.tokens).startswith(
        "<|start|><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi"
    )
    # ChatML shows what tools answer.
    assert desk.count_tokens("pocket", ROWS, data).refused.rows == 0
    assert desk.count_tokens("pocket", ROWS, DATA).refused.rows == 1


def test_many_rows_are_measured_in_part_and_evenly() -> None:
    desk = Straight()
    rows = [GOOD] * 3 * MEASURED_ROWS
    rows[-3] = TYPED
    found = desk.count_tokens("pocket", rows, DATA)
    assert (found.rows, found.measured) == (len(rows), MEASURED_ROWS)
    assert found.control.example == len(rows) - 3
    assert desk.asked[0]["indices"][:3] == [0, 3, 6] and len(desk.asked[0]["rows"]) == MEASURED_ROWS
