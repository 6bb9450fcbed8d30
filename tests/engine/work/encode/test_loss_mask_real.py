"""The loss mask on real models' templates and tokenizers, and against TRL's own marks in them.

Needs ../shared/data, which is absent on most machines.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.errors import DataError
from engine.spec.run import DataSpec
from engine.work.encode.encode import IGNORE_INDEX, encode_row
from engine.work.encode.messages import answer_after_thinking, remove_blanks
from engine.work.encode.questions import prompt_ids, row_prompt_ids
from engine.work.encode.tokenizer import load_tokenizer
from tests.engine.work.encode.real_templates import EXPECTED, ROWS, said

WIDE = DataSpec(max_length=8192)
NAMES = ("Llama-3.2-1B-Instruct", "Qwen3")
# What a template writes as a token of its own, which the tokenizer at hand may not know as one.
MARK = re.compile(
    r"<[|\uff5c][^<>|\uff5c\s]{1,40}[|\uff5c]>|<\|\w+>|<\w+\|>|<end_of_utterance>|</?s>|<(?:start|end)_of_turn>|\[/?INST\]"
)
# After an answer these write no mark: GLM's models stop at the next turn's.
ENDLESS = re.compile("glm4moe|command-r-plus")
# A tool's answer stands within the turn, outside the marks.
SPLIT = ("diffusion_gemma_training", "says and calls")
# What else an answer's tokens may hold: channels, whom it is for, thinking that is empty.
FRAME = re.compile(r"assistant|final|all|think|</?think>")


@pytest.fixture(scope="module")
def tokenizers(shared_data: Path) -> dict[str, Any]:
    return {name: load_tokenizer(shared_data / "tokenizers" / name) for name in NAMES}


def templates(shared_data: Path) -> list[Path]:
    return sorted(shared_data.glob("chat_templates/*/*.jinja"))


def fitted(tokenizers: dict[str, Any], *sources: str) -> Any:
    """A tokenizer of the template's family that knows the template's marks as tokens."""
    tokenizer = tokenizers[NAMES[0] if "eot_id" in sources[0] else NAMES[1]]
    marks = sorted({mark for source in sources for mark in MARK.findall(source)})
    tokenizer.add_special_tokens(
        {"additional_special_tokens": marks}, replace_extra_special_tokens=False
    )
    tokenizer.chat_template = sources[0]
    return tokenizer


def learned_runs(one: Any) -> list[list[int]]:
    """The learned tokens, run by run."""
    runs: list[list[int]] = [[]]
    for label in one.labels:
        if label != IGNORE_INDEX:
            runs[-1].append(label)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def test_every_real_template_learns_each_answer_or_says_why_not(shared_data, tokenizers) -> None:
    counts: Counter[str] = Counter()
    refused = {}
    for path in templates(shared_data):
        tokenizer = fitted(tokenizers, path.read_text(encoding="utf-8"))
        for name, row in ROWS.items():
            try:
                one = encode_row(tokenizer, row, WIDE)
            except DataError as error:
                refused[path.stem, name] = str(error)
                continue
            counts["turns"] += check_turns(path.stem, tokenizer, one, row, name)
            prompt = row_prompt_ids(tokenizer, row, WIDE)
            assert prompt and one.ids[: len(prompt)] == prompt, (path.stem, name)
            counts["prompts"] += 1
            counts["general prompts"] += (
                prompt_ids(tokenizer, row["messages"][:-1], False, row.get("tools")) == prompt
            )
        counts["templates"] += 1
        counts["covered"] += any((path.stem, name) not in refused for name in ROWS)
    assert refused.keys() == EXPECTED.keys()
    for case, reason in refused.items():
        assert EXPECTED[case] in reason and "Choose another chat format" in reason, case
    print(dict(counts), len(refused), "refusals")
    assert counts == {
        "templates": 70,
        "covered": 69,
        "turns": 730,
        "prompts": 344,
        "general prompts": 300,
    }


def check_turns(template: str, tokenizer: Any, one: Any, row: dict[str, Any], name: str) -> int:
    """Each answer is a run of target tokens of its own, with its end mark and no other words."""
    turns = [message for message in row["messages"] if message["role"] == "assistant"]
    runs, special = learned_runs(one), set(tokenizer.all_special_ids)
    where = (template, name, [tokenizer.decode(run) for run in runs])
    if (template, name) == SPLIT:
        runs = [runs[1] + runs[0], *runs[2:]]  # the call ends in a mark, the words behind it do not
    assert len(runs) == len(turns), where
    for run, turn in zip(runs, turns, strict=True):
        text = remove_blanks(tokenizer.decode(run))
        words = remove_blanks(answer_after_thinking(turn))
        assert words in text, where
        assert not turn.get("tool_calls") or ("get_weather" in text and "Oslo" in text), where
        for other in row["messages"]:
            if other is not turn and other["content"]:
                assert remove_blanks(answer_after_thinking(other)) not in text, where
        assert ENDLESS.search(template) or run[-1] in special, where
        if name in ("single", "multi", "system"):
            plain = tokenizer.decode([token for token in run if token not in special])
            assert not FRAME.sub("", remove_blanks(plain).replace(words, "")), where
    return len(turns)


# TRL's marks take in more than the prompt leaves to the model: the newline behind the end mark, and
# headers or an opened <think> that the generation prompt gives. GLM's form closes the last turn
# with a mark that the model's own has not, so the texts differ there. In diffusion_gemma's tool
# rows the prompt gives nothing and the turn writes a header.
TRL_TAKES_IN = re.compile(
    r"\s*|<\uff5cAssistant\uff5c>|<\uff5ctool▁outputs▁end\uff5c>|<\|start\|>assistant|<think>(\n|\n\n</think>\n\n)?"
)
KNOWN = {("diffusion_gemma", "tools")}


def test_the_mask_agrees_with_trls_marked_templates(shared_data, tokenizers) -> None:
    counts: Counter[str] = Counter()
    for path in sorted(shared_data.glob("chat_templates/trl/*_training.jinja")):
        own = path.with_name(path.name.replace("_training", "")).read_text()
        marked = path.read_text()
        for name, row in ROWS.items():
            if (path.stem.removesuffix("_training"), name) in KNOWN:
                continue
            tokenizer = fitted(tokenizers, own, marked)
            try:
                mine = encode_row(tokenizer, row, WIDE)
                theirs = tokenizer.apply_chat_template(
                    row["messages"],
                    chat_template=marked,
                    tools=row.get("tools"),
                    return_dict=True,
                    return_assistant_tokens_mask=True,
                )
            except Exception:
                continue  # counted below: what is refused is the other test's
            if theirs["input_ids"] != mine.ids:
                counts["other text"] += 1
                continue
            ours = [label != IGNORE_INDEX for label in mine.labels]
            both = list(zip(mine.ids, ours, map(bool, theirs["assistant_masks"]), strict=True))
            counts["equal"] += all(one == other for _, one, other in both)
            # Never more than TRL's.
            assert all(other for _, one, other in both if one), (path.stem, name)
            for run in differing_runs(both):
                text = tokenizer.decode(run)
                assert TRL_TAKES_IN.fullmatch(text), (path.stem, name, text)
            counts["same text"] += 1
    print(dict(counts))
    assert counts["same text"] == 87 and counts["equal"] == 14


def differing_runs(both: list[tuple[int, bool, bool]]) -> list[list[int]]:
    runs: list[list[int]] = [[]]
    for token, one, other in both:
        if one != other:
            runs[-1].append(token)
        elif runs[-1]:
            runs.append([])
    return runs[:-1] if not runs[-1] else runs


def test_transformers_own_mask_is_ours_where_a_template_has_marks(shared_data, tokenizers) -> None:
    other = set()
    for path in sorted(shared_data.glob("chat_templates/trl/*_training.jinja")):
        tokenizer = fitted(tokenizers, path.read_text(encoding="utf-8"))
        turns = ROWS["multi"]["messages"]
        mine = encode_row(tokenizer, ROWS["multi"], WIDE)
        if path.stem.startswith("llava"):  # wants texts as parts
            parts = [[{"type": "text", "text": turn["content"]}] for turn in turns]
            turns = [turn | {"content": part} for turn, part in zip(turns, parts, strict=True)]
        theirs = tokenizer.apply_chat_template(
            turns, return_dict=True, return_assistant_tokens_mask=True
        )
        if theirs["input_ids"] != mine.ids:
            other.add(path.stem)
            continue
        for token, label, on in zip(mine.ids, mine.labels, theirs["assistant_masks"], strict=True):
            assert (label != IGNORE_INDEX) == bool(on) or not tokenizer.decode([token]).strip(), (
                path.stem
            )
    # One reads a text's letters as parts and shows none; in the others the prompt ends in a newline
    # of its own, where the whole has one token of two.
    assert other == {"idefics3_training", "qwen3_5_think_training", "qwen3_6_training"}


REAL = (
    "Llama-3.2-1B-Instruct Mistral-7B Qwen2.5-0.5B-Instruct Qwen3 TinyLlama-1.1B-Chat "
    "bert-base-cased "
    "bert-base-uncased gpt2 phi-2 roberta-base"
)


@pytest.mark.parametrize(
    "template", ["model", "plain", "chatml", "llama3", "gemma", "phi3", "mistral", "alpaca"]
)
@pytest.mark.parametrize("name", REAL.split())
def test_real_tokenizers_learn_the_answers_words(shared_data, name, template) -> None:
    tokenizer = load_tokenizer(shared_data / "tokenizers" / name, template)
    row = {
        "messages": said(
            "Où est l'été? 🙂", "Là-bas, voilà.", "  And\n\nthen?", "Ende gut, alles gut."
        )
    }
    nasty = {
        "messages": said(
            "A </s> [SEP] <|endoftext|> <|im_end|> <|eot_id|> b", "An </s> [SEP] <|im_end|> end."
        )
    }
    for data in (WIDE, DataSpec(max_length=8192, fixes=("literal",))):
        one = encode_row(tokenizer, row, data)
        runs = [remove_blanks(tokenizer.decode(run)) for run in learned_runs(one)]
        words = ["".join(tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)).split())
                 for text in ("Là-bas, voilà.", "Ende gut, alles gut.")]  # fmt: skip
        assert len(runs) == 2 and all(word in run for word, run in zip(words, runs, strict=True)), (
            runs
        )
        assert "Où" not in runs[0] + runs[1] and "then" not in runs[0] + runs[1]
        prompt = row_prompt_ids(tokenizer, row, data)
        assert one.ids[: len(prompt)] == prompt == prompt_ids(tokenizer, row["messages"][:3], False)
    mended = encode_row(tokenizer, nasty, data)
    clean = encode_row(tokenizer, {"messages": said("A b", "An end.")}, data)
    special = set(tokenizer.all_special_ids)
    mended_special, clean_special = (
        sum(token in special for token in one.ids) for one in (mended, clean)
    )
    assert mended_special == clean_special
