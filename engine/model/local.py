"""Base models on disk: where they are. engine.model.safety tells whether one is safe to open.

Knows paths and file names only; nothing here loads weights or imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine.errors import ModelError
from engine.model import config_json, safety
from engine.spec import presets

HUB_PREFIX = "hub:"
NOT_DOWNLOADED = "'{}' is not downloaded yet. Download it first, on the Model tab."


def checked_folder(source: str) -> Path:
    """The folder of a base model after the safety check; raises ModelError."""
    if name := hub_name(source):
        raise ModelError(NOT_DOWNLOADED.format(name))
    path = model_path(source)
    safety.check_model_folder(path)
    return path


def hub_name(source: str) -> str:
    """The owner/name in the source hub:owner/name; empty for a model on this machine."""
    return source.removeprefix(HUB_PREFIX) if source.startswith(HUB_PREFIX) else ""


def model_path(source: str) -> Path:
    """The folder that a source names; it may be gone."""
    return presets.POCKET_MODEL if source == "pocket" else Path(source)


def has_chat_template(path: Path) -> bool:
    """Whether a model has a chat template."""
    if (path / "chat_template.jinja").is_file():
        return True
    settings = path / config_json.TOKENIZER_CONFIG
    return settings.is_file() and "chat_template" in config_json.read_json_object(settings)


def list_models(roots: Iterable[Path]) -> list[tuple[str, str]]:
    """(source, label) of the pocket model and of every model folder in the given ones."""
    found = [("pocket", "Pocket model (ships with Hone)")]
    for root in roots:
        folders = [root, *sorted(root.iterdir())] if root.is_dir() else []
        found += [
            (str(path.resolve()), path.name)
            for path in folders
            if not path.name.startswith(".") and (path / "config.json").is_file()
        ]
    return found
