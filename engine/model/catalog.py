"""Models that can be inspected before they are downloaded: recommended or looked up on the Hub.

Their source is ``hub:owner/name``. A config is enough to inspect one; weights come with
engine.process.downloads.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from engine.errors import ModelError
from engine.model import hub
from engine.model.local import HUB_PREFIX, hub_name
from engine.spec import presets
from engine.spec.presets import KnownModel
from engine.store.files import whole_folder
from engine.store.workspace import Store

CATALOG_FOLDER = "known"  # of the recommended models' configs, beside the folders of commits


def source_of(store: Store, name: str) -> str:
    """A Hub model's source: its folder once downloaded, else hub:owner/name. Raises ModelError."""
    folder = store.models / hub.folder_name(name)
    return str(folder.resolve()) if hub.read_origin(folder) else HUB_PREFIX + name


def known_model(name: str) -> KnownModel | None:
    """A recommended model by its name on the Hub."""
    return next((one for one in presets.known_models() if one.name == name), None)


def config_folder(store: Store, source: str) -> Path | None:
    """The config folder of hub:owner/name; None for a model on this machine. Raises ModelError."""
    name = hub_name(source)
    if not name:
        return None
    folder = hub.folder_name(name)
    configs = store.models / hub.CONFIGS
    if commits := list(configs.glob(f"*/{folder}")):
        return max(commits, key=lambda path: path.stat().st_mtime)
    if one := known_model(name):
        return _write_config(configs / CATALOG_FOLDER, folder, one)
    raise ModelError(f"Nothing is known of '{name}' yet. Look it up on the Model tab.")


def _write_config(parent: Path, name: str, one: KnownModel) -> Path:
    """A recommended model's config as a folder, a new one whenever Hone's list has changed."""
    text = json.dumps([one.config, one.template])
    folder = parent / hashlib.sha256(text.encode()).hexdigest()[:12] / name
    if not folder.is_dir():
        with whole_folder(folder) as draft:
            (draft / "config.json").write_text(json.dumps(one.config), encoding="utf-8")
            if one.template:  # the inspection asks only whether there is one
                (draft / "chat_template.jinja").write_text("", encoding="utf-8")
    return folder
