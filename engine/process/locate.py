"""Finds a model's config, on this machine or on the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from engine.errors import ModelError
from engine.model import catalog, local
from engine.process.hub import look_up_model
from engine.store.workspace import Store


class LocatedModel(NamedTuple):
    """A model that can be inspected."""

    source: str  # as a spec names it; hub:owner/name where its weights are not here
    folder: Path | None  # that holds its config, where its weights are not here


def locate_model(store: Store, name: str) -> LocatedModel:
    """A model by what a person calls it: pocket, a folder, or owner/name. Raises ModelError."""
    if name == "pocket":
        return LocatedModel(name, None)
    try:
        folder = Path(name).expanduser()
        if folder.is_dir():
            return LocatedModel(str(folder.resolve()), None)
    except (OSError, ValueError, RuntimeError):  # no name that a folder can have
        pass
    if Path(name).is_absolute():
        raise ModelError(
            f"'{name}' is not a folder on this machine. Give the whole path of the model's folder."
        )
    source = catalog.source_of(store, name)
    if not local.hub_name(source) or catalog.known_model(name):
        return LocatedModel(source, catalog.config_folder(store, source))
    page = look_up_model(store, name)
    if page.folder is None:
        reason = page.model.problem or page.todo
        raise ModelError(reason or f"The config of '{name}' cannot be read.")
    return LocatedModel(source, page.folder)
