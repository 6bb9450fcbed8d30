"""Models of the Hub, asked for in a child process: search, look up, locate, download."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.model import catalog, hub, local
from engine.model.hub import DownloadProgress, HubModel, HubPage
from engine.process.allowance import Failures
from engine.process.oneshot import ask_oneshot
from engine.store.workspace import Store

HUB_FAILURES = Failures(
    ModelError,
    ended="The system ended this; memory may have run out. What came is kept: try again.",
    silent="This was ended: nothing happened for too long. What came is kept: try again.",
    deadline=1800,  # a large file is checked without a word
    slow="This was ended: it took more processor time than is allowed. What came is kept: try "
    "again.",
    memory="This was ended: it took more memory than is allowed.",
)


def search_models(
    store: Store, query: str, task: str = "", licence: str = "", largest: int | None = None
) -> list[HubModel]:
    """Models of the Hub, the most downloaded first; raises ModelError.

    ``largest`` is in parameters; models of unknown size are then left out.
    """
    asked: dict[str, Any] = {"query": query, "task": task, "licence": licence, "largest": largest}
    found = ask_oneshot(store, "search_models", failures=HUB_FAILURES, **asked)
    return [HubModel(**one) for one in found]


def look_up_model(store: Store, name: str) -> HubPage:
    """What a model is, from its page and its small files; raises ModelError."""
    hub.folder_name(name)
    return HubPage(**ask_oneshot(store, "describe_model", failures=HUB_FAILURES, name=name))


def locate_model(store: Store, name: str) -> tuple[str, Path | None]:
    """A model by what a person calls it: pocket, a folder, or owner/name. Raises ModelError.

    Returns its source, as a spec names it, and the folder of its config where its weights are not
    here.
    """
    if name == "pocket":
        return name, None
    try:
        folder = Path(name).expanduser()
        if folder.is_dir():
            return str(folder.resolve()), None
    except (OSError, ValueError, RuntimeError):  # no name that a folder can have
        pass
    if Path(name).is_absolute():
        raise ModelError(
            f"'{name}' is not a folder on this machine. Give the whole path of the model's folder."
        )
    source = catalog.source_of(store, name)
    if not local.hub_name(source) or catalog.known_model(name):
        return source, catalog.config_folder(store, source)
    page = look_up_model(store, name)
    if page.folder is None:
        reason = page.model.problem or page.todo
        raise ModelError(reason or f"The config of '{name}' cannot be read.")
    return source, page.folder


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
    folder = store.models / hub.folder_name(name)
    if hub.read_origin(folder):
        return folder  # no network is needed for it
    if not hub.COMMIT_HASH.fullmatch(revision):
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
