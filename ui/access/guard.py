"""The guard of the page: every request passes it, before Gradio sees any of it.

It asks where a request comes from (host, page), who sends it (ui.access.authentication), whether
the page needs that route (ui.access.routes), and whether what it names is the visitor's.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import anyio
import gradio as gr
from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from engine.store.workspace import Store
from ui import push
from ui.access import downloads, event_body
from ui.access.authentication import Authentication
from ui.access.claims import Claims, OpenPages
from ui.access.event_body import StrangeBody
from ui.access.messages import Answering, Refused, again, read_body, uncompressed
from ui.access.routes import Kind, Route, check_host, check_sender, find_route
from ui.access.uploads import Uploads
from ui.access.visitor import Visitor, visitor_of
from ui.gradio_internals import waiting_requests
from ui.push import PushChannel

NOT_HERE = "There is nothing here. Go back to the page."
OTHER_PAGES = "This belongs to another page. Reload yours."
TOO_LONG = "This is too much at once. Save it as a file and add the file."
TOO_MUCH = "Too much of yours is waiting already. Try again when that is done."
BUG = "Something went wrong in Hone. Its details are in app.log."
SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)
SHORT_BODY = 2**16  # bytes that are checked in no time
LONG_BODIES_AT_ONCE = 2  # each in a thread: the page answers everybody else meanwhile


@dataclass(frozen=True)
class Site:
    """What the guard knows of the place that it guards."""

    authentication: Authentication
    store: Store  # of the workspace; each visitor's own is asked of it
    uploads: Uploads
    hosts: frozenset[str] | None = None  # names that the page is reached by; None: by any
    framed: bool = False  # the page is shown within a page of huggingface.co (a Space)
    claims: Claims = field(default_factory=Claims)
    # Identifies this start of the app, so that a page notices a restart.
    boot: str = field(default_factory=lambda: secrets.token_hex(4))

    @cached_property
    def channel(self) -> PushChannel:
        """Over which open pages hear what changes."""
        return PushChannel(self.store, self.boot)

    @property
    def headers(self) -> Mapping[str, str]:
        """What every answer says to a browser, unless it says something stricter itself."""
        parents = "'self' https://huggingface.co" if self.framed else "'none'"
        policy = (
            f"frame-ancestors {parents}; object-src 'none'; base-uri 'self'; form-action 'self'"
        )
        found = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
        }
        return found if self.framed else found | {"x-frame-options": "DENY"}


class Guard:
    """The page's outermost layer."""

    def __init__(self, app: ASGIApp, page: Any, site: Site) -> None:
        self.app, self.page, self.site = app, page, site
        self._headers = site.headers
        self._limits = site.store.limits
        self._pages = OpenPages(self._limits.open_pages)
        self._under_way: Counter[str] = Counter()  # requests of each owner, in this thread alone
        self._checks = anyio.Semaphore(LONG_BODIES_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._open_channel(WebSocket(scope, receive, send))
        else:
            await self._answer(scope, receive, Answering(send, self._headers))

    async def _open_channel(self, socket: WebSocket) -> None:
        """Let a page hear what changes (ui.access.push), if it could also ask for it."""
        # The same questions as to a request; a browser says of every WebSocket which page opens it.
        request, visitor = Request({**socket.scope, "type": "http", "method": "POST"}), None
        with suppress(Refused):
            check_host(request, self.site.hosts)
            check_sender(request, forwarded=self.site.framed)
            if request.scope["path"] == push.PATH:
                visitor = (await self.site.authentication.admit(request)).visitor
        if visitor is None:
            await socket.close(1008)
            return
        self._store_of(visitor.owner).touch_owner()
        await self.site.channel.serve(socket, visitor.owner)

    async def _answer(self, scope: Scope, receive: Receive, send: Answering) -> None:
        try:
            answer = await self._admit(Request(scope, receive), send)
        except ClientDisconnect:
            return
        except Refused as error:
            answer = JSONResponse({"error": str(error)}, error.status)
        except Exception as error:
            logging.getLogger("hone").error("bug at %s", scope["path"], exc_info=error)
            answer = None if send.begun else JSONResponse({"error": BUG}, 500)
        if answer:
            await answer(scope, receive, send)

    async def _admit(self, request: Request, send: Answering) -> Response | None:
        """The guard's own answer; None where Gradio has answered. Raises Refused."""
        check_host(request, self.site.hosts)
        check_sender(request, forwarded=self.site.framed)
        found = find_route(request.method, request.scope["path"])
        if found and found[0].kind == "public":
            return await self._pass(request, send)
        admission = await self.site.authentication.admit(request)
        send.cookie = admission.cookie
        if admission.visitor is None:
            return admission.answer
        if found is None or "deep_link" in request.query_params:
            raise Refused(NOT_HERE, 404)
        return await self._serve(request, send, admission.visitor, found)

    async def _serve(
        self, request: Request, send: Answering, visitor: Visitor, found: tuple[Route, str]
    ) -> Response | None:
        """Answer a visitor who was let in; what his request names must be his."""
        owner, query = visitor.owner, request.query_params
        store = self._store_of(owner)
        store.touch_owner()
        request.scope.setdefault("state", {})["visitor"] = visitor
        route, name = found
        match route.kind:
            case "nothing":
                return JSONResponse({"success": True})
            case "whoami":
                return JSONResponse({"name": visitor.name, "boot": self.site.boot})
            case "download":
                return downloads.send_file(store, name)
            case "upload":
                if "upload_id" in query:
                    self._claim("upload", query["upload_id"], owner)
                return await self.site.uploads.receive(request, owner)
            case "event" | "cancel" | "server" as kind:
                await self._pass_body(request, send, owner, kind)
                return None
            case "session":
                name = name or query.get("session_hash", "")
                self._claim("session", name, owner)
                self.page.state_holder.reopen(name)
            case "progress":
                self._claim("upload", query.get("upload_id", ""), owner)
        return await self._pass(request, send)

    def _store_of(self, owner: str) -> Store:
        store = self.site.store
        return store if owner == store.owner else store.for_owner(owner)

    async def _pass(self, request: Request, send: Send) -> Response | None:
        """Let Gradio answer."""
        await self.app(request.scope, request.receive, send)
        return None

    async def _pass_body(self, request: Request, send: Answering, owner: str, kind: Kind) -> None:
        """Pass a request on whose body names a session, if all that it names is its sender's."""
        asked = self._under_way[owner]
        if kind == "event":
            waiting = map(visitor_of, waiting_requests(self.page.get_blocks()))
            asked += sum(visitor.owner == owner for visitor in waiting)
        if asked >= self._limits.requests_at_once:
            raise Refused(TOO_MUCH, 429)
        self._under_way[owner] += 1
        try:
            raw = await read_body(request, self._limits.request_bytes)
            if raw is None:
                raise Refused(TOO_LONG, 413)
            if len(raw) <= SHORT_BODY:
                self._check_body(kind, raw, owner)
            else:
                async with self._checks:
                    await run_sync(self._check_body, kind, raw, owner)
            scope = request.scope
            if kind == "event":
                send.on_json = lambda answer: self._note_event(answer, owner)
                scope = uncompressed(scope)
            await self.app(scope, again(raw, request.receive), send)
        finally:
            self._under_way[owner] -= 1
            if not self._under_way[owner]:
                del self._under_way[owner]

    def _claim(self, kind: str, name: Any, owner: str) -> None:
        """Take a name for an owner; raises Refused where it is another's, or none."""
        if not isinstance(name, str) or not SESSION.fullmatch(name):
            raise StrangeBody
        if not self.site.claims.claim(kind, name, owner):
            raise Refused(OTHER_PAGES, 403)
        if kind == "session":
            self._pages.enter(name, owner)

    def _check_body(self, kind: Kind, raw: bytes, owner: str) -> None:
        """Raise Refused for a body that the page does not send, or that names another's."""
        blocks: gr.Blocks = self.page.get_blocks()
        body = event_body.parse_body(raw)
        self._claim("session", body.get("session_hash"), owner)
        if kind == "event":
            event_body.check_event(blocks, body, lambda path: self.site.uploads.owns(owner, path))
        elif kind == "server":
            event_body.check_server_call(blocks, body)
        elif not self.site.claims.holds("event", str(body.get("event_id")), owner):
            raise Refused(OTHER_PAGES, 403)

    def _note_event(self, answer: Any, owner: str) -> None:
        """Only who has asked for an event may cancel it."""
        if isinstance(answer, dict) and isinstance(answer.get("event_id"), str):
            self.site.claims.claim("event", answer["event_id"], owner)
