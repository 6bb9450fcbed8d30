"""Base models of the Hugging Face Hub as the app knows them: found, looked at, downloaded, removed.

    workspace/models/OWNER--NAME/                   a complete model, with hone.json: its origin
    workspace/models/.incoming/OWNER--NAME/         a download under way, or one that broke off
    workspace/models/.configs/COMMIT/OWNER--NAME/   small files of a model not yet downloaded

The Hub is asked in a child process (engine.process.hub). A token comes from HF_TOKEN or ``hf auth
login``, never from Hone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from engine.errors import ModelError
from engine.store.files import remove_whole
from engine.store.run_dir import RunDir
from engine.store.workspace import Store
from engine.text import format_duration, format_hub_progress

INCOMING, CONFIGS, ORIGIN_FILE = ".incoming", ".configs", "hone.json"
MODEL_NAME = re.compile(r"(\w([\w.-]{0,94}\w)?/)?\w([\w.-]{0,94}\w)?", re.ASCII)
FOLDER_NAME = re.compile(r"\w([\w.-]{0,200}\w)?", re.ASCII)
COMMIT_HASH = re.compile(r"([0-9a-f]{40})?")


class HubModel(BaseModel, frozen=True):
    """What the Hub tells of a model."""

    name: str  # owner/name
    revision: str  # a commit
    task: str  # as the Hub calls it: text-generation, fill-mask ...; empty if it does not say
    licence: str
    # auto or manual: access after accepting the owner's terms, or after the owner's reply
    gated: str
    downloads: int  # of the last 30 days
    parameters: int | None
    bytes: int | None  # to download
    safetensors: bool
    tags: tuple[str, ...]
    problem: str  # why it cannot be used here, in a sentence or two; empty if it can


class DownloadProgress(BaseModel, frozen=True):
    """How far the download of a model is."""

    step: str  # what is being done, such as "Downloading model.safetensors"
    done: int = 0  # bytes that are here
    total: int = 0  # bytes of the model; 0 in steps that download none
    speed: float = 0.0  # bytes a second; 0 where it is not known yet

    @property
    def percent(self) -> int | None:
        """Share of the bytes; None in steps that download none."""
        return round(100 * self.done / self.total) if self.total else None

    def in_words(self) -> str:
        """Downloading FILE: 1.50 of 4.00 GB (38%), 50.0 MB/s, 50 s left."""
        if not self.total:
            return self.step
        size = format_hub_progress(self.done, self.total)
        words = f"{self.step}: {size} ({self.percent}%)"
        if not self.speed:
            return words
        left = format_duration(max((self.total - self.done) / self.speed, 1))
        return f"{words}, {self.speed / 1e6:.1f} MB/s, {left} left"


class HubPage(BaseModel, frozen=True):
    """A model before it is downloaded."""

    model: HubModel
    folder: Path | None  # its small files; None where they may not be read, or would be of no use
    todo: str  # what the user must do before it can be downloaded; empty if nothing
    here: int  # bytes that are downloaded already
    free: int  # bytes free on the disk of the models
    downloaded: bool


class ModelOrigin(BaseModel, frozen=True):
    """Where a downloaded model came from: hone.json in its folder."""

    repo: str
    revision: str
    licence: str
    date: str  # ISO, of its last change
    bytes: int  # of all files that are downloaded
    files: dict[str, str]  # name -> hash as the Hub states it: sha256, or git's


class DownloadedModel(NamedTuple):
    """A model that was downloaded from the Hub, or a part of one."""

    origin: ModelOrigin
    folder: str
    bytes: int  # on disk
    whole: bool
    coming: bool  # a download is under way

    @property
    def name(self) -> str:
        return self.origin.repo


def folder_name(name: str) -> str:
    """The folder OWNER--NAME of a model; raises ModelError: a name may come from a visitor."""
    if not isinstance(name, str) or not MODEL_NAME.fullmatch(name) or "--" in name or ".." in name:
        raise ModelError(
            f"'{str(name)[:100]}' is not a model's name. Write it as on its page: owner/name, "
            "without an address."
        )
    return name.replace("/", "--")


# --- what is on disk ---


def list_downloaded(store: Store) -> list[DownloadedModel]:
    """All models that were downloaded from the Hub, by name; partial downloads too."""
    found = [_read_downloaded(store, path, True) for path in store.models.iterdir()]
    incoming = store.models / INCOMING
    if incoming.is_dir():
        found += [_read_downloaded(store, path, False) for path in incoming.iterdir()]
    return sorted((one for one in found if one), key=lambda one: (one.name.lower(), one.whole))


def _read_downloaded(store: Store, path: Path, whole: bool) -> DownloadedModel | None:
    about = read_origin(path)
    if not about:
        return None
    files = [file for file in path.iterdir() if file.is_file() and file.name != ORIGIN_FILE]
    size = sum(file.stat().st_size for file in files)
    coming = not whole and _is_locked(store, path.name)
    return DownloadedModel(about, path.name, size, whole, coming)


def read_origin(path: Path) -> ModelOrigin | None:
    """Where a model came from; None if it is not from the Hub, or not there."""
    if not FOLDER_NAME.fullmatch(path.name) or path.is_symlink():
        return None
    try:
        about = ModelOrigin.model_validate_json((path / ORIGIN_FILE).read_bytes())
        return about if folder_name(about.repo) == path.name else None
    except (OSError, ValidationError, ModelError):
        return None


def runs_using(store: Store, folder: str) -> list[RunDir]:
    """The runs that need a model: without it they can neither resume nor answer."""
    path = store.models / folder
    names = {str(path), str(path.resolve())}  # all models may stand on another disk, behind a link
    return [run for run in store.every_run() if run.is_readable and run.spec.model.source in names]


def remove_model(store: Store, folder: str) -> None:
    """Delete a downloaded model or a partial download; raises ModelError while it is in use."""
    paths = [store.models / folder, store.models / INCOMING / folder]
    valid = FOLDER_NAME.fullmatch(str(folder))
    there = [path for path in paths if valid and read_origin(path)]
    if not there:
        raise ModelError(
            f"There is no downloaded model '{str(folder)[:100]}'. It may have been removed already."
        )
    with exclusive(store, folder):
        if using := [run for run in runs_using(store, folder) if run.is_busy]:
            own = next((run for run in using if run.owner == store.owner), None)
            name = f"The run {own.name}" if own else "Another user's run"
            raise ModelError(f"{name} uses this model now. Wait for it or stop it first.")
        for path in there:
            remove_whole(path)


@contextmanager
def exclusive(store: Store, folder: str) -> Iterator[None]:
    """Hold the lock of a model, so that nobody else downloads or removes it; raises ModelError."""
    try:
        # longer than _is_locked holds it
        lock = FileLock(store.locks / f"model-{folder}").acquire(timeout=0.5)
    except Timeout:
        raise ModelError(
            "This model is being downloaded just now. Wait for it, or stop that download first."
        ) from None
    with lock:
        yield


def _is_locked(store: Store, folder: str) -> bool:
    try:
        with FileLock(store.locks / f"model-{folder}").acquire(timeout=0.1):
            return False
    except Timeout:
        return True
