"""Models of the Hub, asked for in a child process: search, look up, download."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.model.hub import (
    COMMIT_HASH,
    DownloadProgress,
    HubModel,
    HubPage,
    folder_name,
    read_origin,
)
from engine.process.child import Failures
from engine.process.oneshot import DEADLINE, ask_oneshot
from engine.store.workspace import Store

HUB_FAILURES = Failures(
    ModelError,
    ended="The system ended this; memory may have run out. What came is kept: try again.",
    silent="This was ended: nothing happened for half an hour. What came is kept: try again.",
    deadline=DEADLINE,
)


def search_models(  # noqa: PLR0913  the filters of the Hub's own search
    store: Store,
    query: str = "",
    task: str = "",
    licence: str = "",
    largest: int | None = None,
    largest_bytes: int | None = None,
    limit: int = 30,
) -> list[HubModel]:
    """Models of the Hub, the most downloaded first; raises ModelError.

    ``largest`` is in parameters, ``largest_bytes`` in bytes of download; models of unknown size
    are then left out.
    """
    asked: dict[str, Any] = {"query": query, "task": task, "licence": licence, "limit": limit}
    asked |= {"largest": largest, "largest_bytes": largest_bytes}
    found = ask_oneshot(store, "search_models", failures=HUB_FAILURES, **asked)
    return [HubModel(**one) for one in found]


def look_up_model(store: Store, name: str) -> HubPage:
    """What a model is, from its page and its small files; raises ModelError."""
    folder_name(name)
    return HubPage(**ask_oneshot(store, "describe_model", failures=HUB_FAILURES, name=name))


def download_model(
    store: Store,
    name: str,
    on_progress: Callable[[DownloadProgress], None] = lambda _: None,
    stop: threading.Event | None = None,
    revision: str = "",
) -> Path:
    """Download a model, or the rest of it, and check it; returns its folder. Raises ModelError.

    A model that is complete stays as it is. ``revision`` is the commit that was looked at; empty
    takes the newest. Set ``stop`` to end it: what came is kept.
    """
    folder = store.models / folder_name(name)
    if read_origin(folder):
        return folder  # no network is needed for it
    if not COMMIT_HASH.fullmatch(revision):
        raise ModelError(f"'{revision[:60]}' is not a commit. Look the model up again.")
    asked = {"name": name, "revision": revision}

    def report(part: Any) -> None:
        on_progress(DownloadProgress(**part))

    try:
        return Path(ask_oneshot(store, "download_model", report, HUB_FAILURES, stop, **asked))
    except ModelError:
        if stop and stop.is_set():
            raise ModelError(
                f"The download of '{name}' was stopped. What came is kept: start it again to go on "
                "from there."
            ) from None
        raise
