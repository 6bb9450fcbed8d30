"""The loss mask of templates without marks: found for any conversation, refused where uncertain."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import DataError
from engine.spec import presets
from engine.work.encode.encode import IGNORE_INDEX, encode_row
from engine.work.encode.loss_mask import compute_loss_mask
from engine.work.encode.questions import prompt_ids, row_prompt_ids
from engine.work.encode.tokenizer import load_tokenizer
from tests.engine.work.encode.pocket_rows import SHORT_CHAT, TOOL, TOOLS, WIDE

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
    if not marked:
        # As most models on the Hub have it: then the mask is found by following the turns.
        unmarked = source.replace("{%- generation %}", "").replace("{%- endgeneration %}", "")
        tokenizer.chat_template = unmarked
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
    found = compute_loss_mask(tokenizer, SHORT_CHAT["messages"], [], "answers")
    assert [found.text[slice(*span)] for span in found.spans] == answers
    prompt = prompt_ids(tokenizer, SHORT_CHAT["messages"][:4], False)
    assert prompt == row_prompt_ids(tokenizer, SHORT_CHAT, WIDE)
    assert prompt == encode_row(tokenizer, SHORT_CHAT, WIDE).ids[: len(prompt)]


def test_an_answer_that_begins_like_the_prompt_goes_on_is_learned_whole() -> None:
    tokenizer = load_tokenizer(presets.POCKET_MODEL)
    tokenizer.chat_template = UNMARKED["the prompt opens thinking that no answer has"][0]
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "<tea>"}]
    found = compute_loss_mask(tokenizer, turns, [], "all")
    assert found.text.endswith("<|assistant|><tea><|end|>")
    found = compute_loss_mask(tokenizer, turns, [], "answers")
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
        encode_row(tokenizer, SHORT_CHAT, WIDE)


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
