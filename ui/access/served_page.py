"""The page as it is served: made once, since it is the same for everybody.

Gradio copies and writes its whole config anew for each page that opens, which takes a tenth of a
second of processor time. Nobody's words are in it: what is somebody's comes when the page asks.
"""

from __future__ import annotations

from collections import OrderedDict

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# All that it depends on: the address it is reached by, and how it is sent. Gradio sees no other.
HEADERS = (b"host", b"x-forwarded-host", b"x-forwarded-proto", b"accept-encoding")
MOST_KEPT = 8  # one for each address and encoding; the one that was asked for longest ago goes


class ServedPage:
    """A layer that answers ``GET /`` as it was answered before; so also HEAD, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: OrderedDict[tuple[object, ...], list[Message]] = OrderedDict()
        self._making = anyio.Lock()  # of many who come at once, the others wait for the first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name in HEADERS]
        key = (scope["scheme"], *headers)
        async with self._making:
            messages = self._kept.get(key) or await self._make(scope, receive, headers)
            if messages[0]["status"] == 200:
                self._kept[key] = messages
                self._kept.move_to_end(key)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        begun, *rest = messages
        await send({**begun, "headers": [*begun["headers"]]})  # to which the guard adds
        for message in rest:
            await send(message)

    async def _make(
        self, scope: Scope, receive: Receive, headers: list[tuple[bytes, bytes]]
    ) -> list[Message]:
        messages: list[Message] = []

        async def note(message: Message) -> None:
            messages.append(message)

        alone = {"method": "GET", "headers": headers, "query_string": b""}
        await self.app({**scope, **alone}, receive, note)
        return messages
