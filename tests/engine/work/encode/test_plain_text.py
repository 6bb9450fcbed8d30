"""Plain texts begin and end once, also where they bring their own marks or a whole chat format."""

from __future__ import annotations

from typing import Any

import pytest

from engine.spec.run import DataSpec
from engine.work.encode.encode import encode_row
from engine.work.encode.plain_text import is_templated, without_own_marks
from engine.work.encode.preview import token_report
from engine.work.encode.questions import row_prompt_ids
from tests.engine.work.odd_models import CHATML, GEMMA, HEADINGS, INST, LLAMA3, PHI, make_tokenizer

DATA = DataSpec(max_length=512)
LITERAL = DataSpec(max_length=512, fixes=("literal",))
BOTH = "<s> $A </s>"
TURNS = [{"role": "user", "content": "red blue"}, {"role": "assistant", "content": "the cat"}]


def ids_of(tokenizer: Any, text: str, data: DataSpec = DATA) -> list[int]:
    return encode_row(tokenizer, {"text": text}, data).ids


@pytest.mark.parametrize("adds", ["", "<s> $A", BOTH])
@pytest.mark.parametrize(
    "text",
    [
        "the cat",
        "<s>the cat",
        "the cat</s>",
        "<s>the cat</s>",
        " <s>the cat</s>\n",
        "\n<s>the cat",
        "<s><s>the cat",
        "the cat</s></s>",
    ],
)
@pytest.mark.parametrize("data", [DATA, LITERAL], ids=["as it is", "kept as text"])
def test_a_text_begins_and_ends_once(text, adds, data) -> None:
    tokenizer = make_tokenizer(CHATML, adds)
    ids = ids_of(tokenizer, text, data)
    words = tokenizer.encode("the cat", add_special_tokens=False)
    begun = [1] if adds or "<s>" in text else []
    assert ids == [*begun, *words, 2]


@pytest.mark.parametrize("template", [CHATML, LLAMA3, GEMMA, PHI, INST])
@pytest.mark.parametrize("adds", ["", "<s> $A"])
@pytest.mark.parametrize("turns", [TURNS, TURNS * 2], ids=["one question", "two"])
def test_a_templated_text_is_read_as_the_conversation_is(template, adds, turns) -> None:
    tokenizer = make_tokenizer(template, adds)
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    whole = encode_row(tokenizer, {"messages": turns}, DATA).ids
    for data in (DATA, LITERAL):  # keeping control tokens as text is for those typed by accident
        ids = ids_of(tokenizer, text, data)
        # What ends every text comes once, and blanks before it are not learned.
        assert (
            ids[: len(whole) - 1] == whole[:-1]
            and ids[-1] == 2
            and ids.count(2) <= whole.count(2) + 1
        )
    assert is_templated(tokenizer, text)


@pytest.mark.parametrize("data", [DATA, LITERAL], ids=["as it is", "kept as text"])
@pytest.mark.parametrize("text", ["<s>red</s><s>blue</s>", "red</s>blue</s>", "<s>red</s>blue"])
def test_several_texts_in_one_keep_the_marks_between_them(text, data) -> None:
    tokenizer = make_tokenizer(CHATML, "<s> $A")
    ids = ids_of(tokenizer, text, data)
    assert ids[0] == 1 and ids[-1] == 2 and ids[-2] != 2
    assert ids.count(2) == 2 and ids.count(1) == max(1, text.count("<s>"))
    report = token_report(tokenizer, [{"text": text}], [0], 1, DATA, lambda _: None)
    assert report["control"]["rows"] == 0


def test_a_tools_tokens_may_stand_in_a_templated_text() -> None:
    tokenizer = make_tokenizer(CHATML, "<s> $A")
    tokenizer.add_tokens(["<|tool|>"], special_tokens=True)
    turns = [*TURNS, TURNS[0], {"role": "assistant", "content": "<|tool|>sat<|tool|>"}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    assert is_templated(tokenizer, text) and ids_of(tokenizer, text, LITERAL)[0] != 1


def test_a_templated_text_in_another_format_than_the_models() -> None:
    tokenizer = make_tokenizer(CHATML, "<s> $A")
    text = tokenizer.apply_chat_template(TURNS, tokenize=False)
    tokenizer.chat_template = HEADINGS
    assert is_templated(tokenizer, text) and ids_of(tokenizer, text).count(4) == 2


@pytest.mark.parametrize(
    "text",
    [
        "the cat <|im_end|> sat",
        "<|im_end|>the cat<|im_start|>",
        "see <|im_start|>user\nred<|im_end|>",
        "<|im_start|>user\nred<|im_start|>user\nblue",
        "<s>the <|im_end|> cat</s>",
    ],
)
def test_control_tokens_that_were_typed_are_reported_and_can_be_kept_as_text(text) -> None:
    tokenizer = make_tokenizer(CHATML, "<s> $A")
    assert not is_templated(tokenizer, text)
    report = token_report(tokenizer, [{"text": text}], [0], 1, DATA, lambda _: None)
    assert report["control"]["rows"] == 1 and "<s>" not in report["control"]["tokens"]
    marks = tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    assert not set(marks) & set(ids_of(tokenizer, text, LITERAL))


@pytest.mark.parametrize("template", [CHATML, LLAMA3, GEMMA, PHI, INST])
def test_the_marks_of_templated_texts_are_no_accident(template) -> None:
    tokenizer = make_tokenizer(template, "<s> $A")
    rows = [{"text": tokenizer.apply_chat_template(TURNS, tokenize=False)}, {"text": "<s>cat</s>"}]
    report = token_report(tokenizer, rows, [0, 1], 2, DATA, lambda _: None)
    assert report["control"]["rows"] == 0 and report["templated"] == 1 and not report["endless"]


@pytest.mark.parametrize("adds", ["", "<s> $A", BOTH, "$A </s>"])
def test_what_is_continued_begins_as_the_text_did_and_has_no_end(adds) -> None:
    tokenizer = make_tokenizer(CHATML, adds)
    for text in ("the cat sat on a mat and", "<s>the cat sat on a mat and</s>"):
        asked = row_prompt_ids(tokenizer, {"text": text}, DATA)
        assert asked and asked == ids_of(tokenizer, text)[: len(asked)] and 2 not in asked


@pytest.mark.parametrize(
    ("adds", "left"), [("", "<s>red</s>"), (BOTH, "red"), ("<s> $A", "red</s>")]
)
def test_a_text_with_a_label_loses_the_marks_that_the_tokenizer_adds(adds, left) -> None:
    assert without_own_marks(make_tokenizer(CHATML, adds), "<s>red</s>") == left


def test_a_format_or_tokenizer_without_an_end_is_reported() -> None:
    chat, text = {"prompt": "red", "completion": "blue"}, {"text": "red"}
    for tokenizer, row, found in (
        (make_tokenizer(HEADINGS), chat, "format"),
        (make_tokenizer(HEADINGS), text, ""),
        (make_tokenizer(CHATML, eos=None), chat, ""),
        (make_tokenizer(CHATML, eos=None), text, "tokenizer"),
        (make_tokenizer(HEADINGS, mask_token="</s>"), chat, ""),
    ):
        report = token_report(tokenizer, [row], [0], 1, DATA, lambda _: None)
        assert report["endless"] == found
