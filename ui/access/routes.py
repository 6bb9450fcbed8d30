"""Which requests reach the page: by which name, from which page, and by which route.

Routes are Hone's own, and those of Gradio's that the page needs; all others are closed.

Gradio 6.31 also serves files and pages of elsewhere (file=, proxy=), shared states (deep_link),
an API (info, call, api), records of runs, monitoring, profiling, and an editor that runs code.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from starlette.requests import Request

from ui.access.messages import Refused

SAFE_METHODS = ("GET", "HEAD")
UNKNOWN_HOST = "Hone does not answer to this name. Open the address that it printed at its start."
FOREIGN = "This request comes from a page that is not Hone's, so it was refused."
UNSIGNED = "This request does not say which page it comes from (Origin), so it was refused."
HOST = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?", re.ASCII)
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
API = "/gradio_api"
# How a request is checked: open to everybody; nothing of it is somebody's; nothing is done for it
# (Gradio's page sends it and wants an answer); Hone answers it itself; or what it names.
Kind = Literal[
    "public", "plain", "nothing", "whoami", "download", "event", "cancel", "server", "session",
    "upload", "progress",
]  # fmt: skip


class Route(NamedTuple):
    """A route that is open; groups of its pattern are what it names."""

    methods: tuple[str, ...]
    pattern: re.Pattern[str]
    kind: Kind


def _route(methods: str, pattern: str, kind: Kind) -> Route:
    return Route(tuple(methods.split()), re.compile(pattern, re.ASCII), kind)


ROUTES = (
    # Gradio's own scripts, styles and fonts, the same for everybody.
    _route("GET HEAD", r"/(?:assets|static|svelte)(?:/[\w@~+-][\w.@~+-]*)+", "public"),
    _route("GET HEAD", r"/(?:gradio_api/)?theme\.css", "public"),
    _route("GET HEAD", r"/(?:favicon\.ico|robots\.txt|manifest\.json)", "public"),
    _route("GET HEAD", r"/plotly\.min\.js", "public"),
    # Asked by Gradio itself when it starts; it does nothing a second time.
    _route("GET", rf"{API}/startup-events", "public"),
    _route("GET HEAD", r"/", "plain"),
    _route("GET", r"/config/?", "plain"),
    _route("GET", rf"{API}/app_id/?", "plain"),
    _route("POST", rf"{API}/reset/?", "nothing"),
    _route("GET", r"/whoami", "whoami"),
    _route("GET", r"/download/(.*)", "download"),
    # run/predict: only events that do not wait in the queue (Stop in a chat); see app.py.
    _route("POST", rf"{API}/(?:queue/join|run/predict)/?", "event"),
    _route("POST", rf"{API}/cancel", "cancel"),
    _route("POST", rf"{API}/component_server/?", "server"),
    _route("GET", rf"{API}/queue/data", "session"),
    _route("GET", rf"{API}/heartbeat/([\w-]{{1,64}})", "session"),
    _route("POST", rf"{API}/upload", "upload"),
    _route("GET", rf"{API}/upload_progress", "progress"),
)


def find_route(method: str, path: str) -> tuple[Route, str] | None:
    """The route of a request, and the name in its path; None for what is closed."""
    for route in ROUTES:
        if method in route.methods and (found := route.pattern.fullmatch(path)):
            return route, (found.groups() or ("",))[0]
    return None


# --- the name a request was sent to, and the page that made a browser send it ---


def check_host(request: Request, hosts: frozenset[str] | None) -> None:
    """Raise Refused for a name that is not Hone's, or none; ``hosts``: None for any name.

    Foreign names may be made to lead here (DNS rebinding), and one that is no name could pass for a
    path.
    """
    found = HOST.fullmatch(request.headers.get("host", ""))
    if not found or (hosts is not None and found[1].strip("[]").lower() not in hosts):
        raise Refused(UNKNOWN_HOST)


def check_sender(request: Request, forwarded: bool) -> None:
    """Raise Refused for a request that another page than Hone's own may have sent.

    ``forwarded``: a proxy stands before the page and says by which name it was asked.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    safe = request.method in SAFE_METHODS
    if site is not None:
        opened = safe and request.headers.get("sec-fetch-mode") == "navigate"
        own = site in ("same-origin", "none") or opened
    else:
        own = safe if origin is None else _is_own(request, origin, forwarded)
    if not own:
        raise Refused(UNSIGNED if site is None and origin is None else FOREIGN, 403)


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
