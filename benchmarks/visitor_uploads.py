"""Two hundred uploads to a public demo while a run goes on, some of them broken off half-way.

``python -m benchmarks.visitors`` sends them while fifty others are there; by itself,
``python -m benchmarks.visitor_uploads`` sends them to a demo with nobody else. Afterwards nothing
of them may be on the disk, the run must have finished, and pages must have opened meanwhile.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.demo import percentile, press_start, serve_demo, wait_for
from benchmarks.http_page import API, Page
from benchmarks.visitor_limits import rows_of

UPLOADS, SENDERS = 200, 4
SIZE = 300_000  # bytes of an upload
BROKEN_EVERY, DATA_EVERY = 4, 21  # the others are given to a widget that refuses them
DATA, REFUSED, BROKEN = "added as data", "refused as recipes", "broken off half-way"
RUN = {"optim.epochs": 0.9, "optim.batch_size": 16}  # 40 steps: minutes on a busy machine
LEFT_SECONDS = 20.0  # for what was broken off to be gone
PAGE_PAUSE = 0.5  # seconds between two pages that are opened meanwhile


def upload_while_training(url: str, home: Path) -> tuple[list[str], list[str]]:
    """Send the uploads while a run trains: the figures in lines, and what went wrong."""
    page = Page(url)
    run, said = press_start(page, **RUN)
    assert run, said
    began = wait_for(page, run, ("training", "finished", "failed"), 300)
    senders = [Sender(url) for _ in range(SENDERS)]
    ways: Counter[str] = Counter()
    with opening_pages(url) as opened, ThreadPoolExecutor(SENDERS) as pool:
        since = time.monotonic()
        # Each sender has one upload at a time, as a page has.
        turns = [range(first, UPLOADS, SENDERS) for first in range(SENDERS)]
        for found in pool.map(
            lambda one: one[0].send_all(one[1]), zip(senders, turns, strict=True)
        ):
            ways += found
        seconds = time.monotonic() - since
    meanwhile = page.ask_live(run).json()
    ended = wait_for(page, run, ("finished", "stopped", "failed"), 300)
    left = files_left(home / "tmp")
    counts = ", ".join(f"{count} {way}" for way, count in ways.items())
    half, most = percentile(opened, 0.5), percentile(opened, 0.95)
    lines = [
        f"{sum(ways.values())} uploads in {seconds:.0f} s while a run trained: {counts}",
        f"pages meanwhile: median {half:.2f} s, p95 {most:.2f} s, of {len(opened)}",
        f"afterwards: the run has {ended['state']}, {len(left)} files of uploads are left",
    ]
    wrong = [f"left on the disk: {path.name}, {path.stat().st_size} bytes" for path in left[:5]]
    if (began["state"], meanwhile["state"]) != ("training", "training"):
        wrong.append("the run did not go on all the while")
    if ended["state"] != "finished":
        wrong.append(f"the run ended as {ended['state']}")
    return lines, wrong + [f"upload: {way}" for way in ways if way not in (DATA, REFUSED, BROKEN)]


class Sender:
    """A visitor who uploads one file after the other."""

    def __init__(self, url: str) -> None:
        self.page, self.address = Page(url), urlsplit(url)

    def send_all(self, numbers: range) -> Counter[str]:
        """Send these; how each of them ended."""
        return Counter(self._send(number) for number in numbers)

    def _send(self, number: int) -> str:
        if number % BROKEN_EVERY == 0:
            return self._break_off()
        if number % DATA_EVERY == 1:
            ok, said = self.page.add_file("upload", f"{number}.jsonl", rows_of(2000, f"{number}"))
            return DATA if ok and "dataset:" in said else said[:200]
        content = f"{number} is no recipe\n".encode() + b"#" * SIZE
        ok, said = self.page.add_file("bring-recipe", f"{number}.yaml", content)
        return REFUSED if not ok and "recipe" in said else said[:200]

    def _break_off(self) -> str:
        """Say that a file comes, send half of it, and go."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.page.http.cookies.items())
        host, port = self.address.hostname or "", self.address.port or 80
        head = (
            f"POST {API}/upload HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Origin: {self.address.geturl()}\r\nCookie: {cookies}\r\nContent-Length: {SIZE}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="files"; filename="half.csv"\r\n\r\n'
        )
        with socket.create_connection((host, port), timeout=60) as connection:
            connection.sendall(head.encode() + b"x" * (SIZE // 2))
            time.sleep(0.1)  # it is being written
        return BROKEN


@contextlib.contextmanager
def opening_pages(url: str) -> Iterator[list[float]]:
    """A block in which a page is opened now and then; the seconds of each."""
    seconds: list[float] = []
    over = threading.Event()

    def open_pages() -> None:
        while not over.wait(PAGE_PAUSE):
            began = time.monotonic()
            Page(url).http.close()
            seconds.append(time.monotonic() - began)

    thread = threading.Thread(target=open_pages, daemon=True)
    thread.start()
    try:
        yield seconds
    finally:
        over.set()
        thread.join()


def files_left(folder: Path) -> list[Path]:
    """The uploads that are still in a workspace after a while."""
    ends = time.monotonic() + LEFT_SECONDS
    while found := [path for path in folder.rglob("*") if path.is_file()]:
        if time.monotonic() > ends:
            break
        time.sleep(1)
    return found


def main() -> int:
    """Send the uploads to a demo of their own; 1 where something went wrong."""
    with tempfile.TemporaryDirectory(prefix="hone-") as folder:
        home = Path(folder) / "workspace"
        app, url = serve_demo(home)
        lines, wrong = upload_while_training(url, home)
        app.terminate()
        app.wait(60)
    print("\n".join([*lines, *wrong]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
