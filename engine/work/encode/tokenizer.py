"""Loads a model's tokenizer and checks that Hone can use it."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from engine.errors import ModelError
from engine.spec import presets

TEMPLATE_FOLDER = presets.PRESETS_FOLDER / "templates"
SENTENCE = "The cat sat on the mat."  # a tokenizer must give it back


def load_tokenizer(folder: Path, template: str = "model") -> PreTrainedTokenizerBase:
    """A model's tokenizer with a pad token, padding on the right, and the chat template to use.

    ``template`` is the name of one of Hone's own, or "model" for the model's own ("plain" if it has
    none). Raises ModelError where the tokenizer is not usable.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        ids = tokenizer.encode(SENTENCE, add_special_tokens=False)
        decoded = tokenizer.decode(ids, skip_special_tokens=True)
    except Exception as error:
        raise ModelError(
            f"The tokenizer in '{folder.name}' cannot be loaded. Copy the model again."
        ) from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"The tokenizer in '{folder.name}' cannot say which letters a token stands for, so "
            "answers cannot be told from questions. Choose a model with a tokenizer.json."
        )
    # Some folders lack their vocabulary and encode text to almost nothing, silently.
    if "".join(decoded.lower().split()) != "".join(SENTENCE.lower().split()):
        raise ModelError(
            f"The tokenizer in '{folder.name}' loses text: its vocabulary is missing. "
            "Copy the model again."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    tokenizer.padding_side = "right"
    if template != "model" or not tokenizer.chat_template:
        name = "plain" if template == "model" else template
        tokenizer.chat_template = (TEMPLATE_FOLDER / f"{name}.jinja").read_text(encoding="utf-8")
    return tokenizer
