"""What passes through the guard: a body read and given on, an answer's headers, a refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send


class Refused(Exception):
    """A request that is not passed on: what is answered instead, with this HTTP status."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


class Answering:
    """``send`` with the headers of every answer, and without those that let other pages read it."""

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send, self._headers = send, headers
        self.begun = False
        self.cookie = ""
        self.on_json: Any = None  # is given the answer, where it is to be looked at
        self._seen = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            self._change(MutableHeaders(scope=message))
        elif message["type"] == "http.response.body" and self.on_json:
            self._seen += message.get("body", b"")
            if not message.get("more_body"):
                with suppress(ValueError):
                    self.on_json(json.loads(self._seen))
        await self._send(message)

    def _change(self, headers: MutableHeaders) -> None:
        for name in [name for name in headers if name.startswith("access-control-")]:
            del headers[name]
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        if self.cookie:
            headers.append("set-cookie", self.cookie)


async def read_body(request: Request, most: float) -> bytes | None:
    """The whole body; None where it has more bytes than ``most``."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


def again(raw: bytes, receive: Receive) -> Receive:
    """A body that has been read, once more; then what comes after it."""
    given = False

    async def once_more() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": raw, "more_body": False}

    return once_more


def uncompressed(scope: Scope) -> Scope:
    """The request, which asks for a plain answer, since the guard reads it."""
    kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
    return {**scope, "headers": kept}
