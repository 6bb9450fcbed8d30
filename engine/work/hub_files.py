"""Which files of a model's repository Hone takes, and why a model cannot be used.

Knows file names, tags and the JSON of a config; asks nobody and imports no library.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.models import FORBIDDEN_KEYS, PICKLES

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
ABOUT = ("config.json", "generation_config.json", "tokenizer_config.json", "chat_template.jinja", INDEX)
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")  # models.check wants one of them
TOKENIZER = (
    *VOCABULARIES, "merges.txt", "special_tokens_map.json", "added_tokens.json", "chat_template.json",
    "spiece.model", "sentencepiece.bpe.model", "spm.model",
)  # fmt: skip
SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
PACKED = {
    "gptq": "GPTQ", "awq": "AWQ", "exl2": "EXL2", "exl3": "EXL3", "aqlm": "AQLM", "hqq": "HQQ", "mlx": "MLX",
    "compressed-tensors": "compressed tensors",
}  # fmt: skip


def why_not(names: Collection[str], tags: Collection[str], library: str = "") -> str:
    """Why a model with these files cannot be used; empty if nothing speaks against it."""
    top = {name for name in names if "/" not in name}
    whole = "config.json" in top and (WHOLE in top or INDEX in top)
    if "custom_code" in tags:
        return "It needs program code that comes with it, and Hone never runs code of others. Choose another model."
    if packed := next((word for tag, word in PACKED.items() if tag in tags), ""):
        return f"It is packed as {packed}, which cannot be trained here. Choose the model that it was made from."
    if not whole and (library == "peft" or "adapter_config.json" in top):
        base = next((tag.rpartition(":")[2] for tag in tags if tag.startswith("base_model:adapter:")), "")
        return f"It is an adapter, not a whole model. Choose the model that it was made for{base and f': {base}'}."
    if not whole and any(name.endswith(".gguf") for name in names):
        return "It has GGUF files only, which are for running a model, not for training. Choose the model itself."
    if WHOLE not in top and INDEX not in top:
        if pickles := sorted(name for name in top if name.endswith(PICKLES)):
            return (
                f"Its weights come only as {pickles[0]}, a format that can carry harmful code. "
                "Choose a version with safetensors."
            )
        return "It has no weights of the transformers library (model.safetensors). Choose another model."
    if "config.json" not in top:
        return "It has no config.json: it is not a model of the transformers library. Choose another one."
    if not top & set(VOCABULARIES):
        return "It has no tokenizer that Hone can read. Choose the model that it was made from."
    return ""


def own_code(folder: Path) -> str:
    """Why a model cannot be used, by its small files: they tell a library to run code; empty if they do not."""
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        if (folder / name).is_file() and (key := _forbidden(_json(folder / name))):
            return (
                f"It wants to run code of its own (the key '{key}' in {name}), and Hone never runs code of others. "
                "Choose another model."
            )
    return ""


def _forbidden(value: Any) -> str:
    if isinstance(value, list):
        return next((key for one in value if (key := _forbidden(one))), "")
    if not isinstance(value, dict):
        return ""
    bad = (key for key, inner in value.items() if key in FORBIDDEN_KEYS and inner not in (None, False, {}))
    return next(bad, "") or _forbidden(list(value.values()))


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ModelError(f"The {path.name} of '{path.parent.name}' is damaged on the Hub. Choose another model.")
    return value


def offered(names: Iterable[str]) -> list[str]:
    """The files that may be taken at all: no programs, no pickles, nothing in folders. Raises ModelError."""
    found = []
    for name in names:
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            raise ModelError(f"The model's list of files leads out of its folder ('{name[:80]}'). Do not use it.")
        if name in ABOUT or name in TOKENIZER or (name.endswith(".safetensors") and "/" not in name):
            found.append(name)
    return found


def wanted(names: Collection[str], folder: Path | None) -> list[str]:
    """The files that make the model, the small ones first; raises ModelError.

    With the index in ``folder`` it tells the weights; without, their usual names do.
    """
    if WHOLE in names:  # transformers then reads this one alone
        weights = [WHOLE]
    elif folder is None:
        weights = sorted(name for name in names if SHARD.fullmatch(name))
    else:
        weights = _indexed(names, folder)
    about = [name for name in ABOUT if name in names and (name != INDEX or WHOLE not in names)]
    return [*about, *(name for name in TOKENIZER if name in names), *weights]


def _indexed(names: Collection[str], folder: Path) -> list[str]:
    files = _json(folder / INDEX).get("weight_map")
    if not isinstance(files, dict) or not files:
        raise ModelError(f"The {INDEX} of '{folder.name}' is damaged on the Hub. Choose another model.")
    weights = sorted(set(map(str, files.values())))
    if outside := [name for name in weights if Path(name).name != name or "\\" in name]:
        raise ModelError(f"The index of '{folder.name}' leads out of its folder ({outside[0][:80]}). Do not use it.")
    if missing := [name for name in weights if name not in names or not name.endswith(".safetensors")]:
        raise ModelError(
            f"The index of '{folder.name}' names {missing[0][:80]}, which is not there. Choose another model."
        )
    return weights
