"""Where a request comes from: the name it was sent to, and the page that made a browser send it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.requests import Request

SAFE_METHODS = ("GET", "HEAD")
UNKNOWN_HOST = "Hone does not answer to this name. Open the address that it printed at its start."
FOREIGN = "This request comes from a page that is not Hone's, so it was refused."
UNSIGNED = "This request does not say which page it comes from (Origin), so it was refused."
HOST = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?", re.ASCII)
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def host_problem(request: Request, hosts: frozenset[str] | None) -> str:
    """What is wrong with the name that the request was sent to: foreign names may be made to lead
    here (DNS rebinding), and one that is no name could pass for a path."""
    found = HOST.fullmatch(request.headers.get("host", ""))
    if found and hosts is None:
        return ""
    return "" if found and found[1].strip("[]").lower() in (hosts or ()) else UNKNOWN_HOST


def foreign_problem(request: Request, forwarded: bool) -> str:
    """What is wrong with where a request comes from; empty where Hone's own page sent it.

    ``forwarded``: a proxy stands before the page and says by which name it was asked.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    safe = request.method in SAFE_METHODS
    if site is not None:
        opened = safe and request.headers.get("sec-fetch-mode") == "navigate"
        return "" if site in ("same-origin", "none") or opened else FOREIGN
    if origin is None:
        return "" if safe else UNSIGNED
    return "" if _is_own(request, origin, forwarded) else FOREIGN


def _is_own(request: Request, origin: str, forwarded: bool) -> bool:
    names = [request.headers.get("host", "")]
    if forwarded:
        names += request.headers.get("x-forwarded-host", "").split(",")
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in DEFAULT_PORTS or not parts.netloc:
        return False
    port = DEFAULT_PORTS[parts.scheme]
    own = parts.netloc.lower().removesuffix(port)
    return own in {name.strip().lower().removesuffix(port) for name in names if name.strip()}
