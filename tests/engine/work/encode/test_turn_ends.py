"""Where an answer ends: what the template writes after it, whatever tokenizer and model call it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.spec import presets
from engine.spec.run import DataSpec
from engine.work.encode.encode import IGNORE_INDEX, encode_row
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.encode.turn_ends import find_turn_ends
from engine.work.model.generate import reply_text
from tests.engine.work.encode.real_templates import said
from tests.engine.work.encode.test_loss_mask_real import fitted, templates
from tests.engine.work.odd_models import (
    CHATML,
    CLOSED,
    GEMMA,
    HEADINGS,
    INST,
    LLAMA3,
    NUMBER_SIGNS,
    PARTS,
    PHI,
    THINKING,
    make_tokenizer,
)

BARE = "{% for m in messages %}{{ m.content + '\n' }}{% endfor %}"
SEPARATE = (  # each question opens with the mark that ends the answer before it; the last has none
    "{% for m in messages %}{{ ('<|user|>' if m.role == 'user' else '<|assistant|>') + '\n' "
    "+ m.content }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
TWO = {  # a template for conversations and one for tools, which ends otherwise
    "default": CHATML,
    "tool_use": CHATML.replace(
        "m.content + '<|im_end|>",
        "m.content + (m.tool_calls[0].function | tojson if m.tool_calls else '') + '<|im_end|>",
    ).replace("'<|im_end|>\n'", "('<|eot|>' if m.tool_calls else '<|im_end|>') + '\n'"),
}


def ends_of(template: Any, marks: tuple[str, ...] = (), **tokens: Any) -> tuple[Any, ...]:
    tokenizer = make_tokenizer(template if isinstance(template, str) else "", **tokens)
    tokenizer.chat_template = template
    special = {"additional_special_tokens": list(marks)}
    tokenizer.add_special_tokens(special, replace_extra_special_tokens=False)
    ends = find_turn_ends(tokenizer)
    return tokenizer.convert_ids_to_tokens(list(ends.tokens)), list(ends.texts), ends.taught


@pytest.mark.parametrize(
    ("template", "tokens", "texts", "taught"),
    [
        (CHATML, ["<|im_end|>", "</s>"], [], True),
        (LLAMA3, ["<|eot_id|>", "</s>"], [], True),
        (GEMMA, ["<end_of_turn>", "</s>"], [], True),
        (PHI, ["<|end|>", "</s>"], [], True),
        (INST, ["</s>"], [], True),
        (THINKING, ["<|im_end|>", "</s>"], [], True),
        (PARTS, ["<|im_end|>", "</s>"], [], True),
        (CLOSED, ["</s>"], ["[END]"], True),
        (NUMBER_SIGNS, ["</s>"], ["\n###"], True),
        (HEADINGS, ["</s>"], ["\n### Human:"], False),
        (BARE, ["</s>"], [], False),
    ],
)
def test_the_template_says_what_ends_an_answer(template, tokens, texts, taught) -> None:
    assert ends_of(template) == (tokens, texts, taught)


def test_an_end_on_a_line_of_its_own_cuts_no_reply_within_a_line() -> None:
    tokenizer = make_tokenizer(NUMBER_SIGNS)
    ids = tokenizer.encode("a ### b\n###\nuser: c", add_special_tokens=False)
    assert reply_text(tokenizer, ids, find_turn_ends(tokenizer)) == "a ### b"


def test_a_mark_that_opens_the_next_turn_ends_an_answer_and_is_not_always_taught() -> None:
    marks = ("<|user|>", "<|assistant|>")
    assert ends_of(SEPARATE, marks) == (["<|user|>", "</s>"], [], False)


def test_the_end_of_a_turn_that_calls_a_tool_is_an_end_too() -> None:
    tokens, _, _ = ends_of(TWO, ("<|im_start|>", "<|im_end|>", "<|eot|>"))
    assert tokens == ["<|im_end|>", "<|eot|>", "</s>"]


def test_a_mark_that_is_no_special_token_is_an_end_all_the_same() -> None:
    tokenizer = make_tokenizer("")
    tokenizer.chat_template = CHATML
    tokenizer.add_tokens(["<|im_start|>", "<|im_end|>"], special_tokens=False)
    ends = find_turn_ends(tokenizer)
    assert tokenizer.convert_ids_to_tokens(list(ends.tokens)) == ["<|im_end|>", "</s>"]


def test_a_mark_that_a_tokenizer_does_not_know_ends_an_answer_as_words() -> None:
    tokenizer = load_tokenizer(presets.POCKET_MODEL)
    tokenizer.chat_template = CHATML
    ends = find_turn_ends(tokenizer)
    assert ends.texts == ("<|im_end|>",) and ends.taught
    assert ends.tokens == (tokenizer.eos_token_id,)


def test_a_text_ends_with_the_tokenizers_own_end_alone() -> None:
    tokenizer = make_tokenizer(CHATML)
    assert find_turn_ends(tokenizer, plain_text=True) == ((tokenizer.eos_token_id,), (), True)
    assert find_turn_ends(make_tokenizer(CHATML, eos=None), plain_text=True) == ((), (), False)


@pytest.mark.parametrize("template", [CHATML, LLAMA3, GEMMA, PHI, INST, THINKING, PARTS])
@pytest.mark.parametrize("learn", ["answers", "last"])
def test_the_first_end_is_what_training_teaches_after_the_words(template, learn) -> None:
    tokenizer = make_tokenizer(template)
    row = {"messages": said("red blue", "the cat sat", "one two", "on a mat")}
    one = encode_row(tokenizer, row, DataSpec(max_length=512, learn=learn))
    learned = [token for token in one.labels if token != IGNORE_INDEX]
    ends = find_turn_ends(tokenizer).tokens
    assert sum(token == ends[0] for token in learned) == (2 if learn == "answers" else 1)


def test_real_templates_end_with_a_mark_of_theirs(shared_data) -> None:
    """A model that thinks in parts (gpt-oss) does not end with the mark that closes a part."""
    names = ("Llama-3.2-1B-Instruct", "Qwen3")
    tokenizers = {name: load_tokenizer(shared_data / "tokenizers" / name) for name in names}
    found = {}
    for path in templates(shared_data):
        tokenizer = fitted(tokenizers, path.read_text(encoding="utf-8"))
        ends = find_turn_ends(tokenizer)
        found[path.stem] = tokenizer.convert_ids_to_tokens(ends.tokens[0])
        assert not ends.texts and ends.taught == (path.stem != "glm4moe"), path.stem
    assert found["gptoss"] == "<|return|>" and found["glm4moe"] == "<|user|>"
    assert found["llama3_1"] == "<|eot_id|>" and found["qwen2_5"] == "<|im_end|>"
    assert found["phi3"] == "<|end|>" and found["gemma3"] == "<end_of_turn>"
