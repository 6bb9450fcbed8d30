"""How each mode knows who a request comes from, or what is answered instead."""

from __future__ import annotations

import hmac
import re
import secrets
from typing import NamedTuple, Protocol

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ui.access.pages import closed_page, leading_page
from ui.access.signing import Signer, cookie_header
from ui.access.visitor import LOCAL_VISITOR, Visitor

COOKIE_SECONDS = 30 * 24 * 3600
ADMITTED = "local"  # what a cookie of the local mode holds
DEMO_OWNER = re.compile(r"v-[0-9a-f]{32}")
TOKEN_NEEDED = "Open the address that Hone printed in its terminal window when it started."
VISIT_ENDED = "Your visit has ended, or your browser keeps no cookies. Reload the page."


class Admission(NamedTuple):
    """Who a request comes from; else the answer that it gets."""

    visitor: Visitor | None = None
    cookie: str = ""  # a Set-Cookie header for the answer
    answer: Response | None = None


class Authentication(Protocol):
    """How a mode knows its visitors."""

    async def admit(self, request: Request) -> Admission:
        """Who a request comes from; exactly one of visitor and answer is there."""


class NoAuthentication:
    """Everybody who reaches the page is the owner of the workspace (``--no-token``)."""

    async def admit(self, request: Request) -> Admission:
        return Admission(LOCAL_VISITOR)


class TokenAuthentication:
    """Who knows the token of the printed address gets a cookie: not other accounts of this machine.

    The cookie is signed with the workspace's key, so pages outlive a restart of the app.
    """

    def __init__(self, cookie: str, signer: Signer) -> None:
        self.token = secrets.token_urlsafe(24)
        self._cookie, self._signer = cookie, signer

    async def admit(self, request: Request) -> Admission:
        if request.scope["path"] == "/" and "token" in request.query_params:
            given = request.query_params["token"].encode("utf-8", "replace")
            if hmac.compare_digest(given, self.token.encode()):
                value = self._signer.sign(ADMITTED)
                cookie = cookie_header(self._cookie, value, "Strict", seconds=COOKIE_SECONDS)
                return Admission(None, cookie, _without_token(request))
        signed = request.cookies.get(self._cookie, "")
        if self._signer.read(signed, COOKIE_SECONDS) == ADMITTED:
            return Admission(LOCAL_VISITOR)
        return _refuse(request, TOKEN_NEEDED)


class DemoAuthentication:
    """Every browser is an owner of its own, named by a signed cookie.

    ``framed``: the page is shown in a frame of another site, over https.
    """

    def __init__(self, cookie: str, signer: Signer, framed: bool) -> None:
        self._cookie, self._signer, self._framed = cookie, signer, framed

    async def admit(self, request: Request) -> Admission:
        signed = request.cookies.get(self._cookie, "")
        owner = self._signer.read(signed, COOKIE_SECONDS) or ""
        if DEMO_OWNER.fullmatch(owner):
            return Admission(Visitor(owner))
        # Only who opens the page becomes an owner; a request for anything else is nobody's.
        if request.scope["path"] != "/" or request.method != "GET":
            return _refuse(request, VISIT_ENDED)
        owner = f"v-{secrets.token_hex(16)}"
        secure = self._framed or request.scope["scheme"] == "https"
        same_site = "None" if self._framed else "Lax"
        value = self._signer.sign(owner)
        cookie = cookie_header(self._cookie, value, same_site, secure, COOKIE_SECONDS)
        return Admission(Visitor(owner), cookie)


def _refuse(request: Request, why: str) -> Admission:
    """401: as a small page where somebody opened the page, else as JSON."""
    if request.scope["path"] == "/":
        return Admission(answer=closed_page(why))
    return Admission(answer=JSONResponse({"error": why}, 401))


def _without_token(request: Request) -> Response:
    """To the same address without the token, which then stands in no history.

    A browser that comes from elsewhere (a file, a web terminal) would not send the new cookie along
    a redirect: for it a page of Hone's own leads on.
    """
    address = str(URL(f"/?{request.url.query}").remove_query_params("token"))
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return leading_page(address)
    return RedirectResponse(address, 303)
