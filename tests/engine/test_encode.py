"""Tokens and loss mask: what is learned, cut and refused. The tokenizer is the pocket model's own."""

from __future__ import annotations

import pytest

from engine import presets
from engine.errors import DataError, ModelError
from engine.work.data import IGNORED, encode, encode_all, load_tokenizer, prompt_ids, question_of, questions

CHAT = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hello, friend."},
        {"role": "user", "content": "What is a cat?"},
        {"role": "assistant", "content": "A cat is an animal."},
    ]
}
# ChatML without generation marks, as most models on the Hub have it.
UNMARKED = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Drops all but the last assistant turn's text, as templates do that remove earlier thinking.
REWRITES = (
    "{% for m in messages %}<{{ m.role }}>{% if m.role != 'assistant' or loop.last %}{{ m.content }}{% endif %}\n"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture
def tokenizer():
    return load_tokenizer(presets.POCKET)


def learned_text(tokenizer, encoded) -> str:
    return tokenizer.decode([label for label in encoded.labels if label != IGNORED])


def test_marked_template_learns_the_answers_and_their_end(tokenizer) -> None:
    encoded = encode(tokenizer, CHAT, 512)
    end = tokenizer.eos_token
    assert learned_text(tokenizer, encoded) == f"Hello, friend.{end}A cat is an animal.{end}"
    assert all(label in (IGNORED, token) for label, token in zip(encoded.labels, encoded.ids, strict=True))


def test_unmarked_template_learns_the_same(tokenizer) -> None:
    tokenizer.chat_template = UNMARKED
    text = learned_text(tokenizer, encode(tokenizer, CHAT, 512))
    assert text == "Hello, friend.<|im_end|>\nA cat is an animal.<|im_end|>\n"


def test_plain_format_learns_the_answers(tokenizer) -> None:
    tokenizer.chat_template = None
    encoded = encode(tokenizer, CHAT, 512)
    end = tokenizer.eos_token
    assert learned_text(tokenizer, encoded) == f" Hello, friend.{end} A cat is an animal.{end}"
    assert tokenizer.decode(encoded.ids).startswith("System: Be kind.\nUser: Hello!\nAssistant: Hello, friend.")


def test_a_template_that_rewrites_earlier_turns_is_refused(tokenizer) -> None:
    tokenizer.chat_template = REWRITES
    with pytest.raises(DataError, match="rewrites earlier turns"):
        encode(tokenizer, CHAT, 512)
    single = {"messages": CHAT["messages"][1:3]}
    assert "Hello, friend." in learned_text(tokenizer, encode(tokenizer, single, 512))


def test_a_template_that_refuses_a_turn_is_a_plain_message(tokenizer) -> None:
    tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(DataError, match=r"Row 1: .*System role not supported"):
        encode_all(tokenizer, [CHAT], 512)


def test_completion_rows_equal_the_chat_of_one_turn(tokenizer) -> None:
    chat = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes."}]}
    assert encode(tokenizer, {"prompt": "Hi", "completion": "Yes."}, 512) == encode(tokenizer, chat, 512)


def test_plain_text_is_learned_whole_and_ends(tokenizer) -> None:
    encoded = encode(tokenizer, {"text": "Once upon a time."}, 512)
    assert encoded.labels == encoded.ids and encoded.ids[-1] == tokenizer.eos_token_id


def test_cut_rows_are_counted_and_lost_ones_left_out(tokenizer) -> None:
    long = {"prompt": "word " * 100, "completion": "Yes."}
    assert encode(tokenizer, long, 20).cut > 0
    kept, lost = encode_all(tokenizer, [long, CHAT], 40)
    assert (len(kept), lost) == (1, 1)


@pytest.mark.parametrize("template", ["own", UNMARKED, None])
def test_the_prompt_is_the_beginning_of_what_was_trained(tokenizer, template) -> None:
    if template != "own":
        tokenizer.chat_template = template
    prompt = prompt_ids(tokenizer, question_of(CHAT), plain_text=False)
    trained = encode(tokenizer, CHAT, 512)
    assert trained.ids[: len(prompt)] == prompt
    assert trained.labels[len(prompt)] != IGNORED


def test_text_rows_are_continued_from_their_first_half(tokenizer) -> None:
    ask = question_of({"text": "one two three four five six seven eight"})
    assert ask == [{"role": "user", "content": "one two three four"}]
    assert tokenizer.decode(prompt_ids(tokenizer, ask, plain_text=True)) == "one two three four"


def test_one_long_word_is_asked_whole() -> None:
    assert question_of({"text": " " + "a" * 30})[0]["content"] == " " + "a" * 14


def test_questions_that_are_too_long_are_passed_over(tokenizer) -> None:
    rows = [{"prompt": "word " * 400, "completion": "a"}, *({"prompt": f"Say {n}.", "completion": "b"} for n in "123")]
    assert [text for text, _ in questions(tokenizer, rows, 2, 64)] == ["Say 1.", "Say 2."]
    assert all(len(ids) <= 64 for _, ids in questions(tokenizer, rows, 9, 64))


def test_a_tokenizer_that_loses_text_is_caught(tmp_path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    broken = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    broken.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=broken, unk_token="<unk>").save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="vocabulary is missing"):
        load_tokenizer(tmp_path)
