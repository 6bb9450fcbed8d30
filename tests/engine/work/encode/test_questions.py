"""Prompts and questions of rows, with the pocket model's tokenizer."""

from __future__ import annotations

import pytest

from engine.spec import presets
from engine.work.encode.encode import IGNORE_INDEX, encode_row
from engine.work.encode.questions import (
    first_questions,
    prompt_ids,
    question_messages,
    row_prompt_ids,
)
from engine.work.encode.tokenizer import load_tokenizer
from tests.engine.work.encode.pocket_rows import CHAT, NASTY, UNMARKED, WIDE, learned_text, spec


@pytest.mark.parametrize(
    "template", ["own", UNMARKED, "plain", "chatml", "llama3", "gemma", "phi3", "alpaca"]
)
def test_the_prompt_is_the_beginning_of_what_was_trained(template) -> None:
    tokenizer = load_tokenizer(
        presets.POCKET_MODEL, "model" if template in ("own", UNMARKED) else template
    )
    if template == UNMARKED:
        tokenizer.chat_template = UNMARKED
    for data in (WIDE, spec(fixes=("literal",)), spec(system="Be brief.")):
        for row in (CHAT, NASTY):
            literal = "literal" in data.fixes
            prompt = prompt_ids(
                tokenizer, question_messages(row, data.system), plain_text=False, literal=literal
            )
            trained = encode_row(tokenizer, row, data)
            assert trained.ids[: len(prompt)] == prompt == row_prompt_ids(tokenizer, row, data)
            assert trained.labels[len(prompt)] != IGNORE_INDEX


def test_a_token_that_reaches_into_the_answer_is_split_there(tokenizer) -> None:
    # "Answer:" and the words after it would share a token, which the prompt alone cannot hold.
    tokenizer.chat_template = (
        "{% for m in messages %}{{ 'Answer: ' if m.role == 'assistant' else 'Ask: ' }}{{ "
        "m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}Answer: {% endif %}"
    )
    row = {"prompt": "Hi", "completion": "hello there"}
    prompt, trained = row_prompt_ids(tokenizer, row, WIDE), encode_row(tokenizer, row, WIDE)
    assert prompt == prompt_ids(tokenizer, question_messages(row), False)
    assert prompt == trained.ids[: len(prompt)]
    assert learned_text(tokenizer, trained) == "hello there\n"


def test_text_rows_are_continued_from_their_first_half(tokenizer) -> None:
    ask = question_messages({"text": "one two three four five six seven eight"})
    assert ask == [{"role": "user", "content": "one two three four"}]
    assert tokenizer.decode(prompt_ids(tokenizer, ask, plain_text=True)) == "one two three four"


def test_one_long_word_is_asked_whole() -> None:
    assert question_messages({"text": " " + "a" * 30})[0]["content"] == " " + "a" * 14


def test_questions_that_are_too_long_are_passed_over(tokenizer) -> None:
    rows = [
        {"prompt": "word " * 400, "completion": "a"},
        *({"prompt": f"Say {n}.", "completion": "b"} for n in "123"),
    ]
    questions = first_questions(tokenizer, rows, 2, 64, WIDE)
    assert [text for text, _ in questions] == ["Say 1.", "Say 2."]
    assert all(len(ids) <= 64 for _, ids in first_questions(tokenizer, rows, 9, 64, WIDE))
