"""Loads a model's tokenizer and checks that Hone can use it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from engine.errors import DataError, ModelError
from engine.model import config_json
from engine.spec import presets

TEMPLATE_FOLDER = presets.PRESETS_FOLDER / "templates"
SENTENCE = "The cat sat on the mat."  # a tokenizer must give it back
# The attribute of a tokenizer that holds how many tokens its model has embeddings for; absent where
# it has one for each.
TABLE_ROWS = "embedding_rows"


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
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library, in Rust, panics with one that is no Exception
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
    _note_table(tokenizer, folder)
    if tokenizer.pad_token is None or not is_in_table(tokenizer, tokenizer.pad_token_id):
        tokenizer.pad_token = _padding(tokenizer)
    tokenizer.padding_side = "right"
    if template != "model" or not tokenizer.chat_template:
        name = "plain" if template == "model" else template
        tokenizer.chat_template = (TEMPLATE_FOLDER / f"{name}.jinja").read_text(encoding="utf-8")
    return tokenizer


def _padding(tokenizer: Any) -> str:
    """A token to pad with where there is none: the end token, or another that the model knows.

    Without any special token it is the last one, which is hardly ever written.
    """
    for token in (tokenizer.eos_token, tokenizer.unk_token, *tokenizer.all_special_tokens):
        if token and is_in_table(tokenizer, tokenizer.convert_tokens_to_ids(token)):
            return str(token)
    last = getattr(tokenizer, TABLE_ROWS, len(tokenizer)) - 1
    return str(tokenizer.convert_ids_to_tokens(last))


# --- tokens that the model has no embedding for ---


def _note_table(tokenizer: Any, folder: Path) -> None:
    """Note the rows of the model's embedding table where the tokenizer has more tokens."""
    try:
        config = config_json.read_json_object(folder / config_json.CONFIG_FILE)
    except ModelError:  # a tokenizer alone
        return
    part = config.get("text_config")
    text = part if isinstance(part, dict) else config
    rows = text.get("vocab_size", config.get("vocab_size"))
    last = max([tokenizer.vocab_size - 1, *tokenizer.added_tokens_decoder])
    if isinstance(rows, int) and last >= rows > 0:
        setattr(tokenizer, TABLE_ROWS, rows)


def is_in_table(tokenizer: PreTrainedTokenizerBase, token: int) -> bool:
    """Whether the model has an embedding for a token of its tokenizer."""
    rows = getattr(tokenizer, TABLE_ROWS, None)
    return rows is None or token < rows


def require_in_table(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> None:
    """Raise DataError for a token that the model has no embedding for: it can never read one."""
    rows = getattr(tokenizer, TABLE_ROWS, None)
    if rows is None or not ids or max(ids) < rows:
        return
    unknown = tokenizer.convert_ids_to_tokens(max(ids))
    raise DataError(
        f"The text holds '{unknown}', a token of the model's tokenizer that the model itself does "
        f"not know (it knows {rows:,} tokens). Take it out of the text, leave such rows out, or "
        "choose another model."
    )
