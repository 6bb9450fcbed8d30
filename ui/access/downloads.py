"""Files that a visitor takes away: straight from his own folder, without a copy.

A link names what it is of, never a path; it is looked up in what is the visitor's.

    /download/run/<id>/<file>     what was made of a run, in its folder export/
    /download/recipe/<id>         a recipe
    /download/file/<name>         a file that was made for this visitor (rows of a dataset)
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from starlette.responses import FileResponse, JSONResponse, Response

from engine.errors import HoneError
from engine.store.run_dir import RunDir
from engine.store.workspace import Store

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,150}", re.ASCII)
# What is in a downloaded file is never shown as a page of Hone's.
FILE_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "no-store",
}
GONE = "This file is not there any more. Press the button again."


def run_link(run: RunDir, file: Path) -> str:
    """The link to a file that was made of a run."""
    return f"download/run/{run.id}/{file.name}"


def new_file(store: Store, name: str) -> tuple[Path, str]:
    """A path to write a file to that is only there to be taken away, and the link to it.

    An earlier file of that name goes: one press after the other must not fill the disk.
    """
    folder = made_folder(store)
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.glob(f"*-{name}"):
        earlier.unlink(missing_ok=True)
    path = folder / f"{secrets.token_hex(8)}-{name}"
    return path, f"download/file/{path.name}"


def made_folder(store: Store) -> Path:
    """Where files are made that are only there to be taken away."""
    return store.tmp / "downloads"


def send_file(store: Store, name: str) -> Response:
    """What a link names after /download/, if it is this owner's; 404 for anything else."""
    try:
        found = _find_file(store, name.split("/"))
    except (HoneError, OSError, ValueError):
        found = None
    if found is None or found.is_symlink() or not found.is_file():
        return JSONResponse({"error": GONE}, 404)
    filename = re.sub(r"^[0-9a-f]{16}-", "", found.name)
    kind = "application/zip" if found.suffix == ".zip" else "application/octet-stream"
    return FileResponse(found, headers=FILE_HEADERS, filename=filename, media_type=kind)


def _find_file(store: Store, parts: list[str]) -> Path | None:
    match parts:
        case ["run", run_id, name] if FILE_NAME.fullmatch(name):
            return store.run(run_id).path / "export" / name
        case ["recipe", recipe_id]:
            return store.recipe_file(recipe_id)
        case ["file", name] if FILE_NAME.fullmatch(name):
            return made_folder(store) / name
    return None
