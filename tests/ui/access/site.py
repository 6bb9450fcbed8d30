"""A page that is really served, on a made-up engine; and a stranger who speaks plain HTTP to it."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import secrets
import warnings
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import gradio as gr
import httpx
import pytest

import app
from engine.spec.limits import TABLES
from tests.fake_backend import FakeBackend
from tests.ui.fakes import fake_engine
from ui import serve
from ui.access.guard import Site
from ui.access.uploads import Uploads
from ui.context import Context
from ui.options import Options, read_options

API = "/gradio_api"
# Ports of its own for each of the processes that test at once.
FIRST_PORT = 17860 + 100 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
AT_ONCE = 20  # events that a stranger asks for at once
Found = TypeVar("Found")
UNTIDY = pytest.mark.filterwarnings(  # what Gradio leaves open, and what its queue asks of pandas
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::pandas.errors.Pandas4Warning",
)


class Served(NamedTuple):
    """A page at its address."""

    url: str  # without a token
    opened: str  # as it is printed: in local mode with its token
    ctx: Context
    blocks: gr.Blocks
    site: Site
    site: Site
    clients: list[httpx.Client]  # of everybody who has come

    @property
    def home(self) -> Path:
        return self.ctx.engine.store.root

    def functions(self, name: str) -> list[int]:
        """The numbers of the events that a handler answers."""
        return [number for number, fn in self.blocks.fns.items() if fn.name == name]


@contextmanager
def serving(home: Path, *words: str) -> Iterator[Served]:
    """Serve a page as app.py does with these words on its command line."""
    options: Options = read_options(["--home", str(home), "--no-browser", *words])
    engine = fake_engine(home, FakeBackend(seconds=0.001), TABLES[options.mode])
    # Gradio has one folder for uploads in a process, and several pages may be served at once here.
    uploads = Uploads(home.parent.parent / "uploads", engine.store.limits)
    ctx = Context(engine, uploads=uploads)
    address = serve.Address("127.0.0.1", serve.free_port(FIRST_PORT, "127.0.0.1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(ctx.uploads.folder))
        site = serve.make_site(options, engine.store, ctx.uploads, address.port)
        blocks = app.create_app(ctx)
        opened = serve.serve_page(blocks, site, address)
        try:
            url = f"http://127.0.0.1:{address.port}"
            yield Served(url, opened, ctx, blocks, site, clients := [])
        finally:
            for client in clients:
                client.close()
            blocks.close(verbose=False)
            engine.close()
            with warnings.catch_warnings():  # Gradio leaves event loops and sockets open
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()


class Answer(NamedTuple):
    """How an event ended: refused before it began (``status``), or with these last outputs."""

    status: int
    text: str  # everything that came back
    ok: bool

    @property
    def refused(self) -> bool:
        return not self.ok


class Stranger:
    """Somebody with a client of his own, who may keep to nothing."""

    def __init__(self, served: Served, **headers: str) -> None:
        self.served = served
        known = {"Origin": served.url, **headers}
        self.http = httpx.Client(base_url=served.url, headers=known, timeout=30, trust_env=False)
        served.clients.append(self.http)
        self.session = secrets.token_hex(8)

    def enter(self, address: str = "/") -> Stranger:
        """Open the page, as a browser does."""
        answer = self.http.get(address, headers={"Sec-Fetch-Site": "none"}, follow_redirects=True)
        assert answer.status_code == 200, answer.text[:300]
        return self

    def log_in(self, name: str, password: str) -> httpx.Response:
        return self.http.post("/login", data={"name": name, "password": password})

    @property
    def owner(self) -> str:
        """His name as an owner in a demo, which his cookie holds."""
        return re.match(r"v-[0-9a-f]{32}", next(iter(self.http.cookies.values())))[0]

    # --- events ---

    def join(self, number: int, data: list[Any], event: Any = None, **more: Any) -> httpx.Response:
        """Ask for an event."""
        body = {"fn_index": number, "data": data, "event_data": event, "trigger_id": 0}
        body |= {"session_hash": self.session, **more}
        headers = {"Content-Type": "application/json"}
        return self.http.post(f"{API}/queue/join", content=json.dumps(body), headers=headers)

    def call(self, name: str, *data: Any, event: Any = None, which: int = 0) -> Answer:
        """Run a handler to its end."""
        number = self.served.functions(name)[which]
        joined = self.join(number, self.complete(number, data), event)
        if joined.status_code != 200:
            return Answer(joined.status_code, joined.text, False)
        return self.collect([joined.json()["event_id"]])[joined.json()["event_id"]]

    def complete(self, number: int, data: tuple[Any, ...]) -> list[Any]:
        """Values for all inputs of an event: those given, then what the page begins with."""
        inputs = self.served.blocks.fns[number].inputs
        return [*data, *(first_value(one) for one in inputs[len(data) :])]

    def collect(self, events: list[str]) -> dict[str, Answer]:
        """Read the session's messages until these events have ended."""
        found: dict[str, Answer] = {}
        texts: dict[str, list[str]] = {}
        url = f"{API}/queue/data?session_hash={self.session}"
        with self.http.stream("GET", url) as stream:
            for line in stream.iter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                event = message.get("event_id")
                texts.setdefault(event, []).append(json.dumps(message.get("output")))
                if message["msg"] == "process_completed":
                    found[event] = Answer(200, "\n".join(texts[event]), message["success"])
                if set(events) <= found.keys():
                    break
        return found

    def ask(self, elem_id: str, fn: str, data: Any, **more: Any) -> httpx.Response:
        """Call a function that a widget has on the server."""
        block = next(one for one in self.served.blocks.blocks.values() if one.elem_id == elem_id)
        body = {"component_id": block._id, "fn_name": fn, "data": data}
        body |= {"session_hash": self.session, **more}
        return self.http.post(f"{API}/component_server/", json=body)

    def upload(self, name: str, content: bytes) -> httpx.Response:
        return self.http.post(f"{API}/upload", files={"files": (name, content)})


def run_aside(work: Coroutine[Any, Any, Found]) -> Found:
    """Run a coroutine in a thread of its own: the browser's tests keep a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def first_value(block: Any) -> Any:
    """What a widget holds when the page opens, as the page sends it."""
    value = block.value
    if isinstance(block, gr.State) or callable(value):
        return None
    return value if isinstance(value, str | int | float | bool | list | type(None)) else None


def file_data(path: object) -> dict[str, Any]:
    """A file as the page names it."""
    return {
        "path": str(path),
        "orig_name": Path(str(path)).name,
        "meta": {"_type": "gradio.FileData"},
    }


def call_all(
    visitor: Stranger, calls: list[tuple[int, list[Any], Any]]
) -> list[tuple[int, Answer]]:
    """The answers to many events, which are asked for a few at a time: more are told to wait."""
    answers: list[tuple[int, Answer]] = []
    for first in range(0, len(calls), AT_ONCE):
        answers += _call_some(visitor, calls[first : first + AT_ONCE])
    return answers


def _call_some(
    visitor: Stranger, calls: list[tuple[int, list[Any], Any]]
) -> list[tuple[int, Answer]]:
    answers, waiting = [], {}
    for number, data, event in calls:
        joined = visitor.join(number, data, event)
        if joined.status_code == 200:
            waiting[joined.json()["event_id"]] = number
        else:
            answers.append((number, Answer(joined.status_code, joined.text, False)))
    ended = visitor.collect(list(waiting)) if waiting else {}
    return answers + [(waiting[event], answer) for event, answer in ended.items()]
