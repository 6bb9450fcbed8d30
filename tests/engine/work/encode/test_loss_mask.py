"""The loss mask, template by template.

Pinned for each family. test_masked_templates.py has other templates and random conversations,
test_loss_mask_real.py the templates and tokenizers of real models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from engine.spec import presets
from engine.spec.run import DataSpec
from engine.work.encode.encode import IGNORE_INDEX, encode_row
from engine.work.encode.loss_mask import compute_loss_mask
from engine.work.encode.questions import prompt_ids, row_prompt_ids
from engine.work.encode.tokenizer import load_tokenizer
from tests.engine.work.encode.pocket_rows import SHORT_CHAT, TOOLS, WIDE


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
    assert shown(tokenizer, SHORT_CHAT) == text
    assert len(encode_row(tokenizer, SHORT_CHAT, WIDE).ids) == count
    asked = prompt_ids(tokenizer, SHORT_CHAT["messages"][:4], False)
    assert asked == row_prompt_ids(tokenizer, SHORT_CHAT, WIDE)
    assert asked == encode_row(tokenizer, SHORT_CHAT, WIDE).ids[: len(asked)]


def test_a_tokenizer_like_berts_without_blanks_and_end(tmp_path) -> None:
    tokenizer = load_tokenizer(word_piece(tmp_path))
    one = encode_row(tokenizer, SHORT_CHAT, WIDE)
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
    assert "I look." in call and "21 C" not in call
    assert '"look_up"' in call and '{"city": "Oslo"}' in call
    assert last.split("<")[0].strip() == "Yes." and last.endswith("<|end|>")
    assert "21 C" in found.text and '"description": "Weather."' in found.text
    without = compute_loss_mask(tokenizer, TOOLS["messages"][:2], [], "answers")
    assert '"look_up"' in without.text
