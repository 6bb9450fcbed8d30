"""Uploaded files: who uploaded which, how much at a time, and when they go.

Gradio keeps an upload in a folder named after its contents and tells its path to the page, which
sends the path back to the handler. Anybody could send any path, so a handler takes only those that
its own visitor has uploaded, and only they are ever removed.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
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
from engine.runs.disk_space import DISK_FULL_ERRNOS
from engine.spec.limits import Limits
from engine.text import format_bytes
from ui.access.messages import Refused

INCOMING = "incoming-"  # begins the name of a folder into which an upload is being written
UPLOADED = re.compile(r"[0-9a-f]{64}")  # the folder of a whole upload: the hash of its contents
FORM_BYTES = 2**20  # of an upload that are no file: names and borders
HOUR = 3600.0
UNUSED = 4  # uploads of the largest size that an owner may have here without using them
AT_ONCE = 2  # uploads of one owner
NOT_UPLOADED = "This file was not uploaded from this page. Choose it again."
NO_LENGTH = "An upload must say how long it is."
BROKEN_OFF = "The upload was broken off. Choose the file again."
TOO_MANY = "Up to {:,.0f} unused files are kept here. Put the rows into fewer files."
UNUSED_LEFT = "There are {} of your unused uploads here. Reload the page, and try again in an hour."
BUSY = "Other files of yours are being uploaded. Wait for them, and choose these again."
FULL_DISK = "The disk is full, so the file was not kept. Free some space, then choose it again."
TOO_SLOW = "The upload took too long. Choose a smaller file, or try again on a faster connection."


class Uploads:
    """The uploads of all owners, below Gradio's temporary folder; safe to use from several threads.

    ``largest``: bytes of one upload; ``most``: bytes and ``files``: number of those that an owner
    does not use; ``kept``: seconds until they go; ``seconds``: that one upload may take.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder.resolve()
        self.largest, self.most = limits.upload_bytes, UNUSED * limits.upload_bytes
        self.kept = HOUR if limits.forgets else 24 * HOUR
        self.files, self.seconds = limits.upload_files, limits.upload_seconds
        self._files: dict[Path, tuple[int, set[str]]] = {}  # bytes, and who has uploaded it
        self._coming: list[tuple[str, int]] = []  # owner and length of each that is on its way
        self._lock = threading.Lock()

    # --- coming in ---

    async def receive(self, request: Request, owner: str) -> Response:
        """Take an upload in; what is broken off or too large leaves nothing behind.

        The page shows what is answered as it is, so a refusal is plain text.
        """
        length = request.headers.get("content-length", "")
        try:
            if not length.isdecimal():
                raise Refused(NO_LENGTH, 411)
            with self._reserved(owner, int(length)):
                return JSONResponse(await self._take_in(request, owner))
        except Refused as error:
            why, status = str(error), error.status
        except TimeoutError:
            why, status = TOO_SLOW, 408
        except OSError as error:
            if error.errno not in DISK_FULL_ERRNOS:
                raise
            why, status = FULL_DISK, 507
        except (MultiPartException, HTTPException, ClientDisconnect) as error:
            too_large = "allowed size" in str(error)
            why, status = (self._too_large(), 413) if too_large else (BROKEN_OFF, 400)
        return PlainTextResponse(why, status)

    async def _take_in(self, request: Request, owner: str) -> list[str]:
        """The paths of the files."""
        folder = self.folder / f"{INCOMING}{secrets.token_hex(8)}"
        try:
            folder.mkdir(parents=True)
            with anyio.fail_after(self.seconds):
                paths, _, _ = await upload_fn(
                    self._bounded(request),
                    str(folder),
                    self.largest,
                    request.query_params.get("upload_id"),
                    force_move=True,
                    upload_progress=file_upload_statuses,
                )
            with self._lock:
                self._check_number(self._held(owner)[1] + len(paths))
            return [str(self._keep(folder, Path(path), owner)) for path in paths]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def _reserved(self, owner: str, length: int) -> Iterator[None]:
        """Keep room for an upload until it is here; raises Refused where there is none."""
        if length > self.largest + FORM_BYTES:
            raise Refused(self._too_large(), 413)
        with self._lock:
            held, files = self._held(owner)
            coming = [size for one, size in self._coming if one == owner]
            taken = held + sum(coming)
            if len(coming) >= AT_ONCE:
                raise Refused(BUSY, 413)
            if taken + length > self.most:
                raise Refused(UNUSED_LEFT.format(format_bytes(taken)), 413)
            self._check_number(files + 1)
            self._coming.append((owner, length))
        try:
            yield
        finally:
            with self._lock:
                self._coming.remove((owner, length))

    def _bounded(self, request: Request) -> Request:
        """The request, whose body is refused after so many bytes, whatever its header says."""
        receive, seen = request.receive, 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.largest + FORM_BYTES:
                raise Refused(self._too_large(), 413)
            return message

        return Request(request.scope, counted)

    def _held(self, owner: str) -> tuple[int, int]:
        """Bytes and number of an owner's unused files, while the lock is held."""
        sizes = [size for size, owners in self._files.values() if owner in owners]
        return sum(sizes), len(sizes)

    def _too_large(self) -> str:
        return f"Files of up to {format_bytes(self.largest)} can be added at a time."

    def _check_number(self, files: int) -> None:
        if files > self.files:
            raise Refused(TOO_MANY.format(self.files), 413)

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
            self._files.setdefault(path, (size, set()))[1].add(owner)

    # --- being used ---

    def owns(self, owner: str, path: Path) -> bool:
        """Whether this owner has uploaded the file at a path, as the page knows it."""
        with self._lock:
            return path in self._files and owner in self._files[path][1]

    def require(self, owner: str, files: Iterable[Any]) -> list[Path]:
        """The files' paths, if this owner has uploaded every one of them; else raises DataError."""
        found = []
        for file in files:
            path = Path(file) if isinstance(file, str) else Path()
            if not self.owns(owner, path) or not path.is_file():
                raise DataError(NOT_UPLOADED)
            found.append(path)
        return found

    @contextlib.contextmanager
    def using(self, owner: str, files: Iterable[Any]) -> Iterator[list[Path]]:
        """The paths of files that this owner has uploaded; afterwards they are gone."""
        paths = self.require(owner, files)
        try:
            yield paths
        finally:
            self.discard(owner, paths)

    def discard(self, owner: str, paths: Iterable[Path]) -> None:
        """Remove files that an owner has uploaded; one that another has uploaded too stays."""
        for path in paths:
            with self._lock:
                _, owners = self._files.get(path, (0, set()))
                if owner not in owners:
                    continue
                owners.discard(owner)
                if owners:
                    continue
                del self._files[path]
            path.unlink(missing_ok=True)
            if UPLOADED.fullmatch(path.parent.name):
                with contextlib.suppress(OSError):  # it holds another file
                    path.parent.rmdir()
        self._remove_traces()

    def _remove_traces(self) -> None:
        """Remove the empty file that Gradio leaves for each file that it gives to a handler."""
        for path in self.folder.glob("tmp*"):
            with contextlib.suppress(OSError):  # another page's, which is being removed, too
                if path.stat().st_size == 0:
                    path.unlink()

    def discard_all(self, owner: str) -> None:
        """Remove all files that an owner has uploaded and not used."""
        with self._lock:
            own = [path for path, (_, owners) in self._files.items() if owner in owners]
        self.discard(owner, own)

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
            for file in [one for one in self._files if path in one.parents]:
                del self._files[file]
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
