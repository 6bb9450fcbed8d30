"""The real app in a real browser. An error of the page or its console, or a request to elsewhere,
fails the test.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import start
from engine.store.files import PROJECT_FOLDER
from tests import warm

SCREENSHOTS = PROJECT_FOLDER / "tests" / "screenshots"
QUIET = (
    "background-networking",
    "component-update",
    "sync",
)  # Chromium itself stays off the network too
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    *(f"--disable-{name}" for name in QUIET),
]
TOKEN = "with a token"  # for ``app``: as users start it
HERE = re.compile(r"(http|ws)://127\.0\.0\.1:\d+/|data:|blob:")
LEAVING: set[Any] = (
    set()
)  # pages on their way out: Gradio's client complains of what it had to leave unfinished
DATA_TAB = "#nav .tab-container [data-tab-id=data]"
OpenPage = Callable[..., Any]
Serve = Callable[..., str]


@contextmanager
def app(
    home: Path, *more: str, env: dict[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The app as a process of its own on a free port: its address and the process; killed at the
    end. Without a token, except where a test is about who may come in.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app_itself = (
        ["-m", "tests.warm_app"] if warm.ADDRESS in os.environ else [str(PROJECT_FOLDER / "app.py")]
    )
    open_to_all = [] if {"--users", "--demo", TOKEN} & set(more) else ["--no-token"]
    more = tuple(word for word in more if word != TOKEN)
    options = ["--no-browser", *open_to_all, "--port", str(port), "--home", str(home), *more]
    words = [sys.executable, *app_itself, *options]
    environment = os.environ | {"PYTHONPATH": str(PROJECT_FOLDER)} | (env or {})
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, "the app did not start"
            yield found.group().rstrip("/"), process
        finally:
            process.kill()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts apps, which are asked to leave at the end: after the pages that show them, since this
    comes first.
    """
    with ExitStack() as stack:
        started = []

        def one(home: Path, *more: str, env: dict[str, str] | None = None) -> str:
            url, process = stack.enter_context(app(home, *more, env=env))
            started.append(process)
            return url

        yield one
        for process in started:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0, "it did not leave cleanly"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    chromium = start.find_browser()
    if not chromium:
        pytest.skip("no Chromium or Chrome is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Any, serve: Serve) -> Iterator[OpenPage]:
    """Opens pages; what went wrong in any of them fails the test at its end."""
    wrong: list[str] = []

    def hear(message: Any) -> None:
        if message.type == "error" and message.page not in LEAVING:
            wrong.append(f"console: {message.text}")

    def watch(request: Any) -> None:
        if not HERE.match(request.url):
            wrong.append(f"left this machine: {request.url}")

    contexts = []

    def opened(
        url: str, width: int = 1280, height: int = 900, dark: bool = False, ready: str = DATA_TAB
    ) -> Any:
        scheme = "dark" if dark else "light"
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"page: {error.stack or error}"))
        page.on("console", hear)
        page.on("request", watch)
        page.goto(url)
        page.locator(ready).wait_for(timeout=30_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not wrong, wrong


def reload(page: Any) -> None:
    """Open the same page anew, as a person does with F5."""
    LEAVING.add(page)
    page.reload()
    LEAVING.discard(page)


def go(page: Any, tab: str) -> None:
    """To another tab, through the overflow menu where the window is narrow."""
    direct, menu = (
        page.get_by_role("tab", name=tab, exact=True),
        page.locator(".overflow-menu > button"),
    )
    direct.or_(menu).filter(visible=True).first.wait_for()
    chosen = page.locator("[role=tab][aria-selected=true]", has_text=tab).or_(
        menu.filter(has_text=tab)
    )
    offered = page.locator(".overflow-dropdown button", has_text=tab)
    for _ in range(3):  # a click on a page that is still being put together may be lost
        if direct.is_visible():
            direct.click()
        else:
            if not offered.is_visible():  # the menu may still be open: another click would close it
                menu.click()
            offered.click()
        page.wait_for_timeout(300)
        if chosen.count():
            return
    page.locator(f"#{tab.lower()}-tab, [role=tabpanel]:visible").first.wait_for()


def unfold(page: Any, box: str) -> None:
    """Open a fold and wait as a person does: Gradio makes its fields then, and sets their values a
    frame later.
    """
    head = page.locator(f"{box} button").first
    if "open" not in (head.get_attribute("class") or "").split():
        head.click()
    page.locator(f"{box} :is(input, textarea)").filter(visible=True).first.wait_for()
    page.evaluate(
        "new Promise(done => requestAnimationFrame(() =>"
        " requestAnimationFrame(() => setTimeout(done, 300))))"
    )


def picture(page: Any, name: str) -> None:
    """A screenshot that a person can look at afterwards."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
