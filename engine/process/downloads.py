"""Models that come from the Hub while the page does other things. A page that is closed changes nothing.

Each download is a thread here and a process of its own (engine.model.hub); what came is kept
whatever happens.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from engine.errors import HoneError
from engine.model import hub
from engine.process.hub import download_model
from engine.store.workspace import Store

LOG = logging.getLogger("hone")
PERCENTAGE = re.compile(r"\((\d+)%\)")


class Download(NamedTuple):
    """How far a download is."""

    name: str  # owner/name
    told: str  # in words: how much, how fast, how long
    live: bool = True
    problem: str = ""  # why it ended
    path: Path | None = None  # the model's folder, once it is whole

    @property
    def percent(self) -> int | None:
        """Of the bytes, where it is told."""
        found = PERCENTAGE.search(self.told)
        return int(found[1]) if found else None


class Downloads:
    """All downloads of this app, the newest state of each; safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._seen: dict[str, Download] = {}
        self._stops: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def start(self, name: str, revision: str = "") -> None:
        """Bring a model, or go on with it; nothing happens where it is coming already. Raises ModelError."""
        hub.folder_name(name)
        with self._lock:
            if (now := self._seen.get(name)) and now.live:
                return
            stop = self._stops[name] = threading.Event()
            self._seen[name] = Download(name, f"Asking the Hub for '{name}'")
        threading.Thread(target=self._bring, args=(name, revision, stop), daemon=True).start()

    def stop(self, name: str) -> None:
        """End a download; what came is kept."""
        if stop := self._stops.get(name):
            stop.set()

    def close(self) -> None:
        """End all."""
        for stop in list(self._stops.values()):
            stop.set()

    def of(self, name: str) -> Download | None:
        """The newest state of a model's download; None where none was begun since the app started."""
        return self._seen.get(name)

    def all(self) -> list[Download]:
        """The newest state of every download."""
        return list(self._seen.values())

    def forget(self, name: str) -> None:
        """A download that has ended need not be told of any more."""
        with self._lock:
            if (now := self._seen.get(name)) and not now.live:
                del self._seen[name]

    @property
    def live(self) -> bool:
        """Whether anything comes now."""
        return any(one.live for one in self.all())

    def _bring(self, name: str, revision: str, stop: threading.Event) -> None:
        def tell(text: str) -> None:
            self._seen[name] = Download(name, text)

        self._seen[name] = _run_download(
            name, lambda: download_model(self.store, name, tell, stop, revision)
        )


def _run_download(name: str, work: Callable[[], Path]) -> Download:
    try:
        return Download(name, "", live=False, path=work())
    except HoneError as error:
        return Download(name, "", live=False, problem=str(error))
    except Exception:
        LOG.exception("download of %s", name)
        return Download(
            name,
            "",
            live=False,
            problem="Something unexpected went wrong. The details are in app.log.",
        )
