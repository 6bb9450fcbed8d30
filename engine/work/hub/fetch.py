"""One file of the Hub, whole or not at all: a download that goes on where it broke off, and is checked.

The library's own download throws away half a file when it ends; half of a model is an hour of waiting. So the bytes
come by plain HTTP into NAME.part, which becomes NAME once its size and its hash are as the Hub states them.
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
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # kept there for others, the library says
    build_hf_headers,
    hf_raise_for_status,
    httpx,
)

from engine.errors import ModelError
from engine.text import format_duration, format_hub_progress

PART = ".part"
RETRIES = 2  # in a row without a byte in between; after the first break one second passes, then two
WINDOW = 15.0  # seconds over which the speed is taken
SETTLED = 2.0  # seconds until it is one: the first small files come slowly


class HubFile(NamedTuple):
    """A file as the Hub describes it."""

    name: str
    size: int
    hash: str  # git's, or for large files (LFS) sha256; empty where a mirror of the Hub does not tell it
    large: bool


def fetch_file(
    repo: str,
    revision: str,
    file: HubFile,
    folder: Path,
    came: Callable[[int], None] = lambda _: None,
) -> Path:
    """Where the file is; raises the network's errors, or ModelError for what came damaged.

    ``came`` is told of bytes as they come; of fewer than none where a server began again.
    """
    path, part = folder / file.name, folder / (file.name + PART)
    if path.is_file() and path.stat().st_size == file.size:
        return path
    part.touch()
    url, idle = hf_hub_url(repo, file.name, revision=revision), 0
    while (have := part.stat().st_size) < file.size:
        broken = _stream(url, part, have, came)
        idle = 0 if part.stat().st_size > have else idle + 1
        if idle > RETRIES:
            raise broken or ConnectionError("nothing came")
        time.sleep(idle)
    if not _is_whole(part, file):
        came(-part.stat().st_size)
        part.unlink()
        raise ModelError(f"'{file.name}' of '{repo}' came damaged and was thrown away. Try again.")
    os.replace(part, path)
    return path


def _stream(url: str, part: Path, have: int, came: Callable[[int], None]) -> Exception | None:
    """Let bytes come until the connection ends; gives back what broke it, if another try may go better."""
    # The address is asked anew each time: those that the Hub leads to are good for an hour only. The library's session
    # leaves the token out where it is led to another host.
    headers = build_hf_headers() | {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    try:
        with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
            hf_raise_for_status(response)
            if response.status_code != 206:  # the whole file, whatever was asked for
                came(-have)
            with part.open("ab" if response.status_code == 206 else "wb") as out:
                for chunk in response.iter_bytes():
                    out.write(chunk)
                    came(len(chunk))
                out.flush()
                os.fsync(out.fileno())  # what is taken for whole must be so after a power cut, too
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
    start = b"" if file.large else f"blob {file.size}\0".encode()  # as git hashes what it keeps
    with path.open("rb") as data:
        digest = hashlib.file_digest(
            data, lambda: (hashlib.sha256 if file.large else hashlib.sha1)(start)
        )
    return not file.hash or digest.hexdigest() == file.hash


class DownloadMeter:
    """Says how much has come, how fast, and how long the rest takes; at most twice a second."""

    def __init__(self, total: int, here: int, tell: Callable[[str], None]) -> None:
        self.total, self.done, self.tell = total, here, tell
        self.name = ""
        self.seen = deque([(time.monotonic(), here)])
        self.said = 0.0

    def begin(self, name: str) -> None:
        """The next file comes."""
        self.name = name
        self.tell(self.words())

    def came(self, count: int) -> None:
        """So many bytes more."""
        self.done += count
        now = time.monotonic()
        if now - self.said < 0.5:
            return
        self.said = now
        self.seen.append((now, self.done))
        while len(self.seen) > 2 and now - self.seen[0][0] > WINDOW:
            self.seen.popleft()
        self.tell(self.words())

    def words(self) -> str:
        then, before = self.seen[0]
        now, done = self.seen[-1]
        speed = max(done - before, 0) / (now - then) if now - then >= SETTLED else 0.0
        text = f"Downloading {self.name}: {format_hub_progress(self.done, self.total)} ({self.done / max(self.total, 1):.0%})"
        return text + (
            f", {speed / 1e6:.1f} MB/s, {format_duration(max((self.total - self.done) / speed, 1))} left"
            if speed
            else ""
        )
