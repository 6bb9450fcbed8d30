"""Serving the page: who is let in, on which address, behind the guard."""

from __future__ import annotations

import errno
import inspect
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
from ui import gradio_internals, gradio_script, theme
from ui.access.accounts import Accounts
from ui.access.authentication import (
    Authentication,
    DemoAuthentication,
    NoAuthentication,
    TokenAuthentication,
)
from ui.access.guard import Guard, Site
from ui.access.login import LoginAuthentication
from ui.access.pages import opening_file
from ui.access.served_page import ServedPage
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
    """Gradio's web app with the guard around it, and scripts beside its own files."""

    def __init__(self, site: Site) -> None:
        super().__init__(default_response_class=ORJSONResponse)
        self.site, self.state_holder = site, gradio_internals.PageStates()
        self.add_api_route(theme.PLOTLY_PATH, _send_plotly, methods=["GET", "HEAD"])
        for script in gradio_script.changed_scripts():
            self.add_api_route(script.path, script.answer, methods=["GET", "HEAD"])

    def build_middleware_stack(self) -> Any:
        """Outside of Gradio's own layers, of which one tells browsers to let foreign pages read."""
        return Guard(
            ServedPage(super().build_middleware_stack(), theme.head_scripts()), self, self.site
        )


def _send_plotly() -> FileResponse:
    return FileResponse(theme.PLOTLY, media_type="text/javascript")


def choose_address(options: Options) -> Address:
    """Where to serve: in a Space and on a named address others may connect, else this machine."""
    if options.in_space:
        return Address("0.0.0.0", int(os.environ.get("GRADIO_SERVER_PORT", options.port)))
    host = options.host or "127.0.0.1"
    return Address(host, free_port(options.port, host))


def make_site(options: Options, store: Store, uploads: Uploads, port: int) -> Site:
    """The place that the guard guards; raises HoneError where nobody could come in."""
    hosts = THIS_MACHINE if options.mode != "users" and not options.in_space else None
    authentication = _make_authentication(options, store, f"hone-{port}")
    return Site(authentication, store, uploads, hosts, framed=options.in_space)


def _make_authentication(options: Options, store: Store, cookie: str) -> Authentication:
    if options.users:
        return LoginAuthentication(cookie, Accounts(options.users))
    if options.mode == "local" and options.no_token:
        return NoAuthentication()
    signer = Signer(load_key(store.root))
    if options.mode == "demo":
        return DemoAuthentication(cookie, signer, options.in_space)
    return TokenAuthentication(cookie, signer)


def serve_page(blocks: gr.Blocks, site: Site, address: Address) -> str:
    """Serve until ``blocks.close()``; returns the address to open."""
    _remember_signatures(blocks)
    gradio_internals.spare_processor(blocks)
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
    if isinstance(site.authentication, TokenAuthentication):
        return f"{url}?token={site.authentication.token}"
    return str(url)


def _remember_signatures(blocks: gr.Blocks) -> None:
    """Gradio works out a constructor's signature whenever it describes a widget, and it describes
    all of them for each page that opens: half of what a page costs."""
    for kind in {type(block) for block in blocks.blocks.values()}:
        constructor = inspect.unwrap(kind.__init__)
        constructor.__signature__ = inspect.signature(constructor)  # where inspect looks first


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


def free_port(wanted: int, host: str) -> int:
    """The wanted port, or the next one that is free; ends the program where there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(wanted, wanted + 100):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                return port
            except OSError as error:
                if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                    raise SystemExit(
                        f"Hone cannot be served on '{host}': {error.strerror}. Give --host an "
                        "address of this machine."
                    ) from None
    raise SystemExit(f"No free port from {wanted} to {wanted + 99}. Choose another with --port.")
