"""What the Hub knows of models, asked in a child process: search, look, download."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.model.hub import COMMIT_HASH, HubModel, HubPage, Tell, folder_name, read_origin
from engine.process import oneshot
from engine.store.workspace import Store


def search_models(
    store: Store,
    query: str = "",
    task: str = "",
    licence: str = "",
    largest: int | None = None,
    largest_bytes: int | None = None,
    limit: int = 30,
) -> list[HubModel]:
    """Models of the Hub, the most downloaded first; raises ModelError.

    ``largest`` is in parameters, ``largest_bytes`` what would be downloaded; models of unknown size then fall away.
    """
    asked: dict[str, Any] = {"query": query, "task": task, "licence": licence, "limit": limit}
    asked |= {"largest": largest, "largest_bytes": largest_bytes}
    return [HubModel(**one) for one in _ask_hub(store, lambda _: None, do="models", **asked)]


def look_up_model(store: Store, name: str) -> HubPage:
    """What a model is, from its page and its small files; raises ModelError."""
    folder_name(name)
    return HubPage(**_ask_hub(store, lambda _: None, do="model", name=name))


def download_model(
    store: Store,
    name: str,
    tell: Tell = lambda _: None,
    stop: threading.Event | None = None,
    revision: str = "",
) -> Path:
    """The folder of a model, whole and checked; what came of it earlier is not asked for again. Raises ModelError.

    One that is whole already stays as it is. ``revision`` is the commit that was looked at; empty takes the newest.
    Set ``stop`` to end it: what came is kept.
    """
    if read_origin(place := store.models / folder_name(name)):
        return place  # no network is needed for it
    if not COMMIT_HASH.fullmatch(revision):
        raise ModelError(f"'{revision[:60]}' is not a commit. Look the model up again.")
    try:
        return Path(_ask_hub(store, tell, stop, do="download", name=name, revision=revision))
    except ModelError:
        if stop and stop.is_set():
            raise ModelError(
                f"The download of '{name}' was stopped. What came is kept: start it again to go on from there."
            ) from None
        raise


def _ask_hub(store: Store, tell: Tell, stop: threading.Event | None = None, **question: Any) -> Any:
    lost = ModelError(
        "The system ended this; memory may have run out. What came is kept: try again."
    )
    return oneshot.ask_oneshot(store, tell, lost=lost, stop=stop, **question)
