"""The guard of the page: every request passes it, before Gradio sees any of it.

It asks where a request comes from (host, page), who sends it (ui.access.doors), whether the page
needs that route (ui.access.routes), and whether what it names is the visitor's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import gradio as gr
from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.store.workspace import Store
from ui.access import downloads, event_body
from ui.access.claims import Claims, OpenPages, TooManyPages, UnderWay
from ui.access.doors import Door
from ui.access.event_body import StrangeBody
from ui.access.messages import Answering, again, read_body, uncompressed
from ui.access.origin import foreign_problem, host_problem
from ui.access.routes import Kind, Route, find_route
from ui.access.uploads import Uploads
from ui.access.visitor import Visitor, visitor_of

APP_LOG = logging.getLogger("hone")
NOT_HERE = "There is nothing here. Go back to the page."
NOT_YOURS = "This belongs to another page. Reload yours."
TOO_LONG = "This is too much at once. Save it as a file and add the file."
TOO_MUCH = "Too much of yours is waiting already. Try again when that is done."
BUG = "Something went wrong in Hone. Its details are in app.log."
SHORT_BODY = 2**16  # bytes that are checked in no time
CHECKS_AT_ONCE = 2  # longer bodies, each in a thread: the page answers everybody else meanwhile


@dataclass(frozen=True)
class Site:
    """What the guard knows of the place that it guards."""

    door: Door
    store: Store  # of the workspace; each visitor's own is asked of it
    uploads: Uploads
    hosts: frozenset[str] | None = None  # names that the page is reached by; None: by any
    framed: bool = False  # the page is shown within a page of huggingface.co (a Space)
    claims: Claims = field(default_factory=Claims)

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
        self._pages, self._under_way = OpenPages(self._limits.open_pages), UnderWay()
        self._checks = anyio.Semaphore(CHECKS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":  # the page has none
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope, receive, Answering(send, self._headers))

    async def _answer(self, scope: Scope, receive: Receive, send: Answering) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._admit(request, send)
            if answer is None:
                return
        except StrangeBody as error:
            answer = JSONResponse({"error": str(error)}, 400)
        except TooManyPages as error:
            answer = JSONResponse({"error": str(error)}, 429)
        except ClientDisconnect:
            return
        except Exception as error:
            APP_LOG.error("bug at %s", scope["path"], exc_info=error)
            if send.begun:
                return
            answer = JSONResponse({"error": BUG}, 500)
        await answer(scope, receive, send)

    async def _admit(self, request: Request, send: Answering) -> Response | None:
        """The guard's own answer; None where Gradio has answered."""
        site, path = self.site, request.scope["path"]
        if problem := host_problem(request, site.hosts):
            return JSONResponse({"error": problem}, 400)
        if problem := foreign_problem(request, forwarded=site.framed):
            return JSONResponse({"error": problem}, 403)
        found = find_route(request.method, path)
        if found and found[0].kind == "public":
            await self.app(request.scope, request.receive, send)
            return None
        admission = await site.door.admit(request)
        send.cookie = admission.cookie
        if admission.visitor is None:
            return admission.answer
        return await self._serve(request, send, admission.visitor, found)

    async def _serve(
        self, request: Request, send: Answering, visitor: Visitor, found: tuple[Route, str] | None
    ) -> Response | None:
        """Answer a visitor who was let in."""
        store, owner = self.site.store, visitor.owner
        if owner != store.owner:
            store = store.for_owner(owner)
        store.touch_owner()
        request.scope.setdefault("state", {})["visitor"] = visitor
        answer = self._answer_itself(request, store, visitor, found)
        if answer or found is None:
            return answer
        route, name = found
        match route.kind:
            case "upload":
                return await self._take_upload(request, owner)
            case "event" | "cancel" | "server" as kind:
                return await self._pass_body(request, send, owner, kind)
            case kind:
                return await self._pass_named(request, send, owner, (kind, name))

    def _answer_itself(
        self, request: Request, store: Store, visitor: Visitor, found: tuple[Route, str] | None
    ) -> Response | None:
        """The answer to what is none of Gradio's business."""
        path = request.scope["path"]
        if path == "/whoami" and request.method == "GET":
            return JSONResponse({"name": visitor.name})
        if path.startswith(downloads.PREFIX) and request.method == "GET":
            return downloads.send_file(store, path)
        if found is None or "deep_link" in request.query_params:
            return JSONResponse({"error": NOT_HERE}, 404)
        return JSONResponse({"success": True}) if found[0].kind == "nothing" else None

    async def _take_upload(self, request: Request, owner: str) -> Response:
        upload = request.query_params.get("upload_id")
        if upload is not None and not self._claim("upload", upload, owner):
            return JSONResponse({"error": NOT_YOURS}, 403)
        return await self.site.uploads.receive(request, owner)

    async def _pass_named(
        self, request: Request, send: Answering, owner: str, what: tuple[Kind, str]
    ) -> Response | None:
        """Pass a request on whose address names a session or an upload, if it is its sender's."""
        (kind, name), query = what, request.query_params
        own = True
        if kind == "session":
            own = self._claim("session", name or query.get("session_hash", ""), owner)
        elif kind == "progress":
            own = self._claim("upload", query.get("upload_id", ""), owner)
        if not own:
            return JSONResponse({"error": NOT_YOURS}, 403)
        await self.app(request.scope, request.receive, send)
        return None

    async def _pass_body(
        self, request: Request, send: Answering, owner: str, kind: Kind
    ) -> Response | None:
        """Pass a request on whose body names a session, if all that it names is its sender's."""
        asked = self._under_way.count(owner) + (kind == "event" and self._count_waiting(owner))
        if asked >= self._limits.requests_at_once:
            return JSONResponse({"error": TOO_MUCH}, 429)
        with self._under_way.one_more(owner):
            raw = await read_body(request, self._limits.request_bytes)
            if raw is None:
                return JSONResponse({"error": TOO_LONG}, 413)
            if not await self._allows(kind, raw, owner):
                return JSONResponse({"error": NOT_YOURS}, 403)
            if kind == "event":
                send.on_json = lambda answer: self._note_event(answer, owner)
            scope = uncompressed(request.scope, kind)
            await self.app(scope, again(raw, request.receive), send)
        return None

    def _count_waiting(self, owner: str) -> int:
        """How many events of an owner are in Gradio's queue and have not begun."""
        queues = self.page.get_blocks()._queue.event_queue_per_concurrency_id.values()
        waiting = [event.request for one in queues for event in one.queue]
        return sum(visitor_of(request).owner == owner for request in waiting)

    async def _allows(self, kind: Kind, raw: bytes, owner: str) -> bool:
        """Whether what a body names is its sender's; raises StrangeBody."""
        if len(raw) <= SHORT_BODY:
            return self._check_body(kind, raw, owner)
        async with self._checks:
            return await run_sync(self._check_body, kind, raw, owner)

    def _claim(self, kind: str, name: str, owner: str) -> bool:
        if not event_body.SESSION.fullmatch(name):
            raise StrangeBody
        own = self.site.claims.claim(kind, name, owner)
        if own and kind == "session":
            self._pages.enter(name, owner)
        return own

    def _check_body(self, kind: Kind, raw: bytes, owner: str) -> bool:
        blocks: gr.Blocks = self.page.get_blocks()
        body = event_body.parse_body(raw)
        if not self._claim("session", event_body.session_of(body), owner):
            return False
        if kind == "event":
            event_body.check_event(blocks, body, lambda path: self.site.uploads.owns(owner, path))
        elif kind == "server":
            event_body.check_server_call(blocks, body)
        elif kind == "cancel":
            return self.site.claims.holds("event", str(body.get("event_id")), owner)
        return True

    def _note_event(self, answer: Any, owner: str) -> None:
        """Only who has asked for an event may cancel it."""
        if isinstance(answer, dict) and isinstance(answer.get("event_id"), str):
            self.site.claims.claim("event", answer["event_id"], owner)
