"""The push channel: who may listen, and that a page hears of its own owner's changes alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from engine.store.changes import CHOICES, RUNS
from tests.ui.access.conftest import Place
from tests.ui.access.site import UNTIDY, Served, Stranger, serving
from ui import push
from ui.choices import change_choices

pytestmark = UNTIDY


def cookies_of(visitor: Stranger) -> str:
    return "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())


@contextmanager
def listening(served: Served, path: str = "/changes", **headers: str) -> Iterator[ClientConnection]:
    known = {"Origin": served.url} | {
        name.replace("_", "-"): text for name, text in headers.items()
    }
    origin = known.pop("Origin")
    address = served.url.replace("http", "ws") + path
    with connect(address, origin=origin, additional_headers=known, proxy=None) as channel:
        yield channel


def heard(channel: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(channel.recv(timeout=10))
    return found


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("push") / "workspace") as served:
        yield served


def test_a_page_hears_what_changes(local: Served) -> None:
    visitor = Stranger(local).enter(local.opened.removeprefix(local.url))
    with listening(local, Cookie=cookies_of(visitor)) as channel:
        first = heard(channel)
        assert first == {"boot": local.site.boot, "changed": ["*"]}
        change_choices(local.ctx.engine.store, watched="a-run")
        assert heard(channel) == {"changed": [CHOICES]}
        (local.ctx.engine.store.runs / "20260101-000000-a-1234").mkdir()
        assert RUNS in heard(channel)["changed"]
        with pytest.raises(TimeoutError):  # and then nothing, since nothing changes
            channel.recv(timeout=2 * push.LOOK_SECONDS)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/changes", {}),
        ("/changes", {"Origin": "http://elsewhere.example"}),
        ("/changes", {"Host": "elsewhere.example"}),
        ("/", {}),
        ("/gradio_api/queue/data", {}),
    ],
)
def test_nobody_else_may_listen(local: Served, path: str, headers: dict[str, str]) -> None:
    visitor = Stranger(local).enter(local.opened.removeprefix(local.url))
    known = {"Cookie": cookies_of(visitor)} if headers or path != "/changes" else {}
    with (
        pytest.raises((InvalidStatus, ConnectionClosed)),
        listening(local, path, **known, **headers),
    ):
        pass


def test_an_owner_hears_nothing_of_another_s(demo_place: Place) -> None:
    served, first, second = demo_place.served, demo_place.first, demo_place.second
    with listening(served, Cookie=cookies_of(second)) as channel:
        assert "boot" in heard(channel)
        store = served.ctx.engine.store.for_owner(first.owner)
        run = store.run(demo_place.ids["run"])
        run.set_meta(note=str(run.meta["note"]))
        with pytest.raises(TimeoutError):
            channel.recv(timeout=3 * push.LOOK_SECONDS)


def test_a_channel_ends_so_that_the_page_is_asked_who_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "RENEW_SECONDS", 0.3)
    monkeypatch.setattr(push, "MOST_CHANNELS", 1)
    with serving(tmp_path / "workspace", "--no-token") as served:
        with listening(served) as channel:
            heard(channel)
            with pytest.raises((InvalidStatus, ConnectionClosed)), listening(served):
                pass
            with pytest.raises(ConnectionClosed):
                channel.recv(timeout=5)
        with listening(served) as channel:
            heard(channel)


class GoneSocket:
    """A page that goes while something is said to it, before the server has heard of that."""

    async def accept(self) -> None:
        pass

    async def send_json(self, said: object) -> None:
        raise WebSocketDisconnect(1006)

    async def receive_text(self) -> str:
        await anyio.sleep_forever()
        return ""


def test_a_page_that_goes_while_something_is_said_to_it_leaves_nothing(local: Served) -> None:
    channel = push.PushChannel(local.ctx.engine.store, "boot")
    with ThreadPoolExecutor(1) as aside:  # the browser of other tests holds this thread's loop
        aside.submit(anyio.run, channel.serve, GoneSocket(), "").result()  # raises nothing
    assert not channel._open and not channel._looks
