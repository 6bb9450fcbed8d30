"""The loss mask, template by template.

Pinned for each family, held for random conversations, refused where uncertain.

Needs nothing but the repository; test_masks_real.py asks the templates and tokenizers of real
models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from engine.errors import DataError
from engine.spec import presets
from engine.spec.run import DataSpec
from engine.work.encode.encode import IGNORE_INDEX, encode_row
from engine.work.encode.loss_mask import compute_loss_mask
from engine.work.encode.questions import prompt_ids, row_prompt_ids
from engine.work.encode.tokenizer import load_tokenizer

WIDE = DataSpec(max_length=4096)
CALL = {"type": "function", "function": {"name": "look_up", "arguments": {"city": "Oslo"}}}
TOOL = {
    "type": "function",
    "function": {"name": "look_up", "description": "Weather.", "parameters": {"type": "object"}},
}
CHAT = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "Farewell."},
    ]
}
TOOLS = {
    "messages": [
        {"role": "user", "content": "Warm?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [CALL]},
        {"role": "tool", "name": "look_up", "content": "21 C"},
        {"role": "assistant", "content": "Yes."},
    ],
    "tools": [TOOL],
}


def byte_level(folder: Path, **special: Any) -> Any:
    """A tokenizer like GPT-2's, Llama's and Qwen's in which each byte is a token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: index for index, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)
    return folder


def word_piece(folder: Path) -> Any:
    """A tokenizer like BERT's: lower case, no blanks, no end of text."""
    words = (
        "[PAD] [UNK] [CLS] [SEP] the cat sat on mat . : hello hi be kind bye fare ##well system "
        "user assistant"
    )
    made = Tokenizer(
        models.WordPiece(
            {word: index for index, word in enumerate(words.split())}, unk_token="[UNK]"
        )
    )
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=made, **names).save_pretrained(folder)
    return folder


def shown(tokenizer: Any, row: dict[str, Any], data: DataSpec = WIDE) -> str:
    """A row's tokens as text, with what is learned in brackets."""
    one = encode_row(tokenizer, row, data)
    text, at = "", 0
    while at < len(one.ids):
        on, start = one.labels[at] != IGNORE_INDEX, at
        while at < len(one.ids) and (one.labels[at] != IGNORE_INDEX) == on:
            at += 1
        part = tokenizer.decode(one.ids[start:at])
        text += f"⟦{part}⟧" if on else part
    return text


# --- one pinned conversation per family ---

# family, special tokens of its tokenizer, the conversation as the model reads it, how many tokens
# it has
FAMILIES = {
    "llama3": (
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
        ["<|start_header_id|>", "<|end_header_id|>"],
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n⟦Hello.<|eot_id|>⟧"
        "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n⟦Farewell.<|eot_id|>⟧",
        86,
    ),
    "chatml": (
        {"eos_token": "<|im_end|>"},
        ["<|im_start|>"],
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\n⟦Hello.<|im_end|>⟧\n<|im_start|>user\nBye<|im_end|>\n"
        "<|im_start|>assistant\n⟦Farewell.<|im_end|>⟧\n",
        80,
    ),
    "mistral": (
        {"bos_token": "<s>", "eos_token": "</s>"},
        [],
        "<s>[INST] Be kind.\n\nHi [/INST]⟦ Hello.</s>⟧[INST] Bye [/INST]⟦ Farewell.</s>⟧",
        65,
    ),
    "gemma": (
        {"bos_token": "<bos>", "eos_token": "<eos>"},
        ["<start_of_turn>", "<end_of_turn>"],
        "<bos><start_of_turn>user\nBe kind.\n\nHi<end_of_turn>\n<start_of_turn>model\n"
        "⟦Hello.<end_of_turn><eos>⟧\n"
        "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n⟦Farewell.<end_of_turn>"
        "<eos>⟧\n",
        67,
    ),
    "phi3": (
        {"eos_token": "<|endoftext|>"},
        ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"],
        "<|system|>\nBe kind.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n⟦Hello.<|end|>"
        "<|endoftext|>⟧\n"
        "<|user|>\nBye<|end|>\n<|assistant|>\n⟦Farewell.<|end|><|endoftext|>⟧\n",
        50,
    ),
    "plain": (  # GPT-2, which has no template
        {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"},
        [],
        "<|endoftext|>System: Be kind.\nUser: Hi\nAssistant:⟦ Hello.<|endoftext|>⟧\n"
        "User: Bye\nAssistant:⟦ Farewell.<|endoftext|>⟧",
        77,
    ),
    "alpaca": (
        {"eos_token": "</s>"},
        [],
        "Be kind.\n\n### Instruction:\nHi\n\n### Response:\n⟦Hello.</s>⟧\n\n"
        "### Instruction:\nBye\n\n### Response:\n⟦Farewell.</s>⟧\n\n",
        102,
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_pinned(family, tmp_path) -> None:
    special, more, text, count = FAMILIES[family]
    folder = byte_level(tmp_path, **special, additional_special_tokens=more)
    tokenizer = load_tokenizer(folder, "model" if family == "plain" else family)
    assert shown(tokenizer, CHAT) == text
    assert len(encode_row(tokenizer, CHAT, WIDE).ids) == count
    asked = prompt_ids(tokenizer, CHAT["messages"][:4], False)
    assert (
        asked
        == row_prompt_ids(tokenizer, CHAT, WIDE)
        == encode_row(tokenizer, CHAT, WIDE).ids[: len(asked)]
    )


def test_a_tokenizer_like_berts_without_blanks_and_end(tmp_path) -> None:
    tokenizer = load_tokenizer(word_piece(tmp_path))
    one = encode_row(tokenizer, CHAT, WIDE)
    words = tokenizer.convert_ids_to_tokens(one.ids)
    learned = [word for word, label in zip(words, one.labels, strict=True) if label != IGNORE_INDEX]
    assert words[:9] == ["system", ":", "be", "kind", ".", "user", ":", "hi", "assistant"]
    assert learned == ["hello", ".", "fare", "##well", "."]


@pytest.mark.parametrize(
    "template", sorted(path.stem for path in (presets.PRESETS_FOLDER / "templates").glob("*.jinja"))
)
def test_every_template_of_ours_shows_tools_and_learns_calls(template) -> None:
    tokenizer = load_tokenizer(presets.POCKET_MODEL, template)
    found = compute_loss_mask(tokenizer, TOOLS["messages"], TOOLS["tools"], "answers")
    call, last = (found.text[slice(*span)] for span in found.spans)
    assert (
        "I look." in call
        and '"look_up"' in call
        and '{"city": "Oslo"}' in call
        and "21 C" not in call
    )
    assert last.split("<")[0].strip() == "Yes." and last.endswith("<|end|>")
    assert "21 C" in found.text and '"description": "Weather."' in found.text
    without = compute_loss_mask(
        tokenizer, [turn for turn in TOOLS["messages"] if turn["role"] != "tool"][:2], [], "answers"
    )
    assert '"look_up"' in without.text


# --- random conversations ---

WORDS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Co")), min_size=1, max_size=30
).filter(str.strip)


@pytest.fixture(scope="module")
def pocket():
    return {
        name: load_tokenizer(presets.POCKET_MODEL, name) for name in ("plain", "chatml", "model")
    }


@given(
    st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4),
    st.sampled_from(["plain", "chatml"]),
    st.booleans(),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_learned_is_the_answers_and_nothing_else(pocket, turns, template, marked) -> None:
    tokenizer = pocket[template]
    source = tokenizer.chat_template
    if (
        not marked
    ):  # as most models on the Hub have it: then the mask is found by following the turns
        tokenizer.chat_template = source.replace("{%- generation %}", "").replace(
            "{%- endgeneration %}", ""
        )
    messages = [
        {"role": role, "content": text}
        for pair in turns
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    try:
        one = encode_row(tokenizer, {"messages": messages}, WIDE)
        prompt = prompt_ids(tokenizer, messages[:-1], False)
    finally:
        tokenizer.chat_template = source
    before, after = (" ", "<|end|>") if template == "plain" else ("", "<|im_end|><|end|>")
    learned = tokenizer.decode([label for label in one.labels if label != IGNORE_INDEX])
    assert learned == "".join(before + answer + after for _, answer in turns)
    assert one.ids[: len(prompt)] == prompt


# --- what no generation mark tells ---

UNMARKED = {
    "the prompt is opened within the last turn": (
        "{% for m in messages %}{{ '<|' ~ m.role ~ '|>' ~ m.content ~ '<|end|>' }}"
        "{% if loop.last and add_generation_prompt %}<|assistant|>{% endif %}{% endfor %}",
        ["Hello.<|end|>", "Farewell.<|end|>"],
    ),
    "the mark that ends a turn is written with the next one": (
        "{% for m in messages %}{% if m.role == 'user' and not loop.first %}{{ eos_token }}{% "
        "endif %}"
        "{{ m.role ~ ': ' ~ m.content ~ ' ' }}{% endfor %}{% if add_generation_prompt %}"
        "assistant: {% endif %}"
        "{% if messages[-1].role == 'assistant' %}{{ eos_token }}{% endif %}",
        ["Hello. <|end|>", "Farewell. <|end|>"],
    ),
    "turns are passed with continue": (
        "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% continue %}{% endif %}"
        "{{ '<|' ~ m.role ~ '|>' ~ m.content ~ '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}",
        ["Hello.<|end|>", "Farewell.<|end|>"],
    ),
    "turns are counted instead of looped over": (
        "{% for i in range(messages|length) %}{{ messages[i].role ~ ': ' ~ messages[i].content "
        "~ '<|end|>' }}"
        "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}",
        ["Hello.<|end|>", "Farewell.<|end|>"],
    ),
    "marks stand around the words alone": (
        "{% for m in messages %}{{ '<|' ~ m.role ~ '|>' }}{% if m.role == 'assistant' %}"
        "{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}"
        "<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}",
        ["Hello.<|end|>", "Farewell.<|end|>"],
    ),
    "the prompt opens thinking that no answer has": (
        "{% for m in messages %}{{ '<|' ~ m.role ~ '|>' ~ m.content.split('</think>')[-1] ~ "
        "'<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}",
        ["Hello.<|end|>", "Farewell.<|end|>"],
    ),
}


@pytest.mark.parametrize("way", UNMARKED)
def test_answers_are_found_however_the_template_writes_them(pocket, way) -> None:
    source, answers = UNMARKED[way]
    tokenizer = load_tokenizer(presets.POCKET_MODEL)
    tokenizer.chat_template = source
    found = compute_loss_mask(tokenizer, CHAT["messages"], [], "answers")
    assert [found.text[slice(*span)] for span in found.spans] == answers
    prompt = prompt_ids(tokenizer, CHAT["messages"][:4], False)
    assert (
        prompt
        == row_prompt_ids(tokenizer, CHAT, WIDE)
        == encode_row(tokenizer, CHAT, WIDE).ids[: len(prompt)]
    )


def test_an_answer_that_begins_like_the_prompt_goes_on_is_learned_whole() -> None:
    tokenizer = load_tokenizer(presets.POCKET_MODEL)
    tokenizer.chat_template = UNMARKED["the prompt opens thinking that no answer has"][0]
    found = compute_loss_mask(
        tokenizer,
        [{"role": "user", "content": "x"}, {"role": "assistant", "content": "<tea>"}],
        [],
        "all",
    )
    assert found.text.endswith("<|assistant|><tea><|end|>")
    found = compute_loss_mask(
        tokenizer,
        [{"role": "user", "content": "x"}, {"role": "assistant", "content": "<tea>"}],
        [],
        "answers",
    )
    assert [found.text[slice(*span)] for span in found.spans] == ["<tea><|end|>"]


LOOP = "{% for m in messages %}{{ '<|' ~ m.role ~ '|>' ~ m.content ~ '<|end|>' }}{% endfor %}"
ASK = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
REFUSED = {
    "turns in another order": (
        "{% for i in range(messages|length) %}{{ messages[-1 - i].role ~ messages[-1 - "
        "i].content }}{% endfor %}",
        "rewrites or reorders turns",
    ),
    "turns made into other texts": (
        "{{ messages | map(attribute='content') | join('|') | upper }}",
        "does not show",
    ),
    "the system prompt is dropped": (
        "{% for m in messages if m.role != 'system' %}" + LOOP.partition("%}")[2] + ASK,
        "does not show the system prompt",
    ),
    "earlier answers are dropped": (
        LOOP.replace("m.content", "(m.content if m.role != 'assistant' or loop.last else '')")
        + ASK,
        "does not show what the assistant says",
    ),
    "a turn repeats the question": (
        LOOP.replace(
            "~ m.content",
            "~ (messages[loop.index0 - 1].content if m.role == 'assistant' else '') ~ m.content",
        )
        + ASK,
        "writes others' words into the assistant's turn",
    ),
    "marks stand around the questions": (
        "{% for m in messages %}{% generation %}{{ m.role ~ m.content }}{% endgeneration %}{% "
        "endfor %}",
        "marks words that are not the assistant's",
    ),
    "marks stand around the last answer alone": (
        "{% for m in messages %}{% if loop.last %}{% generation %}{{ m.content }}{% "
        "endgeneration %}"
        "{% else %}{{ m.role ~ m.content }}{% endif %}{% endfor %}",
        "does not mark every answer",
    ),
    "the prompt begins an answer otherwise": (
        LOOP + "{% if add_generation_prompt %}Now you:{% endif %}",
        "rewrites or reorders turns",
    ),
    "an error": (
        "{{ raise_exception('No system turns here') }}",
        "does not accept .*No system turns here",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_uncertain_mask_is_refused_in_plain_words(case) -> None:
    source, reason = REFUSED[case]
    tokenizer = load_tokenizer(presets.POCKET_MODEL)
    tokenizer.chat_template = source
    with pytest.raises(DataError, match=f"(?s){reason}.*Choose another chat format"):
        encode_row(tokenizer, CHAT, WIDE)


def test_tools_that_a_template_does_not_show_are_refused() -> None:
    tokenizer = load_tokenizer(presets.POCKET_MODEL)
    tokenizer.chat_template = LOOP + ASK
    with pytest.raises(DataError, match="does not show tool calls"):
        encode_row(tokenizer, TOOLS, WIDE)
    plain = {"messages": [TOOLS["messages"][0], TOOLS["messages"][3]], "tools": [TOOL]}
    with pytest.raises(DataError, match="does not show the list of tools"):
        encode_row(tokenizer, plain, WIDE)
    tokenizer.chat_template = "{{ tools[0].function.name if tools else '' }}" + LOOP + ASK
    with pytest.raises(DataError, match="does not show tool calls in the assistant's turn"):
        encode_row(tokenizer, TOOLS, WIDE)
