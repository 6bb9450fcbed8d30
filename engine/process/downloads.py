"""Downloads of models, which go on while the page does other things or is closed.

Each is a thread here and a process of its own (engine.process.hub); what was downloaded is kept.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple

from engine.errors import LOG, HoneError
from engine.model.hub import DownloadProgress, folder_name
from engine.process.hub import download_model
from engine.store.workspace import Store


class Download(NamedTuple):
    """How far a download is."""

    name: str  # owner/name
    progress: DownloadProgress | None = None  # None once it has ended
    live: bool = True
    problem: str = ""  # why it ended
    path: Path | None = None  # the model's folder, once it is complete

    @property
    def status(self) -> str:
        """In words: how much, how fast, how long."""
        return self.progress.in_words() if self.progress else ""

    @property
    def percent(self) -> int | None:
        """Share of the bytes; None before the first one."""
        return self.progress.percent if self.progress else None


class Downloads:
    """All downloads of this app, the newest state of each; safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._states: dict[str, Download] = {}
        self._stops: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def start(self, name: str, revision: str = "") -> None:
        """Download a model, or the rest of it, unless one is under way. Raises ModelError."""
        folder_name(name)
        with self._lock:
            if (now := self._states.get(name)) and now.live:
                return
            stop = self._stops[name] = threading.Event()
            asking = DownloadProgress(step=f"Asking the Hub for '{name}'")
            self._states[name] = Download(name, asking)
        threading.Thread(target=self._download, args=(name, revision, stop), daemon=True).start()

    def stop(self, name: str) -> None:
        """End a download; what was downloaded is kept."""
        if stop := self._stops.get(name):
            stop.set()

    def state_of(self, name: str) -> Download | None:
        """The newest state of a model's download; None without one since the app started."""
        return self._states.get(name)

    def all_states(self) -> list[Download]:
        """The newest state of every download."""
        return list(self._states.values())

    def forget(self, name: str) -> None:
        """Drop the state of a download that has ended."""
        with self._lock:
            if (now := self._states.get(name)) and not now.live:
                del self._states[name]

    @property
    def live(self) -> bool:
        """Whether any download is under way."""
        return any(one.live for one in self.all_states())

    def _download(self, name: str, revision: str, stop: threading.Event) -> None:
        def on_progress(progress: DownloadProgress) -> None:
            self._states[name] = Download(name, progress)

        path, problem = None, ""
        try:
            path = download_model(self.store, name, on_progress, stop, revision)
        except HoneError as error:
            problem = str(error)
        except Exception:
            LOG.exception("download of %s", name)
            problem = "Something unexpected went wrong. The details are in app.log."
        self._states[name] = Download(name, live=False, problem=problem, path=path)
