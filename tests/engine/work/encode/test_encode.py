"""Tokens and labels of rows, with the pocket model's tokenizer: targets, cuts, refusals."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from engine.data.rows import Rows, read_rows
from engine.errors import DataError, ModelError
from engine.spec import presets
from engine.work.encode.encode import (
    IGNORE_INDEX,
    encode_chosen_and_rejected,
    encode_row,
    encode_rows,
)
from engine.work.encode.preferences import encode_preferences
from engine.work.encode.questions import (
    first_questions,
)
from engine.work.encode.tokenizer import load_tokenizer
from tests.engine.work.encode.pocket_rows import (
    CHAT,
    NASTY,
    REFUSED,
    UNMARKED,
    WIDE,
    learned_text,
    spec,
    write_numbered,
)


def numbered_rows(folder: Path, rows: list[dict], first: int = 1) -> Rows:
    return read_rows(write_numbered(folder / "rows.arrow", rows, first))


# --- masks on the pocket model ---


def test_the_pocket_model_sees_what_it_always_saw(tokenizer) -> None:
    encoded = encode_row(tokenizer, CHAT, WIDE)
    own = tokenizer.apply_chat_template(
        CHAT["messages"], return_dict=True, return_assistant_tokens_mask=True
    )
    assert encoded.ids == own["input_ids"]
    targets = [label != IGNORE_INDEX for label in encoded.labels]
    assert targets == [bool(on) for on in own["assistant_masks"]]
    end = tokenizer.eos_token
    assert learned_text(tokenizer, encoded) == f"Hello, friend.{end}A cat is an animal.{end}"
    assert all(
        label in (IGNORE_INDEX, token)
        for label, token in zip(encoded.labels, encoded.ids, strict=True)
    )


def test_unmarked_template_learns_the_same(tokenizer) -> None:
    tokenizer.chat_template = UNMARKED
    text = learned_text(tokenizer, encode_row(tokenizer, CHAT, WIDE))
    assert text == "Hello, friend.<|im_end|>A cat is an animal.<|im_end|>"


def test_a_model_without_a_template_gets_the_plain_one(tmp_path, tokenizer) -> None:
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    plain = load_tokenizer(tmp_path)
    encoded = encode_row(plain, CHAT, WIDE)
    start, end = plain.bos_token, plain.eos_token
    assert learned_text(plain, encoded) == f" Hello, friend.{end} A cat is an animal.{end}"
    assert plain.decode(encoded.ids).startswith(
        f"{start}System: Be kind.\nUser: Hello!\nAssistant: Hello, friend."
    )


def test_the_chosen_template_replaces_the_models_own_and_is_saved(tmp_path) -> None:
    load_tokenizer(presets.POCKET_MODEL, "chatml").save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    assert again.apply_chat_template(CHAT["messages"][1:2], tokenize=False).endswith(
        "<|im_start|>user\nHello!<|im_end|>\n"
    )


def test_completion_rows_equal_the_chat_of_one_turn(tokenizer) -> None:
    chat = {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes."}]
    }
    pair = {"prompt": "Hi", "completion": "Yes."}
    assert encode_row(tokenizer, pair, WIDE) == encode_row(tokenizer, chat, WIDE)


def test_plain_text_is_learned_whole_and_ends(tokenizer) -> None:
    encoded = encode_row(tokenizer, {"text": "Once upon a time."}, WIDE)
    assert encoded.labels == encoded.ids and encoded.ids[-1] == tokenizer.eos_token_id


def test_keys_of_other_tasks_are_ignored(tokenizer) -> None:
    row = {"prompt": "Hi", "completion": "Yes."}
    more = row | {"rejected": "No.", "good": True}
    assert encode_row(tokenizer, more, WIDE) == encode_row(tokenizer, row, WIDE)


# --- what to learn ---


def test_last_learns_the_last_answer_alone(tokenizer) -> None:
    text = learned_text(tokenizer, encode_row(tokenizer, CHAT, spec(learn="last")))
    assert text == f"A cat is an animal.{tokenizer.eos_token}"


def test_all_learns_every_token(tokenizer) -> None:
    encoded = encode_row(tokenizer, CHAT, spec(learn="all"))
    assert encoded.labels == encoded.ids == encode_row(tokenizer, CHAT, WIDE).ids


def test_turns_of_weight_nought_are_read_and_not_learned(tokenizer) -> None:
    turns = json.loads(json.dumps(CHAT["messages"]))
    turns[2]["weight"] = 0
    encoded = encode_row(tokenizer, {"messages": turns}, WIDE)
    assert encoded.ids == encode_row(tokenizer, CHAT, WIDE).ids
    assert learned_text(tokenizer, encoded) == f"A cat is an animal.{tokenizer.eos_token}"
    turns[4]["weight"] = 0
    assert encode_row(tokenizer, {"messages": turns}, WIDE).target_tokens == 0


def test_the_system_prompt_of_all_rows_stands_where_a_row_brings_none(tokenizer) -> None:
    row = {"prompt": "Hi", "completion": "Yes."}
    given = tokenizer.decode(encode_row(tokenizer, row, spec(system=" Be brief. ")).ids)
    assert "<|system|>Be brief.<|end|>" in given
    brief = spec(system="Be brief.")
    assert encode_row(tokenizer, CHAT, brief) == encode_row(tokenizer, CHAT, WIDE)


# --- control tokens in a row's own texts ---


def test_without_the_fix_a_typed_control_token_is_a_real_one(tokenizer) -> None:
    assert encode_row(tokenizer, NASTY, WIDE).ids.count(tokenizer.eos_token_id) == 4


@pytest.mark.parametrize("template", ["model", "chatml", "plain"])
def test_literal_makes_typed_control_tokens_plain_text(template) -> None:
    tokenizer = load_tokenizer(presets.POCKET_MODEL, template)
    clean = encode_row(tokenizer, {"prompt": "Say it now", "completion": "I say it gladly"}, WIDE)
    mended = encode_row(tokenizer, NASTY, spec(fixes=("literal",)))
    special = set(tokenizer.all_special_ids)
    # Just those that the template writes are left, and the text is still the same.
    assert [t for t in mended.ids if t in special] == [t for t in clean.ids if t in special]
    assert tokenizer.decode(mended.ids) == tokenizer.decode(encode_row(tokenizer, NASTY, WIDE).ids)
    assert "I say <|end|> gladly" in learned_text(tokenizer, mended)
    assert "now" not in learned_text(tokenizer, mended)


def test_literal_leaves_other_rows_as_they_are(tokenizer) -> None:
    literal = spec(fixes=("literal",))
    assert encode_row(tokenizer, CHAT, literal) == encode_row(tokenizer, CHAT, WIDE)


def test_literal_in_plain_text(tokenizer) -> None:
    ids = encode_row(tokenizer, {"text": "one <|end|> two"}, spec(fixes=("literal",))).ids
    assert ids.count(tokenizer.eos_token_id) == 1 and ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids[:-1]) == "one <|end|> two"


# --- cut and shortened ---


def test_cut_rows_are_counted_and_lost_ones_left_out(tokenizer, tmp_path) -> None:
    long = {"prompt": "word " * 100, "completion": "Yes."}
    assert encode_row(tokenizer, long, spec(max_length=20)).cut_tokens > 0
    rows, left = numbered_rows(tmp_path, [long, CHAT]), Counter[str]()
    assert len(list(encode_rows(tokenizer, rows, spec(max_length=40), left))) == 1
    assert left == {"lost": 1}


def test_shorten_keeps_the_answer_whole(tokenizer) -> None:
    long = {"prompt": "first " + "word " * 200 + "last", "completion": "Yes, I do."}
    whole = encode_row(tokenizer, long, WIDE)
    short = encode_row(tokenizer, long, spec(max_length=64, fixes=("shorten",)))
    assert len(short.ids) == 64
    assert short.length == whole.length and short.cut_tokens == whole.length - 64
    assert learned_text(tokenizer, short) == learned_text(tokenizer, whole)
    assert short.ids[:16] == whole.ids[:16] and short.ids[-20:] == whole.ids[-20:]
    fits = spec(max_length=whole.length, fixes=("shorten",))
    assert encode_row(tokenizer, long, fits) == whole


def test_shorten_keeps_sixteen_tokens_at_both_ends_and_then_cuts(tokenizer) -> None:
    long = {"prompt": "word " * 100, "completion": "Yes, I do. " * 20}
    whole, data = encode_row(tokenizer, long, WIDE), spec(max_length=40, fixes=("shorten",))
    short = encode_row(tokenizer, long, data)
    uncut = encode_chosen_and_rejected(tokenizer, long, data)[0]
    start = whole.labels.index(whole.ids[-1])  # the end mark is learned
    assert start and len(short.ids) == 40 and len(uncut.ids) == 32 + whole.target_tokens
    assert uncut.ids[:40] == short.ids


def test_a_row_that_is_refused_is_named_by_its_number_in_the_users_file(
    tokenizer, tmp_path
) -> None:
    tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
    reason = r"Row 7: .*System role not supported.*Choose another chat format"
    with pytest.raises(DataError, match=reason):
        list(encode_rows(tokenizer, numbered_rows(tmp_path, [CHAT], 7), WIDE, Counter()))
    with pytest.raises(DataError, match=reason):
        encode_preferences(tokenizer, numbered_rows(tmp_path, [CHAT], 7), WIDE)


def test_rows_that_are_refused_are_left_out_where_the_user_chose_so(tokenizer, tmp_path) -> None:
    rows = numbered_rows(tmp_path, [REFUSED, CHAT])
    with pytest.raises(DataError, match=r"Row 1: "):
        list(encode_rows(tokenizer, rows, WIDE, Counter()))
    data, left = spec(fixes=("refused",)), Counter[str]()
    encoded = list(encode_rows(tokenizer, rows, data, left))
    assert encoded == [encode_row(tokenizer, CHAT, WIDE)] and left == {"refused": 1}
    questions = first_questions(tokenizer, [REFUSED, CHAT], 2, 64, data)
    assert [text for text, _ in questions] == ["What is a cat?"]


def test_a_tokenizer_that_loses_text_is_caught(tmp_path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    broken = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    broken.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=broken, unk_token="<unk>").save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="vocabulary is missing"):
        load_tokenizer(tmp_path)
