"""Uploads through plain HTTP: too large, broken off, too many; and what is swept."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from engine.errors import DataError
from engine.spec.limits import LOCAL
from tests.ui.access.conftest import Place, come_in
from tests.ui.access.site import API, UNTIDY, file_data
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


@contextmanager
def begun_upload(place: Place, length: int) -> Iterator[socket.socket]:
    """An upload by the first visitor, of which a megabyte is sent and the rest does not come."""
    served, first = place.served, place.first
    host, port = served.url.removeprefix("http://").split(":")
    cookie = "; ".join(f"{name}={value}" for name, value in first.http.cookies.items())
    head = (
        f"POST {API}/upload HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {served.url}\r\n"
        f"Cookie: {cookie}\r\nContent-Length: {length}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\n'
    )
    before = len(left_in(served.ctx.uploads))
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode() + b"x" * MB)
        wait_until(lambda: len(left_in(served.ctx.uploads)) > before)
        yield connection


def nothing_comes(place: Place) -> None:
    """Wait until nothing is being uploaded any more."""
    uploads = place.served.ctx.uploads
    wait_until(lambda: not left_in(uploads) and not uploads._coming)


def test_what_is_broken_off_leaves_nothing(demo_place: Place) -> None:
    for _ in range(5):
        with begun_upload(demo_place, 3_000_000):
            pass
        nothing_comes(demo_place)


def test_what_was_used_leaves_nothing(demo_place: Place) -> None:
    first, uploads = demo_place.first, demo_place.served.ctx.uploads
    path = first.upload("none.yaml", b"no recipe").json()[0]
    assert "recipe" in first.call("add_recipe_file", file_data(path)).text
    assert not Path(path).exists() and not list(uploads.folder.glob("tmp*"))


def test_what_is_coming_counts_already(demo_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two uploads at the same time do not each find the room that only one of them can have."""
    first, uploads = demo_place.first, demo_place.served.ctx.uploads
    monkeypatch.setattr(uploads, "most", 6 * MB)
    with begun_upload(demo_place, 4 * MB):
        answer = first.upload("b.csv", b"b" * (3 * MB))
        assert answer.status_code == 413 and "unused uploads" in answer.text
        assert demo_place.second.upload("b.csv", b"of another").status_code == 200
    nothing_comes(demo_place)
    answer = first.upload("b.csv", b"b" * (3 * MB))
    assert answer.status_code == 200
    uploads.discard(first.owner, [Path(answer.json()[0])])


def test_two_uploads_at_a_time_are_enough(demo_place: Place) -> None:
    with begun_upload(demo_place, 3 * MB), begun_upload(demo_place, 2 * MB):
        answer = demo_place.first.upload("c.csv", b"a,b")
        assert answer.status_code == 413 and "being uploaded" in answer.text
    nothing_comes(demo_place)


def test_an_upload_that_does_not_end_is_ended(
    demo_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_place.served.ctx.uploads, "seconds", 0.3)
    with begun_upload(demo_place, 3 * MB) as connection:
        assert b" 408 " in connection.recv(200)
    nothing_comes(demo_place)


@pytest.mark.parametrize("where", ["mkdir", "replace"])
def test_a_full_disk_is_said_and_leaves_nothing(
    demo_place: Place, monkeypatch: pytest.MonkeyPatch, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, where, fail)
    answer = demo_place.first.upload("a.csv", b"a,b")
    monkeypatch.undo()
    assert answer.status_code == 507 and "The disk is full" in answer.text
    assert not [one for one in caplog.records if one.name == "hone"]
    nothing_comes(demo_place)


def test_all_unused_files_of_one_owner_go_together(demo_place: Place) -> None:
    visitor, other = come_in(demo_place.served), come_in(demo_place.served)
    uploads = demo_place.served.ctx.uploads
    own = [Path(visitor.upload(name, b"a,b,own").json()[0]) for name in ("a.csv", "b.csv")]
    shared = Path(visitor.upload("c.csv", b"a,b,both").json()[0])
    assert Path(other.upload("c.csv", b"a,b,both").json()[0]) == shared
    uploads.discard_all(visitor.owner)
    assert not any(path.exists() for path in own) and shared.exists()
    assert uploads.owns(other.owner, shared) and not uploads.owns(visitor.owner, shared)
    uploads.discard_all(other.owner)
    assert not shared.exists()


def test_many_small_files_are_too_many(demo_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor, uploads = come_in(demo_place.served), demo_place.served.ctx.uploads
    monkeypatch.setattr(uploads, "files", 3)

    def send(*names: str) -> httpx.Response:
        files = [("files", (f"{name}.csv", name.encode())) for name in names]
        return visitor.http.post(f"{API}/upload", files=files)

    assert send("a", "b", "c", "d").status_code == 413
    kept = send("a", "b", "c")
    assert kept.status_code == 200
    answer = send("e")
    assert answer.status_code == 413 and "Up to 3 unused files" in answer.text
    uploads.discard(visitor.owner, [Path(path) for path in kept.json()])
    assert send("e").status_code == 200


def wait_until(condition) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_who_uploads_without_end_is_stopped(demo_place: Place) -> None:
    visitor = demo_place.second
    answers = [visitor.upload(f"{n}.csv", b"%d" % n * (4 * MB)) for n in range(6)]
    assert [one.status_code for one in answers] == [200] * 4 + [413] * 2
    assert "unused uploads" in answers[-1].text
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
    uploads = Uploads(tmp_path, LOCAL)
    uploads.kept = 3 * HOUR
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
