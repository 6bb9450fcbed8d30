"""Downloads one file of the Hub, whole or not at all, resuming where it broke off, and checks it.

The library's own download discards half a file when it ends; half of a model is an hour of waiting.
So the bytes come by plain HTTP into NAME.part, which becomes NAME once its size and hash are as the
Hub states them.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import constants, errors, get_session, hf_hub_url

# The library says that other programs may use these from there.
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    build_hf_headers,
    hf_raise_for_status,
    httpx,
)

from engine.errors import ModelError
from engine.model.hub import DownloadProgress

OnDownload = Callable[[DownloadProgress], None]
PART = ".part"
RETRIES = 2  # in a row without a byte in between, after one second and then two
REPORT_SECONDS = 0.5  # between two reports of progress
WINDOW_SECONDS = 15.0  # over which the speed is measured
SETTLED_SECONDS = 2.0  # until there is a speed: the first small files come slowly


class HubFile(NamedTuple):
    """A file as the Hub describes it."""

    name: str
    size: int
    hash: str  # git's, or sha256 of large files (LFS); empty where a mirror of the Hub has none
    large: bool


def fetch_file(
    repo: str,
    revision: str,
    file: HubFile,
    folder: Path,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Path:
    """Download a file into a folder; returns its path.

    Raises the network's errors, or ModelError for a file that came damaged. ``on_bytes`` is called
    with the bytes that came; with a negative number where a server began again.
    """
    path, part = folder / file.name, folder / (file.name + PART)
    if path.is_file() and path.stat().st_size == file.size:
        return path
    part.touch()
    url, idle = hf_hub_url(repo, file.name, revision=revision), 0
    while (have := part.stat().st_size) < file.size:
        broken = _stream(url, part, have, on_bytes)
        idle = 0 if part.stat().st_size > have else idle + 1
        if idle > RETRIES:
            raise broken or ConnectionError("nothing came")
        time.sleep(idle)
    if not _is_whole(part, file):
        on_bytes(-part.stat().st_size)
        part.unlink()
        raise ModelError(f"'{file.name}' of '{repo}' came damaged and was thrown away. Try again.")
    part.replace(path)
    return path


def _stream(url: str, part: Path, have: int, on_bytes: Callable[[int], None]) -> Exception | None:
    """Append to ``part`` until the connection ends; returns what broke it if a retry may help."""
    # The URL is resolved anew each time: those that the Hub redirects to are good for an hour only.
    # The library's session leaves the token out where it is redirected to another host.
    headers = build_hf_headers() | {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    try:
        with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
            hf_raise_for_status(response)
            resumes = response.status_code == 206
            if not resumes:  # the whole file, whatever was asked for
                on_bytes(-have)
            with part.open("ab" if resumes else "wb") as out:
                for chunk in response.iter_bytes():
                    out.write(chunk)
                    on_bytes(len(chunk))
                out.flush()
                # What counts as whole must also be so after a power cut.
                os.fsync(out.fileno())
    except errors.HfHubHTTPError as error:
        if error.response.status_code not in (408, 429) and error.response.status_code < 500:
            raise
        return error
    except httpx.TransportError as error:
        return error
    return None


def _is_whole(path: Path, file: HubFile) -> bool:
    if path.stat().st_size != file.size:
        return False
    if not file.hash:
        return True
    digest = hashlib.sha256() if file.large else hashlib.sha1(f"blob {file.size}\0".encode())
    with path.open("rb") as data:
        return hashlib.file_digest(data, lambda: digest).hexdigest() == file.hash


class DownloadMeter:
    """Counts the bytes of a model's download and measures their speed."""

    def __init__(self, total: int, here: int, on_progress: OnDownload) -> None:
        """``here``: bytes that an earlier download brought."""
        self.total, self.done, self.on_progress = total, here, on_progress
        self.step = ""
        self.samples = deque([(time.monotonic(), here)])
        self.reported_at = 0.0

    def begin_file(self, name: str) -> None:
        self.step = f"Downloading {name}"
        self._report()

    def add_bytes(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        if now - self.reported_at < REPORT_SECONDS:
            return
        self.reported_at = now
        self.samples.append((now, self.done))
        while len(self.samples) > 2 and now - self.samples[0][0] > WINDOW_SECONDS:
            self.samples.popleft()
        self._report()

    def _report(self) -> None:
        (then, before), (now, done) = self.samples[0], self.samples[-1]
        speed = max(done - before, 0) / (now - then) if now - then >= SETTLED_SECONDS else 0.0
        progress = DownloadProgress(step=self.step, done=self.done, total=self.total, speed=speed)
        self.on_progress(progress)
