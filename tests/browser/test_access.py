"""Coming in, in a real browser: the printed address, a login, the demo; looked at by axe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import TOKEN, app, picture
from tests.browser.test_appearance import serious_violations
from ui import serve
from ui.access.accounts import add_account
from ui.access.pages import opening_file

SIZES = {"desk": (1280, 900, "light"), "phone": (390, 844, "dark")}


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(color_scheme="light")
    yield context.new_page()
    context.close()


def wait_for_page(page: Any) -> None:
    page.get_by_role("tab", name="Data", exact=True).wait_for(timeout=60_000)


def check(page: Any, name: str) -> None:
    """Nobody is shut out and nothing sticks out, on a desk and on a phone, light and dark."""
    from axe_playwright_python.sync_playwright import Axe

    for size, (width, height, scheme) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.evaluate(f"document.body.classList.toggle('dark', {str(scheme == 'dark').lower()})")
        page.wait_for_timeout(300)  # Gradio's colours fade
        assert not serious_violations(Axe().run(page)), (name, size)
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), (name, size)
        picture(page, f"access-{name}-{size}")


def test_the_printed_address_opens_the_page_and_no_other_does(
    browser: Any, page: Any, home: Path
) -> None:
    with app(home, TOKEN) as (url, _):
        file = home / serve.OPENING_FILE
        file.write_text(opening_file(url))
        page.goto(file.as_uri())
        wait_for_page(page)
        assert "token" not in page.url
        page.reload()
        wait_for_page(page)
        stranger = browser.new_context().new_page()
        stranger.goto(page.url)
        stranger.get_by_text("Open the address that Hone printed").wait_for()
        check(stranger, "closed")
        stranger.context.close()


def test_a_user_logs_in_and_out_with_the_keyboard_alone(
    page: Any, home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "users.json"
    add_account(file, "anna", "a long password", admin=False)
    with app(home, "--users", str(file)) as (url, _):
        page.goto(url)
        page.wait_for_url("**/login")
        page.locator("#name:focus").wait_for()
        for text in ("anna", "a wrong password"):
            page.keyboard.type(text)
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        check(page, "login")
        page.locator("#name:focus").wait_for()
        page.keyboard.press("Tab")
        page.keyboard.type("a long password")
        page.keyboard.press("Enter")
        wait_for_page(page)
        page.get_by_text("Logged in as anna").wait_for()
        check(page, "users")
        page.get_by_role("button", name="Log out").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/login")
        page.goto(url)
        page.wait_for_url("**/login")


def test_the_demo_says_what_to_expect(page: Any, home: Path) -> None:
    with app(home, "--demo") as (url, _):
        page.goto(url)
        wait_for_page(page)
        page.locator("#demo summary").focus()
        page.keyboard.press("Enter")
        page.get_by_text("All that is yours is deleted").wait_for()
        check(page, "demo")
