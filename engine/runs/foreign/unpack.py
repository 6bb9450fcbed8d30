"""The files of an adapter as they were added: a folder, single files, or a zip of one folder.

Out of a zip come only the files that are read, by their names, never by their paths.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from engine.errors import ModelError
from engine.hardware import GB, require_disk
from engine.model.adapter_files import ADAPTER_FILES, CONFIG_BYTES, CONFIG_NAME, WEIGHTS_NAME
from engine.store.files import draft_folder
from engine.text import format_bytes

MOST_ENTRIES = 10_000
ZIP = ".zip"


@contextmanager
def adapter_files(
    uploads: Sequence[tuple[Path, str]], scratch: Path, largest: float
) -> Iterator[Mapping[str, Path]]:
    """The files by name; those of a zip in a folder below ``scratch`` that goes afterwards.

    ``uploads``: path and the user's name of each; ``largest``: bytes of all. Raises ModelError.
    """
    zips = [name for _, name in uploads if name.lower().endswith(ZIP)]
    if not zips:
        yield {PurePosixPath(name).name: path for path, name in uploads}
        return
    if len(uploads) > 1:
        raise ModelError(f"'{zips[0]}' came with other files. Add one zip file, or files alone.")
    path, name = uploads[0]
    with draft_folder(scratch) as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                files = _unpack(archive, name, folder, largest)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError):
            raise ModelError(f"'{name}' is damaged or no zip file. Zip the folder again.") from None
        yield files


def _unpack(
    archive: zipfile.ZipFile, name: str, folder: Path, largest: float
) -> Mapping[str, Path]:
    """Unpack what is read; of the other files there are only names."""
    entries = _entries_of_one_folder(archive, name)
    wanted = {key: entries[key] for key in ADAPTER_FILES if key in entries}
    for key in [key for key in wanted if key != WEIGHTS_NAME]:
        if wanted[key].file_size > CONFIG_BYTES:
            if key == CONFIG_NAME:
                raise ModelError(f"In '{name}', {key} is too large to be one.")
            del wanted[key], entries[key]
    size = sum(entry.file_size for entry in wanted.values())
    if size > largest:
        raise ModelError(
            f"'{name}' holds {format_bytes(size)}, and at most {format_bytes(largest)} can be "
            "added at a time."
        )
    require_disk(folder, size / GB, "the adapter")
    for key, entry in wanted.items():
        if entry.flag_bits & 1:
            raise ModelError(f"'{name}' is locked with a password. Zip the folder without one.")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise ModelError(f"In '{name}', {key} is a link and no file. Zip the folder again.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NotImplementedError(entry.compress_type)  # each fails with errors of its own
        with archive.open(entry) as source, (folder / key).open("wb") as target:
            shutil.copyfileobj(source, target)  # no more than the size that was checked
    return {key: folder / key for key in entries}


def _entries_of_one_folder(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """The entries beside the config, by their plain names."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MOST_ENTRIES:
        raise ModelError(f"'{name}' holds {len(infos):,} files. Zip the adapter's folder alone.")
    paths = {info: PurePosixPath(info.filename.replace("\\", "/")) for info in infos}
    folders = sorted({str(path.parent) for path in paths.values() if path.name == CONFIG_NAME})
    if len(folders) > 1:
        raise ModelError(
            f"'{name}' holds {len(folders)} adapters ({', '.join(folders)[:160]}). Zip the folder "
            "of one of them."
        )
    inside = {info: path for info, path in paths.items() if str(path.parent) in folders}
    return {path.name: info for info, path in (inside or paths).items()}
