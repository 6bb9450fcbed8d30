"""Base models on disk: where they are, whether they are safe to open, and what they consist of.

Reads JSON and file names only; nothing here loads weights or imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine import presets
from engine.errors import ModelError

# Keys by which a config makes a library run code or read files from elsewhere (facts: load-time attacks that
# work although trust_remote_code is off).
FORBIDDEN_KEYS = {"auto_map", "trust_remote_code", "_attn_implementation_internal", "auto_mapping", "custom_pipelines"}
FILE_KEYS = {"vocab_file", "merges_file", "tokenizer_file", "spm_file", "chat_template_file"}
HUB = "hub:"
NOT_HERE = "'{}' is not downloaded yet. Download it first, on the Model tab."
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def folder(source: str) -> Path:
    """The folder of a base model after the safety check; raises ModelError."""
    if name := hub_name(source):
        raise ModelError(NOT_HERE.format(name))
    path = place(source)
    check(path)
    return path


def hub_name(source: str) -> str:
    """The owner/name of a source that is only looked at, hub:owner/name; empty for a model that is here."""
    return source.removeprefix(HUB) if source.startswith(HUB) else ""


def place(source: str) -> Path:
    """Where a base model should be; it may have gone."""
    return presets.POCKET if source == "pocket" else Path(source)


def check(path: Path) -> None:
    """Raise ModelError unless the folder holds a transformers model in safetensors that brings no code."""
    try:
        there = path.is_absolute() and path.is_dir()
    except (OSError, ValueError):  # longer than a path can be, or with a NUL
        there = False
    if not there:
        raise ModelError(f"'{path}' is not a folder on this machine. Give the whole path of the model's folder.")
    if not (path / "config.json").is_file():
        raise ModelError(
            f"'{path.name}' is not a model folder: it has no config.json. "
            "Choose the folder that holds config.json, the tokenizer and the *.safetensors files."
        )
    for name in ("config.json", "tokenizer_config.json", "generation_config.json"):
        if (path / name).is_file():
            _check_config(path, name)
    weights = list(path.glob("*.safetensors"))
    if not weights:
        pickles = [file.name for file in path.iterdir() if file.suffix in PICKLES]
        found = f"It holds {pickles[0]}, a format that can carry harmful code. " if pickles else ""
        raise ModelError(
            f"'{path.name}' has no *.safetensors weights. {found}"
            "Get the safetensors version of this model, or convert it first."
        )
    index = path / "model.safetensors.index.json"
    if index.is_file():
        files = _json(index).get("weight_map")
        if not isinstance(files, dict):
            raise ModelError(f"'{path.name}': {index.name} is damaged. Copy the model again.")
        names = set(map(str, files.values()))
        if outside := [name for name in names if Path(name).name != name]:
            raise ModelError(f"'{path.name}': its index points outside the folder ({outside[0]}). Do not use it.")
    if not any((path / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")):
        raise ModelError(f"'{path.name}' has no tokenizer. Copy tokenizer.json and tokenizer_config.json into it.")


def has_template(path: Path) -> bool:
    """Whether a model brings a chat template, so that it knows who is speaking."""
    return (path / "chat_template.jinja").is_file() or "chat_template" in _json_or_empty(path / "tokenizer_config.json")


def _json_or_empty(path: Path) -> dict[str, Any]:
    return _json(path) if path.is_file() else {}


def _check_config(path: Path, name: str) -> None:
    for key, value in _pairs(_json(path / name)):
        if key in FORBIDDEN_KEYS and value not in (None, False, {}):
            raise ModelError(
                f"'{path.name}' wants to run code of its own (the key '{key}' in {name}). "
                "Hone never runs code that comes with a model. Choose a model of a standard architecture."
            )
        if key in FILE_KEYS and isinstance(value, str) and Path(value).name != value:
            raise ModelError(f"'{path.name}': '{key}' in {name} points outside the folder. Do not use this model.")


def _pairs(value: Any) -> Iterable[tuple[str, Any]]:
    """Every key of nested JSON with its value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _pairs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pairs(inner)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ModelError(f"'{path.parent.name}': {path.name} is damaged. Copy the model again.")
    return value


def available(roots: Iterable[Path]) -> list[tuple[str, str]]:
    """(source, label) of the pocket model and of every model folder directly below the given ones."""
    found = [("pocket", "Pocket model (ships with Hone)")]
    for root in roots:
        folders = [root, *sorted(root.iterdir())] if root.is_dir() else []
        found += [(str(path.resolve()), path.name) for path in folders if (path / "config.json").is_file()]
    return found
