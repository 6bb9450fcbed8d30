"""The page is made once for all who come, and each of them still gets a cookie of his own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from engine.spec.limits import DEMO
from engine.store.workspace import Store
from tests.ui.access.site import run_aside
from ui import serve
from ui.access.guard import Guard
from ui.access.served_page import MOST_KEPT, ServedPage
from ui.access.uploads import Uploads
from ui.options import read_options

SCRIPTS = "<script>first()</script>"


class Made:
    """What makes the page here: it writes all that it is told of who asks."""

    def __init__(self) -> None:
        self.times, self.status = 0, 200

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.times += 1
        told = repr([scope["headers"], scope["query_string"]])
        body = f"<head><script>second()</script></head>{told}".encode()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": body})


def ask(app: Any, path: str = "/", method: str = "GET", **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, headers=headers)

    return run_aside(send())


def test_the_page_is_made_once_for_each_address() -> None:
    made = Made()
    page = ServedPage(made, SCRIPTS)
    first = ask(page, cookie="a=1")
    assert ask(page, cookie="b=2").text == first.text and made.times == 1
    assert "other.example" in ask(page, host="other.example").text and made.times == 2
    assert "elsewhere" in ask(page, **{"x-forwarded-host": "elsewhere"}).text and made.times == 3
    ask(page, "/?page=none", "HEAD")
    assert made.times == 3, "who wants the headers alone"
    ask(page, "/config")
    assert made.times == 4


def test_hone_s_scripts_come_first_in_either_encoding() -> None:
    page = ServedPage(Made(), SCRIPTS)
    plain, zipped = (ask(page, **{"accept-encoding": one}) for one in ("identity", "gzip, br"))
    assert "content-encoding" not in plain.headers and plain.text == zipped.text
    assert zipped.headers["content-encoding"] == "gzip"
    assert "<head><script>first()</script><script>second()</script></head>" in plain.text


def test_nothing_of_who_asks_is_in_it() -> None:
    text = ask(
        ServedPage(Made(), SCRIPTS), "/?name=zebra", cookie="a=zebra", referer="http://zebra"
    ).text
    assert "host" in text and "zebra" not in text


def test_a_fault_is_not_kept() -> None:
    made = Made()
    page, made.status = ServedPage(made, SCRIPTS), 500
    assert ask(page).status_code == 500
    made.status = 200
    assert ask(page).status_code == 200


def test_made_up_addresses_fill_no_memory() -> None:
    page = ServedPage(Made(), SCRIPTS)
    for number in range(2 * MOST_KEPT):
        ask(page, host=f"{number}.example")
    assert len(page._kept) == MOST_KEPT


def test_each_visitor_gets_a_cookie_of_his_own(home: Path) -> None:
    made, options = Made(), read_options(["--home", str(home), "--demo"])
    site = serve.make_site(options, Store(home, limits=DEMO), Uploads(home, DEMO), 80)
    guard = Guard(ServedPage(made, SCRIPTS), None, site)
    first, second = (ask(guard, **{"sec-fetch-site": "none"}) for _ in range(2))
    assert made.times == 1 and first.text == second.text
    assert "v-" in first.headers["set-cookie"] != second.headers["set-cookie"]
    assert len(second.headers.get_list("set-cookie")) == 1
