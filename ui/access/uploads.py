"""Uploaded files: who uploaded which, how much at a time, and when they go.

Gradio keeps an upload in a folder named after its contents and tells its path to the page, which
sends the path back to the handler. Anybody could send any path, so a handler takes only those that
its own visitor has uploaded, and only they are ever removed.
"""

from __future__ import annotations

import contextlib
import math
import re
import secrets
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anyio
from gradio.route_utils import upload_fn
from gradio.routes import file_upload_statuses
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message

from engine.errors import DataError
from engine.text import format_bytes

INCOMING = "incoming-"  # begins the name of a folder into which an upload is being written
UPLOADED = re.compile(r"[0-9a-f]{64}")  # the folder of a whole upload: the hash of its contents
FORM_BYTES = 2**20  # of an upload that are no file: names and borders
HOUR = 3600.0
UNUSED = 4  # uploads of the largest size that an owner may have here without using them
AT_ONCE = 2  # uploads of one owner
NOT_YOURS = "This file was not uploaded from this page. Choose it again."
NO_LENGTH = "An upload must say how long it is."
BROKEN_OFF = "The upload was broken off. Choose the file again."
BUSY = "Other files of yours are being uploaded. Wait for them, and choose these again."
TOO_SLOW = "The upload took too long. Choose a smaller file, or try again on a faster connection."


class TooLarge(Exception):
    """More arrived than may be uploaded at once."""


class Uploads:
    """The uploads of all owners, below Gradio's temporary folder; safe to use from several threads.

    ``largest``: bytes of one upload; ``kept``: seconds for which one that nobody uses is kept;
    ``files``: of an owner who does not use them; ``seconds``: that one upload may take.
    """

    def __init__(
        self,
        folder: Path,
        largest: float,
        kept: float = 24 * HOUR,
        files: float = math.inf,
        seconds: float = math.inf,
    ) -> None:
        self.folder = folder.resolve()
        self.largest, self.most, self.kept = largest, UNUSED * largest, kept
        self.files, self.seconds = files, seconds
        self._owners: defaultdict[Path, set[str]] = defaultdict(set)
        self._sizes: dict[Path, int] = {}
        self._coming: defaultdict[str, list[int]] = defaultdict(list)  # lengths, of each owner
        self._lock = threading.Lock()

    # --- coming in ---

    async def receive(self, request: Request, owner: str) -> Response:
        """Take an upload in; what is broken off or too large leaves nothing behind.

        The page shows what is answered as it is, so a refusal is plain text.
        """
        said = request.headers.get("content-length", "")
        if not said.isdecimal():
            return PlainTextResponse(NO_LENGTH, 411)
        length = int(said)
        if problem := self._reserve(owner, length):
            return PlainTextResponse(problem, 413)
        try:
            return await self._take_in(request, owner)
        finally:
            with self._lock:
                self._coming[owner].remove(length)
                if not self._coming[owner]:
                    del self._coming[owner]

    async def _take_in(self, request: Request, owner: str) -> Response:
        folder = self.folder / f"{INCOMING}{secrets.token_hex(8)}"
        folder.mkdir(parents=True)
        try:
            with anyio.fail_after(self.seconds):
                paths, _, _ = await upload_fn(
                    _bounded(request, self.largest + FORM_BYTES),
                    str(folder),
                    self.largest,
                    request.query_params.get("upload_id"),
                    force_move=True,
                    upload_progress=file_upload_statuses,
                )
            with self._lock:
                _, files = self._held(owner)
            if files + len(paths) > self.files:
                return PlainTextResponse(self._too_many(), 413)
            return JSONResponse([str(self._keep(folder, Path(path), owner)) for path in paths])
        except TimeoutError:
            return PlainTextResponse(TOO_SLOW, 408)
        except (MultiPartException, HTTPException, TooLarge, ClientDisconnect) as error:
            too_large = isinstance(error, TooLarge) or "allowed size" in str(error)
            said = self._too_large() if too_large else BROKEN_OFF
            return PlainTextResponse(said, 413 if too_large else 400)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _reserve(self, owner: str, length: int) -> str:
        """Keep room for an upload until it is here; else returns why there is none."""
        if length > self.largest + FORM_BYTES:
            return self._too_large()
        with self._lock:
            held, files = self._held(owner)
            coming = self._coming.get(owner, [])
            if len(coming) >= AT_ONCE:
                return BUSY
            if held + sum(coming) + length > self.most:
                return (
                    f"There are {format_bytes(held + sum(coming))} of your uploads here that were "
                    "not used. Reload the page, and try again in an hour."
                )
            if files >= self.files:
                return self._too_many()
            self._coming[owner].append(length)
        return ""

    def _held(self, owner: str) -> tuple[int, int]:
        """Bytes and number of an owner's unused files, while the lock is held."""
        sizes = [self._sizes[path] for path, owners in self._owners.items() if owner in owners]
        return sum(sizes), len(sizes)

    def _too_large(self) -> str:
        return f"Files of up to {format_bytes(self.largest)} can be added at a time."

    def _too_many(self) -> str:
        return f"Up to {self.files:,.0f} unused files are kept here. Put the rows into fewer files."

    def _keep(self, folder: Path, path: Path, owner: str) -> Path:
        """Move a whole file to where Gradio looks for it, and note whose it is."""
        target = self.folder / path.relative_to(folder)
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
        self.note(owner, target)
        return target

    def note(self, owner: str, path: Path) -> None:
        """Note that a file below the folder is an upload of this owner's."""
        size = path.stat().st_size
        with self._lock:
            self._owners[path].add(owner)
            self._sizes[path] = size

    # --- being used ---

    def owns(self, owner: str, path: Path) -> bool:
        """Whether this owner has uploaded the file at a path, as the page knows it."""
        with self._lock:
            return owner in self._owners.get(path, ())

    def require(self, owner: str, files: Iterable[Any]) -> list[Path]:
        """The files' paths, if this owner has uploaded every one of them; else raises DataError."""
        found = []
        for file in files:
            path = Path(file) if isinstance(file, str) else Path()
            if not self.owns(owner, path) or not path.is_file():
                raise DataError(NOT_YOURS)
            found.append(path)
        return found

    def discard(self, owner: str, paths: Iterable[Path]) -> None:
        """Remove files that an owner has uploaded; one that another has uploaded too stays."""
        for path in paths:
            with self._lock:
                owners = self._owners.get(path, set())
                if owner not in owners:
                    continue
                owners.discard(owner)
                if owners:
                    continue
                del self._owners[path], self._sizes[path]
            path.unlink(missing_ok=True)
            if UPLOADED.fullmatch(path.parent.name):
                _remove_if_empty(path.parent)

    # --- being swept ---

    def sweep(self) -> int:
        """Remove uploads that were broken off or never used; returns how many there were."""
        found = 0
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            broken_off = path.name.startswith((INCOMING, "tmp"))
            if path.is_symlink() or not (broken_off or UPLOADED.fullmatch(path.name)):
                continue
            if time.time() - _last_change(path) > min(HOUR if broken_off else self.kept, self.kept):
                found += 1
                self._remove(path)
        return found

    def _remove(self, path: Path) -> None:
        with self._lock:
            for file in [one for one in self._owners if path in one.parents]:
                del self._owners[file], self._sizes[file]
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _last_change(path: Path) -> float:
    """When something last changed in it: a file that is being written counts."""
    try:
        inside = list(path.rglob("*")) if path.is_dir() else []
        return max(one.stat().st_mtime for one in (path, *inside))
    except OSError:  # it is going at this moment
        return time.time()


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _bounded(request: Request, most: float) -> Request:
    """The request, whose body ends with TooLarge after so many bytes, whatever its header says."""
    receive, seen = request.receive, 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise TooLarge
        return message

    return Request(request.scope, counted)
