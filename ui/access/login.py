"""The way in for users with names and passwords."""

from __future__ import annotations

import hashlib
import math
import secrets
import threading
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qs

import anyio
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from engine.errors import HoneError
from ui.access.accounts import Account, Accounts
from ui.access.authentication import Admission
from ui.access.messages import read_body
from ui.access.pages import login_page
from ui.access.signing import cookie_header
from ui.access.throttle import Throttle
from ui.access.visitor import Visitor

IDLE_SECONDS = 12 * 3600.0  # after which a session ends; an open page keeps it alive
LONGEST_SECONDS = 14 * 24 * 3600.0
MOST_SESSIONS = 20  # of one user; his oldest ends first
LONGEST_FORM = 8192  # bytes
PASSWORDS_AT_ONCE = 2  # that are checked: each takes 32 MB
WRONG = "The name or the password is wrong."
LOG_IN = "Your session has ended. Log in again."


class Session(NamedTuple):
    """A user who has logged in."""

    name: str
    password: str  # its hash then: another password ends the session
    began: float
    seen: float


class Sessions:
    """The sessions of all users, by a hash of their secret; a restart of the app ends them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def open(self, name: str, account: Account) -> str:
        """Begin a session; returns its secret."""
        secret, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            own = [key for key, one in self._sessions.items() if one.name == name]
            for key in own[: max(0, len(own) - MOST_SESSIONS + 1)]:
                del self._sessions[key]
            self._sessions[_key_of(secret)] = Session(name, account.password, now, now)
        return secret

    def find(self, secret: str, accounts: Accounts) -> tuple[str, Account] | None:
        """The user of a session; None where it has ended, or its user's account has changed."""
        key, now = _key_of(secret), self._clock()
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                return None
            account = accounts.all().get(session.name)
            late = now - session.seen > IDLE_SECONDS or now - session.began > LONGEST_SECONDS
            if late or account is None or account.password != session.password:
                del self._sessions[key]
                return None
            self._sessions[key] = session._replace(seen=now)
        return session.name, account

    def close(self, secret: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_key_of(secret), None)


def _key_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class LoginAuthentication:
    """Users log in; the administrator works in the workspace itself, the others each in their own.

    Raises HoneError where the users' file cannot be read or holds nobody.
    """

    def __init__(self, cookie: str, accounts: Accounts) -> None:
        if not accounts.all():
            raise HoneError(
                f"There are no users in {accounts.path} yet. Add the first: "
                f"python3 start.py user add NAME --admin --users {accounts.path}"
            )
        self._cookie, self._accounts = cookie, accounts
        self._sessions, self._throttle = Sessions(), Throttle()
        self._checks = anyio.Semaphore(PASSWORDS_AT_ONCE)

    async def admit(self, request: Request) -> Admission:
        path, method = request.scope["path"], request.method
        secret = request.cookies.get(self._cookie, "")
        if path == "/login" and method == "POST":
            return await self._log_in(request)
        if path == "/logout" and method == "POST":
            self._sessions.close(secret)
            gone = self._cookie_of(request, "", seconds=0)
            return Admission(None, gone, RedirectResponse("/login", 303))
        found = self._sessions.find(secret, self._accounts) if secret else None
        if found:
            name, account = found
            if path == "/login":
                return Admission(answer=RedirectResponse("/", 303))
            return Admission(Visitor("" if account.admin else name, name, account.admin))
        return Admission(answer=_ask_to_log_in(path))

    async def _log_in(self, request: Request) -> Admission:
        name, password = await _read_form(request)
        address = request.client.host if request.client else ""
        if wait := self._throttle.begin(name, address):
            seconds = math.ceil(wait)
            answer = login_page(f"Too many attempts. Try again in {seconds} s.", name, 429)
            answer.headers["Retry-After"] = str(seconds)
            return Admission(answer=answer)
        async with self._checks:
            account = await run_sync(self._accounts.check, name, password)
        if account is None:
            return Admission(answer=login_page(WRONG, name, 401))
        self._throttle.succeed(name, address)
        self._sessions.close(request.cookies.get(self._cookie, ""))
        cookie = self._cookie_of(request, self._sessions.open(name, account))
        return Admission(None, cookie, RedirectResponse("/", 303))

    def _cookie_of(self, request: Request, secret: str, seconds: int | None = None) -> str:
        secure = request.scope["scheme"] == "https"
        return cookie_header(self._cookie, secret, "Strict", secure, seconds)


def _ask_to_log_in(path: str) -> Response:
    if path == "/login":
        return login_page()
    if path in ("/", "/logout"):
        return RedirectResponse("/login", 303)
    return JSONResponse({"error": LOG_IN}, 401)


async def _read_form(request: Request) -> tuple[str, str]:
    """Name and password as typed; empty where the form has none."""
    body = await read_body(request, LONGEST_FORM) or b""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:  # more fields than the form has
        return "", ""
    name, password = (fields.get(key, [""])[0] for key in ("name", "password"))
    return name.strip().lower()[:40], password
