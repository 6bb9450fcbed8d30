"""Coming in, in a real browser: the printed address, a login, the demo; looked at by axe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser.conftest import TOKEN, app, picture
from tests.browser.test_appearance import serious_violations
from ui.access.accounts import add_account

SIZES = ((1280, 900, "light"), (390, 844, "dark"))


def new_page(browser: Any, width: int = 1280, height: int = 900, scheme: str = "light") -> Any:
    size = {"width": width, "height": height}
    return browser.new_context(viewport=size, color_scheme=scheme).new_page()


def wait_for_page(page: Any) -> None:
    page.get_by_role("tab", name="Data", exact=True).wait_for(timeout=60_000)


def check(page: Any, name: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    assert not serious_violations(Axe().run(page))
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    picture(page, f"access-{name}")


def test_the_printed_address_opens_the_page_and_no_other_does(browser: Any, home: Path) -> None:
    with app(home, TOKEN) as (url, _):
        page = new_page(browser)
        page.goto(url)
        wait_for_page(page)
        assert "token" not in page.url
        page.reload()
        wait_for_page(page)
        bare = page.url
        page.context.close()
        for width, height, scheme in SIZES:
            stranger = new_page(browser, width, height, scheme)
            stranger.goto(bare)
            stranger.get_by_text("Open the address that Hone printed").wait_for()
            check(stranger, f"closed-{width}")
            stranger.context.close()


def test_a_user_logs_in_and_out_with_the_keyboard_alone(
    browser: Any, home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "users.json"
    add_account(file, "anna", "a long password", admin=False)
    with app(home, "--users", str(file)) as (url, _):
        for width, height, scheme in SIZES:
            page = new_page(browser, width, height, scheme)
            page.goto(url)
            page.wait_for_url("**/login")
            page.locator("#name:focus").wait_for()
            for text in ("anna", "a wrong password"):
                page.keyboard.type(text)
                page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            page.get_by_role("alert").wait_for()
            check(page, f"login-{width}")
            page.locator("#name:focus").wait_for()
            page.keyboard.press("Tab")
            page.keyboard.type("a long password")
            page.keyboard.press("Enter")
            wait_for_page(page)
            page.get_by_text("Logged in as anna").wait_for()
            check(page, f"users-{width}")
            page.get_by_role("button", name="Log out").focus()
            page.keyboard.press("Enter")
            page.wait_for_url("**/login")
            page.goto(url)
            page.wait_for_url("**/login")
            page.context.close()


def test_the_demo_says_what_to_expect(browser: Any, home: Path) -> None:
    with app(home, "--demo") as (url, _):
        for width, height, scheme in SIZES:
            page = new_page(browser, width, height, scheme)
            page.goto(url)
            wait_for_page(page)
            page.locator("#demo summary").focus()
            page.keyboard.press("Enter")
            page.get_by_text("All that is yours is deleted").wait_for()
            check(page, f"demo-{width}")
            page.context.close()
