"""Serving the page: who is let in, on which address, behind the guard."""

from __future__ import annotations

import os
import socket
import threading
import time
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.routes import App, ORJSONResponse
from starlette.responses import FileResponse

from engine.store.files import write_whole
from engine.store.workspace import Store
from ui import theme
from ui.access.accounts import Accounts
from ui.access.doors import DemoDoor, Door, OpenDoor, TokenDoor
from ui.access.guard import Guard, Site
from ui.access.login import LoginDoor, check_accounts
from ui.access.pages import opening_file
from ui.access.signing import Signer, load_key
from ui.access.uploads import Uploads
from ui.options import Options

THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
SWEEP_SECONDS = 600
OPENING_FILE = "open-hone.html"


class Address(NamedTuple):
    """Where the page is served."""

    host: str
    port: int


class GuardedApp(App):  # type: ignore[misc]  # to mypy, Gradio is Any
    """Gradio's web app with the guard around it, and plotly.js beside its own files."""

    def __init__(self, site: Site) -> None:
        super().__init__(default_response_class=ORJSONResponse)
        self.site = site
        self.add_api_route(theme.PLOTLY_PATH, _send_plotly, methods=["GET", "HEAD"])

    def build_middleware_stack(self) -> Any:
        """Outside of Gradio's own layers, of which one tells browsers to let foreign pages read."""
        return Guard(super().build_middleware_stack(), self, self.site)


def _send_plotly() -> FileResponse:
    return FileResponse(theme.PLOTLY, media_type="text/javascript")


def choose_address(options: Options) -> Address:
    """Where to serve: in a Space and on a named address others may connect, else this machine."""
    if options.in_space:
        return Address("0.0.0.0", int(os.environ.get("GRADIO_SERVER_PORT", options.port)))
    return Address(options.host or "127.0.0.1", free_port(options.port))


def make_site(options: Options, store: Store, uploads: Uploads, port: int) -> Site:
    """The place that the guard guards; raises HoneError where nobody could come in."""
    hosts = THIS_MACHINE if options.mode != "users" and not options.in_space else None
    door = _make_door(options, store, f"hone-{port}")
    return Site(door, store, uploads, hosts, framed=options.in_space)


def _make_door(options: Options, store: Store, cookie: str) -> Door:
    if options.users:
        accounts = Accounts(options.users)
        check_accounts(accounts)
        return LoginDoor(cookie, accounts)
    if options.mode == "demo":
        return DemoDoor(cookie, Signer(load_key(store.root)), options.in_space)
    return OpenDoor() if options.no_token else TokenDoor(cookie, Signer(load_key(store.root)))


def serve(blocks: gr.Blocks, site: Site, address: Address) -> str:
    """Serve until ``blocks.close()``; returns the address to open."""
    _, url, _ = blocks.launch(
        server_name=address.host,
        server_port=address.port,
        max_file_size=int(site.uploads.largest),
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        share=False,
        footer_links=[],
        _app=GuardedApp(site),
        **theme.launch_options(),
    )
    if isinstance(site.door, TokenDoor):
        return f"{url}?token={site.door.token}"
    return str(url)


def open_browser(url: str, home: Path) -> None:
    """Open the page in the user's browser.

    Through a file that he alone may read: what a program is started with, all accounts of a machine
    can see, and the address holds the token.
    """
    path = home.resolve() / OPENING_FILE
    write_whole(path, opening_file(url))
    webbrowser.open(path.as_uri())


def start_sweeping(uploads: Uploads) -> None:
    """Remove what was broken off or never used, now and every few minutes."""

    def sweep() -> None:
        while True:
            with suppress(OSError):  # a file that is in use (Windows); the next round takes it
                uploads.sweep()
            time.sleep(SWEEP_SECONDS)

    threading.Thread(target=sweep, daemon=True).start()


def free_port(wanted: int) -> int:
    """The wanted port, or the next one that is free."""
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise SystemExit(f"No free port from {wanted} to {wanted + 99}. Choose another with --port.")
