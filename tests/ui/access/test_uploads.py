"""Uploads through plain HTTP: too large, broken off, too many; and what is swept."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from engine.errors import DataError
from tests.ui.access.conftest import Place
from tests.ui.access.site import API, UNTIDY
from ui.access.uploads import HOUR, Uploads

pytestmark = UNTIDY
MB = 2**20


def left_in(uploads: Uploads) -> list[str]:
    return sorted(path.name for path in uploads.folder.glob("incoming-*"))


def test_what_is_too_large_is_refused_before_it_is_read(demo_place: Place) -> None:
    answer = demo_place.first.upload("big.csv", b"x" * (7 * MB))
    assert answer.status_code == 413 and "Files of up to 5.0 MB" in answer.text
    assert not left_in(demo_place.served.ctx.uploads)


def test_what_says_too_little_of_its_length_is_cut_off(demo_place: Place) -> None:
    first = demo_place.first
    pieces = (b"x" * MB for _ in range(9))
    answer = first.http.post(f"{API}/upload", content=pieces)  # without a length
    assert answer.status_code == 411
    files = {"files": ("a.csv", b"x" * (5 * MB + 1))}
    answer = first.http.post(f"{API}/upload", files=files)
    assert answer.status_code == 413 and "5.0 MB" in answer.text
    many = [("files", (f"{number}.csv", b"%d" % number * MB)) for number in range(9)]
    assert first.http.post(f"{API}/upload", files=many).status_code == 413
    assert not left_in(demo_place.served.ctx.uploads)


def test_what_is_broken_off_leaves_nothing(demo_place: Place) -> None:
    served, first = demo_place.served, demo_place.first
    host, port = served.url.removeprefix("http://").split(":")
    cookie = "; ".join(f"{name}={value}" for name, value in first.http.cookies.items())
    head = (
        f"POST {API}/upload HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {served.url}\r\n"
        f"Cookie: {cookie}\r\nContent-Length: 3000000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\n'
    )
    for _ in range(5):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head.encode() + b"x" * MB)
            wait_until(lambda: bool(left_in(served.ctx.uploads)))
    wait_until(lambda: not left_in(served.ctx.uploads))


def wait_until(condition) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_who_uploads_without_end_is_stopped(demo_place: Place) -> None:
    visitor = demo_place.second
    answers = [visitor.upload(f"{n}.csv", b"%d" % n * (4 * MB)) for n in range(6)]
    assert [one.status_code for one in answers] == [200] * 4 + [413] * 2
    assert "not used" in answers[-1].text
    uploads = demo_place.served.ctx.uploads
    paths = [Path(one.json()[0]) for one in answers[:4]]
    uploads.discard(visitor.owner, paths)
    assert not any(path.exists() for path in paths)


@pytest.mark.parametrize("name", ["../../x.csv", "/etc/passwd", "..", "a/b.csv", "x\\y.csv", ".x"])
def test_a_name_leads_nowhere(demo_place: Place, name: str) -> None:
    answer = demo_place.first.upload(name, b"a,b\n1,2")
    folder = demo_place.served.ctx.uploads.folder
    if answer.status_code == 200:
        path = Path(answer.json()[0])
        assert path.parent.parent == folder and path.read_bytes() == b"a,b\n1,2"
        demo_place.served.ctx.uploads.discard(demo_place.first.owner, [path])
    else:
        assert answer.status_code == 400


def test_old_uploads_are_swept_and_nothing_else(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, 1e9, kept=3 * HOUR)
    whole, new = tmp_path / ("a" * 64), tmp_path / ("b" * 64)
    begun, fresh, own = tmp_path / "incoming-1", tmp_path / "incoming-2", tmp_path / "own"
    outside = tmp_path.parent / "outside"
    for folder in (whole, new, begun, fresh, own, outside):
        folder.mkdir(exist_ok=True)
        (folder / "x.csv").write_text("x")
    (tmp_path / "tmpabc").write_text("")
    (tmp_path / ("c" * 64)).symlink_to(outside)
    uploads.note("a", whole / "x.csv")
    old = (time.time() - 2 * HOUR,) * 2
    for folder in (whole, begun, own, outside, tmp_path / "tmpabc"):
        for path in (*folder.rglob("*"), folder):
            os.utime(path, old)
    assert uploads.sweep() == 2 and not begun.exists() and not (tmp_path / "tmpabc").exists()
    assert uploads.owns("a", whole / "x.csv"), "a whole one is kept longer"
    older = (time.time() - 4 * HOUR,) * 2
    for path in (whole / "x.csv", whole):
        os.utime(path, older)
    assert uploads.sweep() == 1 and not whole.exists() and not uploads.owns("a", whole / "x.csv")
    assert all((folder / "x.csv").exists() for folder in (new, fresh, own, outside))
    with pytest.raises(DataError):
        uploads.require("a", [str(new / "x.csv")])
