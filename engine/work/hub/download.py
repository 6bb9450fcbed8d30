"""Downloads a base model of the Hub into a hidden folder, which is renamed once it is right.

In this order: what of it is here, what it needs, the small files, disk space, the weights, the
check, the name.
"""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

from huggingface_hub import ModelInfo

from engine.errors import ModelError
from engine.model import config_json, hub, safety
from engine.store.files import write_json
from engine.store.workspace import Store
from engine.text import format_hub_bytes
from engine.work.hub.errors import MODEL, explained_errors
from engine.work.hub.fetch import PART, DownloadMeter, HubFile, OnDownload, fetch_file
from engine.work.hub.model_files import needed_files
from engine.work.hub.models import allowed_files, describe_page, fetch_small_files, open_page

DISK_RESERVE = 256 * 10**6  # bytes left free on the disk: a run writes, too


def download_hub_model(store: Store, name: str, revision: str, on_progress: OnDownload) -> Path:
    """Download a model into its folder; raises ModelError, and what came is kept for next time."""
    with explained_errors(MODEL, name):
        on_progress(hub.DownloadProgress(step=f"Asking the Hub for '{name}'"))
        page = open_page(name, revision)
        folder = hub.folder_name(page.id)
        with hub.exclusive(store, folder):
            return _download_page(store, page, store.models / folder, on_progress)


def _download_page(store: Store, page: ModelInfo, folder: Path, on_progress: OnDownload) -> Path:
    if hub.read_origin(folder):
        return folder
    if folder.exists() or folder.is_symlink():
        raise ModelError(
            f"There is already a folder '{folder.name}' among the models, not from here. "
            "Rename it first."
        )
    if problem := describe_page(page).problem:
        raise ModelError(f"'{page.id}' cannot be used. {problem}")
    files, incoming = allowed_files(page), store.models / hub.INCOMING / folder.name
    incoming.mkdir(parents=True, exist_ok=True)
    _drop_changed(incoming, files)
    _write_origin(page, incoming, [files[name] for name in needed_files(files, None)])
    fetch_small_files(page, files, incoming)
    try:
        config_json.check_settings_files(incoming)
        needed = [files[name] for name in needed_files(files, incoming)]
    except ModelError as error:
        raise ModelError(f"'{page.id}' cannot be used. {error}") from None
    _write_origin(page, incoming, needed)
    _drop_except(incoming, {file.name for file in needed})
    total, here = sum(file.size for file in needed), sum(_bytes_here(incoming, f) for f in needed)
    _check_disk_space(page.id, incoming, total - here)
    meter = DownloadMeter(total, here, on_progress)
    for file in needed:
        meter.begin_file(file.name)
        fetch_file(page.id, str(page.sha), file, incoming, meter.add_bytes)
    on_progress(hub.DownloadProgress(step=f"Checking '{page.id}'"))
    safety.check_model_folder(incoming)
    incoming.rename(folder)
    return folder


def _write_origin(page: ModelInfo, incoming: Path, needed: list[HubFile]) -> None:
    about = hub.ModelOrigin(
        repo=page.id,
        revision=str(page.sha),
        licence=describe_page(page).licence,
        date=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        bytes=sum(file.size for file in needed),
        files={file.name: file.hash for file in needed},
    )
    write_json(incoming / hub.ORIGIN_FILE, about.model_dump())


def _drop_changed(incoming: Path, files: dict[str, HubFile]) -> None:
    """Remove what came of files that have changed on the Hub since; the others are resumed."""
    before = hub.read_origin(incoming)
    hashes = before.files if before else {}
    same = {name for name, file in files.items() if file.hash and hashes.get(name) == file.hash}
    _drop_except(incoming, same)


def _drop_except(incoming: Path, kept: set[str]) -> None:
    for path in incoming.iterdir():
        if path.name != hub.ORIGIN_FILE and path.name.removesuffix(PART) not in kept:
            path.unlink()


def _bytes_here(incoming: Path, file: HubFile) -> int:
    """Bytes of a file that came already."""
    paths = (incoming / file.name, incoming / (file.name + PART))
    return min(file.size, sum(path.stat().st_size for path in paths if path.is_file()))


def _check_disk_space(name: str, incoming: Path, missing: int) -> None:
    if missing + DISK_RESERVE > (free := shutil.disk_usage(incoming).free):
        raise ModelError(
            f"'{name}' needs {format_hub_bytes(missing)} more on the disk of "
            f"{incoming.parent.parent}, where {format_hub_bytes(free)} are free "
            f"({format_hub_bytes(DISK_RESERVE)} are left for other things). Make room, or choose a "
            "smaller model."
        )
