"""Which files of a model's repository Hone takes, and why a model cannot be used.

Knows file names and tags; engine.model.config_json and engine.model.weights read what is in the
files.
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

# The files that describe a model.
SMALL_FILES = (
    CONFIG_FILE, TOKENIZER_CONFIG, "generation_config.json", "chat_template.jinja", INDEX_FILE,
)  # fmt: skip
TOKENIZER_FILES = (
    *VOCABULARIES, "merges.txt", "special_tokens_map.json", "added_tokens.json",
    "chat_template.json", "spiece.model", "sentencepiece.bpe.model", "spm.model",
)  # fmt: skip
WEIGHT_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


def why_unusable(names: Collection[str], tags: Collection[str], library: str = "") -> str:
    """Why a model with these files cannot be used; empty if nothing speaks against it."""
    if "custom_code" in tags:
        return (
            "It needs program code that comes with it, and Hone never runs code of others. "
            "Choose another model."
        )
    if packed := next((word for tag, word in PACKED_FORMATS.items() if tag in tags), ""):
        return f"It is packed as {packed}, {PACKED_ADVICE}"
    top = {name for name in names if "/" not in name}
    if CONFIG_FILE not in top or not {SINGLE_FILE, INDEX_FILE} & top:
        return _why_incomplete(names, top, tags, library)
    if not top & set(VOCABULARIES):
        return "It has no tokenizer that Hone can read. Choose the model that it was made from."
    return ""


def _why_incomplete(
    names: Collection[str], top: set[str], tags: Collection[str], library: str
) -> str:
    """Why a model without config or safetensors is unusable; ``top``: its files in no folder."""
    if library == "peft" or ADAPTER_CONFIG in top:
        bases = (tag.rpartition(":")[2] for tag in tags if tag.startswith("base_model:adapter:"))
        base = next((f": {base}" for base in bases if base), "")
        return f"It is an adapter, not a whole model. Choose the model that it was made for{base}."
    if any(name.endswith(".gguf") for name in names):
        return (
            "It has GGUF files only, which are for running a model, not for training. "
            "Choose the model itself."
        )
    if {SINGLE_FILE, INDEX_FILE} & top:
        return (
            "It has no config.json: it is not a model of the transformers library. "
            "Choose another one."
        )
    if pickles := sorted(name for name in top if name.endswith(PICKLES)):
        return (
            f"Its weights come only as {pickles[0]}, a format that can carry harmful code. "
            "Choose a version with safetensors."
        )
    return (
        "It has no weights of the transformers library (model.safetensors). Choose another model."
    )


def safe_files(names: Iterable[str]) -> list[str]:
    """The files that may be taken at all: no programs, no pickles, nothing in folders.

    Raises ModelError for a name that leads out of the model's folder.
    """
    found = []
    for name in names:
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            raise ModelError(
                f"The model's list of files leads out of its folder ('{name[:80]}'). Do not use it."
            )
        is_weights = name.endswith(".safetensors") and "/" not in name
        if is_weights or name in SMALL_FILES or name in TOKENIZER_FILES:
            found.append(name)
    return found


def needed_files(names: Collection[str], folder: Path | None) -> list[str]:
    """The files that make the model, the small ones first; raises ModelError.

    The weights are those that the index in ``folder`` names; without one, those with usual names.
    """
    single = SINGLE_FILE in names
    if single:
        # transformers reads this file alone, even where there are an index and shards.
        found = [SINGLE_FILE]
    elif folder is None:
        found = sorted(name for name in names if WEIGHT_SHARD.fullmatch(name))
    else:
        found = sorted(weights.read_index(folder))
        if missing := [name for name in found if name not in names]:
            raise ModelError(
                f"Its {INDEX_FILE} names {missing[0][:80]}, which is not there. "
                "Choose another model."
            )
    small = [name for name in SMALL_FILES if name in names and not (single and name == INDEX_FILE)]
    return [*small, *(name for name in TOKENIZER_FILES if name in names), *found]
