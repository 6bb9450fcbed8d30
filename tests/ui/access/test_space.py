"""In a Space: within a frame of another site, behind a proxy, under any name. No page is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.spec.limits import DEMO
from engine.store.workspace import Store
from tests.ui.access.site import run_aside
from ui import serve
from ui.access.guard import Guard
from ui.access.uploads import Uploads
from ui.options import read_options


async def inner(scope: Any, receive: Any, send: Any) -> None:
    """What the guard guards here: says who came through, and lets everybody read it, as Gradio."""
    owner = scope.get("state", {}).get("visitor", ("nobody",))[0]
    origin = [(b"access-control-allow-origin", b"*")]
    await send({"type": "http.response.start", "status": 200, "headers": origin})
    await send({"type": "http.response.body", "body": owner.encode()})


@pytest.fixture
def guard(home: Path, monkeypatch: pytest.MonkeyPatch) -> Guard:
    monkeypatch.setenv("SPACE_ID", "owner/name")
    options = read_options(["--home", str(home)])
    assert serve.choose_address(options) == ("0.0.0.0", 7860)
    monkeypatch.setenv("GRADIO_SERVER_PORT", "7999")
    assert serve.choose_address(options).port == 7999
    uploads = Uploads(home / "tmp", DEMO)
    return Guard(inner, None, serve.make_site(options, Store(home, limits=DEMO), uploads, 7860))


def ask(guard: Guard, method: str, path: str, **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://own.example") as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers=named)

    return run_aside(send())


def test_the_cookie_goes_within_the_frame_and_nowhere_else(guard: Guard) -> None:
    opened = ask(guard, "GET", "/", sec_fetch_site="cross-site", sec_fetch_mode="navigate")
    assert opened.status_code == 200 and opened.text.startswith("v-")
    cookie = opened.headers["set-cookie"].split("; ")
    assert {"SameSite=None", "Secure", "Partitioned", "HttpOnly"} <= set(cookie)
    again = ask(guard, "GET", "/", cookie=cookie[0])
    assert again.text == opened.text and "set-cookie" not in again.headers
    assert ask(guard, "GET", "/").text != opened.text, "every browser is another visitor"
    policy = opened.headers["content-security-policy"]
    assert "frame-ancestors 'self' https://huggingface.co;" in policy
    assert "x-frame-options" not in opened.headers
    assert "access-control-allow-origin" not in opened.headers


@pytest.mark.parametrize("host", ["own.example", "owner-name.hf.space", "10.1.2.3:7860", "[::1]:7"])
def test_any_name_leads_here(guard: Guard, host: str) -> None:
    assert ask(guard, "GET", "/", host=host).status_code == 200


@pytest.mark.parametrize("host", ["x/theme.css?", "x/theme.css#", "x/", "a b", "x\\theme.css", ""])
@pytest.mark.parametrize("path", ["/config", "/gradio_api/file=/etc/passwd"])
def test_a_name_cannot_pass_for_a_path(guard: Guard, host: str, path: str) -> None:
    """The address that is made of both would be one that is open to everybody."""
    assert ask(guard, "GET", path, host=host).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec_fetch_site": "same-origin"}, 200),
        ({"origin": "https://own.example"}, 200),
        ({"origin": "https://front.example", "x_forwarded_host": "front.example"}, 200),
        ({"origin": "https://huggingface.co"}, 403),
        ({"origin": "https://evil.example", "x_forwarded_host": "front.example"}, 403),
        ({"sec_fetch_site": "cross-site", "origin": "https://own.example"}, 403),
        ({}, 403),
    ],
    ids=str,
)
def test_only_its_own_page_sends(guard: Guard, headers: dict[str, str], status: int) -> None:
    cookie = ask(guard, "GET", "/").headers["set-cookie"].partition(";")[0]
    found = ask(guard, "POST", "/gradio_api/reset", cookie=cookie, **headers)
    assert found.status_code == status


def test_who_keeps_no_cookie_learns_why(guard: Guard) -> None:
    answer = ask(guard, "GET", "/config")
    assert answer.status_code == 401 and "keeps no cookies" in answer.json()["error"]


def test_a_fault_behind_the_guard_is_one_sentence(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(guard, "app", broken)
    answer = ask(guard, "GET", "/")
    assert answer.status_code == 500 and "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "secret detail" in caplog.text
