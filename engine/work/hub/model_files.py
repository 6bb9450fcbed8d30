"""Which files of a model's repository Hone takes, and why a model cannot be used.

Knows file names and tags; engine.model.config_json and engine.model.weights read what stands in the files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from engine.errors import ModelError
from engine.model import weights
from engine.model.config_json import CONFIG_FILE, PACKED_ADVICE, PACKED_FORMATS, TOKENIZER_CONFIG
from engine.model.safety import ADAPTER_CONFIG, VOCABULARIES
from engine.model.weights import INDEX_FILE, PICKLES, SINGLE_FILE

SMALL_FILES = (
    CONFIG_FILE,
    TOKENIZER_CONFIG,
    "generation_config.json",
    "chat_template.jinja",
    INDEX_FILE,
)
TOKENIZER_FILES = (
    *VOCABULARIES, "merges.txt", "special_tokens_map.json", "added_tokens.json", "chat_template.json",
    "spiece.model", "sentencepiece.bpe.model", "spm.model",
)  # fmt: skip
WEIGHT_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


def why_unusable(names: Collection[str], tags: Collection[str], library: str = "") -> str:
    """Why a model with these files cannot be used; empty if nothing speaks against it."""
    top = {name for name in names if "/" not in name}
    whole = CONFIG_FILE in top and (SINGLE_FILE in top or INDEX_FILE in top)
    if "custom_code" in tags:
        return "It needs program code that comes with it, and Hone never runs code of others. Choose another model."
    if packed := next((word for tag, word in PACKED_FORMATS.items() if tag in tags), ""):
        return f"It is packed as {packed}, {PACKED_ADVICE}"
    if not whole and (library == "peft" or ADAPTER_CONFIG in top):
        base = next(
            (tag.rpartition(":")[2] for tag in tags if tag.startswith("base_model:adapter:")), ""
        )
        return f"It is an adapter, not a whole model. Choose the model that it was made for{base and f': {base}'}."
    if not whole and any(name.endswith(".gguf") for name in names):
        return "It has GGUF files only, which are for running a model, not for training. Choose the model itself."
    if SINGLE_FILE not in top and INDEX_FILE not in top:
        if pickles := sorted(name for name in top if name.endswith(PICKLES)):
            return (
                f"Its weights come only as {pickles[0]}, a format that can carry harmful code. "
                "Choose a version with safetensors."
            )
        return "It has no weights of the transformers library (model.safetensors). Choose another model."
    if CONFIG_FILE not in top:
        return "It has no config.json: it is not a model of the transformers library. Choose another one."
    if not top & set(VOCABULARIES):
        return "It has no tokenizer that Hone can read. Choose the model that it was made from."
    return ""


def safe_files(names: Iterable[str]) -> list[str]:
    """The files that may be taken at all: no programs, no pickles, nothing in folders. Raises ModelError."""
    found = []
    for name in names:
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            raise ModelError(
                f"The model's list of files leads out of its folder ('{name[:80]}'). Do not use it."
            )
        if (
            name in SMALL_FILES
            or name in TOKENIZER_FILES
            or (name.endswith(".safetensors") and "/" not in name)
        ):
            found.append(name)
    return found


def needed_files(names: Collection[str], folder: Path | None) -> list[str]:
    """The files that make the model, the small ones first; raises ModelError.

    With the index in ``folder`` it tells the weights; without, their usual names do.
    """
    if SINGLE_FILE in names:  # transformers then reads this one alone
        found = [SINGLE_FILE]
    elif folder is None:
        found = sorted(name for name in names if WEIGHT_SHARD.fullmatch(name))
    else:
        found = _indexed_shards(names, folder)
    about = [
        name
        for name in SMALL_FILES
        if name in names and (name != INDEX_FILE or SINGLE_FILE not in names)
    ]
    return [*about, *(name for name in TOKENIZER_FILES if name in names), *found]


def _indexed_shards(names: Collection[str], folder: Path) -> list[str]:
    found = sorted(weights.read_index(folder))
    if missing := [name for name in found if name not in names]:
        raise ModelError(
            f"Its {INDEX_FILE} names {missing[0][:80]}, which is not there. Choose another model."
        )
    return found
