"""A base model of the Hub, downloaded whole: into a hidden folder, which becomes the model's once all of it is right.

Reads as: what of it is here, what it needs, the small files, room on the disk, the weights, the check, the name.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import ModelInfo

from engine.errors import ModelError
from engine.model import config_json, safety
from engine.model.hub import INCOMING, ORIGIN, Origin, alone, folder_name, origin
from engine.store.files import write_json
from engine.store.workspace import Store
from engine.work.hub.errors import MODEL, plain_words
from engine.work.hub.fetch import PART, File, Progress, amount, fetch
from engine.work.hub.model_files import wanted, why_not
from engine.work.hub.models import fetch_small, files_of, licence_of, open_page

SPARE = 256 * 10**6  # bytes left free on the disk: a run writes, too

Tell = Callable[[str], None]


def download(store: Store, name: str, revision: str, tell: Tell) -> Path:
    """The model's folder; raises ModelError, and then what came is kept for the next try."""
    with plain_words(MODEL, name):
        tell(f"Asking the Hub for '{name}'")
        page = open_page(name, revision)
        folder = folder_name(page.id)
        with alone(store, folder):
            return _bring(store, page, store.models / folder, tell)


def _bring(store: Store, page: ModelInfo, place: Path, tell: Tell) -> Path:
    if origin(place):
        return place
    if place.exists() or place.is_symlink():
        raise ModelError(
            f"There is already a folder '{place.name}' among the models, not from here. Rename it first."
        )
    names = [one.rfilename for one in page.siblings or []]
    if problem := why_not(names, page.tags or [], page.library_name or ""):
        raise ModelError(f"'{page.id}' cannot be used. {problem}")
    files, incoming = files_of(page), store.models / INCOMING / place.name
    incoming.mkdir(parents=True, exist_ok=True)
    _keep_the_same(incoming, files)
    _note(page, incoming, [files[name] for name in wanted(files, None)])
    fetch_small(page, files, incoming)
    try:
        config_json.check(incoming)
        needed = [files[name] for name in wanted(files, incoming)]
    except ModelError as error:
        raise ModelError(f"'{page.id}' cannot be used. {error}") from None
    _note(page, incoming, needed)
    _drop_others(incoming, needed)
    _check_room(page.id, incoming, needed)
    progress = Progress(
        sum(file.size for file in needed), sum(_here(incoming, file) for file in needed), tell
    )
    for file in needed:
        progress.begin(file.name)
        fetch(page.id, str(page.sha), file, incoming, progress.came)
    tell(f"Checking '{page.id}'")
    safety.check(incoming)
    os.rename(incoming, place)
    return place


def _note(page: ModelInfo, incoming: Path, needed: list[File]) -> None:
    about = Origin(
        repo=page.id,
        revision=str(page.sha),
        licence=licence_of(page),
        date=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        bytes=sum(file.size for file in needed),
        files={file.name: file.hash for file in needed},
    )
    write_json(incoming / ORIGIN, about.model_dump())


def _keep_the_same(incoming: Path, files: dict[str, File]) -> None:
    """Throw away what came of files that have changed on the Hub since; the others go on."""
    before = origin(incoming)
    hashes = before.files if before else {}
    same = {name for name, file in files.items() if file.hash and hashes.get(name) == file.hash}
    _drop(incoming, same)


def _drop_others(incoming: Path, needed: list[File]) -> None:
    _drop(incoming, {file.name for file in needed})


def _drop(incoming: Path, kept: set[str]) -> None:
    for path in incoming.iterdir():
        if path.name != ORIGIN and path.name.removesuffix(PART) not in kept:
            path.unlink()


def _here(incoming: Path, file: File) -> int:
    """Bytes of a file that came already."""
    paths = (incoming / file.name, incoming / (file.name + PART))
    return min(file.size, sum(path.stat().st_size for path in paths if path.is_file()))


def _check_room(name: str, incoming: Path, needed: list[File]) -> None:
    missing = sum(file.size - _here(incoming, file) for file in needed)
    if missing + SPARE > (free := shutil.disk_usage(incoming).free):
        raise ModelError(
            f"'{name}' needs {amount(missing)} more on the disk of {incoming.parent.parent}, where {amount(free)} are "
            f"free ({amount(SPARE)} are left for other things). Make room, or choose a smaller model."
        )
