"""The page as it is served: made once, since it is the same for everybody, with Hone's scripts
before Gradio's.

Gradio copies and writes its whole config anew for each page that opens, which takes a tenth of a
second of processor time. Nobody's words are in it: what is somebody's comes when the page asks.
"""

from __future__ import annotations

import gzip
from collections import OrderedDict
from typing import NamedTuple

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# All that it depends on: the address it is reached by. Gradio sees no other.
HEADERS = (b"host", b"x-forwarded-host", b"x-forwarded-proto")
MOST_KEPT = 8  # one for each address; the one that was asked for longest ago goes


class MadePage(NamedTuple):
    """What Gradio answered, in two encodings."""

    status: int
    media_type: str
    plain: bytes
    zipped: bytes


class ServedPage:
    """A layer that answers ``GET /`` as it was answered before; so also HEAD, without the body.

    ``scripts``: HTML that belongs before all scripts of Gradio, which adds its ``head`` after them.
    """

    def __init__(self, app: ASGIApp, scripts: str) -> None:
        self.app = app
        self._scripts = scripts.encode()
        self._kept: OrderedDict[tuple[object, ...], MadePage] = OrderedDict()
        self._making = anyio.Lock()  # of many who come at once, the others wait for the first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name in HEADERS]
        key = (scope["scheme"], *headers)
        async with self._making:
            page = self._kept.get(key) or await self._make(scope, receive, headers)
            if page.status == 200:
                self._kept[key] = page
                self._kept.move_to_end(key)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        zipped = "gzip" in Request(scope).headers.get("accept-encoding", "")
        more = {"content-encoding": "gzip"} if zipped else {}
        body = page.zipped if zipped else page.plain
        answer = Response(body, page.status, more | {"vary": "accept-encoding"}, page.media_type)
        await answer(scope, receive, send)

    async def _make(
        self, scope: Scope, receive: Receive, headers: list[tuple[bytes, bytes]]
    ) -> MadePage:
        messages: list[Message] = []

        async def note(message: Message) -> None:
            messages.append(message)

        alone = {"method": "GET", "headers": headers, "query_string": b""}
        await self.app({**scope, **alone}, receive, note)
        begun, *rest = messages
        media_type = dict(begun["headers"]).get(b"content-type", b"text/html").decode()
        body = b"".join(message.get("body", b"") for message in rest)
        body = body.replace(b"<head>", b"<head>" + self._scripts, 1)
        return MadePage(begun["status"], media_type, body, gzip.compress(body, mtime=0))
