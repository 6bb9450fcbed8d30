"""Which of Gradio's routes the page needs; all others are closed.

Gradio 6.31 also serves files and pages of elsewhere (file=, proxy=), shared states (deep_link),
an API (info, call, api), records of runs, monitoring, profiling, and an editor that runs code.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

API = "/gradio_api"
# How a request is checked: open to everybody; nothing of it is somebody's; nothing is done for it
# (Gradio's page sends it and wants an answer); or what it names.
Kind = Literal[
    "public", "plain", "nothing", "event", "cancel", "server", "session", "upload", "progress",
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
