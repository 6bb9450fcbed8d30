"""The login, met by a stranger; and what a user may do who is no administrator."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.ui.access.conftest import PASSWORDS, Place, come_in
from tests.ui.access.site import API, UNTIDY, Stranger
from ui.access import throttle

pytestmark = UNTIDY


@pytest.fixture(autouse=True)
def patient(users_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts of one test do not make another wait."""
    authentication = users_place.served.site.authentication
    monkeypatch.setattr(authentication, "_throttle", throttle.Throttle())


def test_who_has_not_logged_in_gets_the_login_page_alone(users_place: Place) -> None:
    stranger = Stranger(users_place.served)
    sent = stranger.http.get("/")
    assert sent.status_code == 303 and sent.headers["location"] == "/login"
    page = stranger.http.get("/login")
    assert page.status_code == 200 and 'autocomplete="current-password"' in page.text
    assert "script" not in page.headers["content-security-policy"].replace("default-src 'none'", "")
    for path in ("/config", "/whoami", f"{API}/heartbeat/abc", "/download/run/a/b", "/nothing"):
        assert stranger.http.get(path).status_code == 401
    for number in users_place.served.blocks.fns:
        assert stranger.join(number, []).status_code == 401


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "wrong password"), ("eve", PASSWORDS["anna"]), ("", ""), ("anna", ""),
     ("anna", PASSWORDS["boss"]), ("<b>", "x" * 5000), ("anna\0", PASSWORDS["anna"]),
     ("../anna", PASSWORDS["anna"])],
    ids=str,
)  # fmt: skip
def test_a_wrong_name_or_password_is_refused_in_the_same_words(
    users_place: Place, name: str, password: str
) -> None:
    answer = Stranger(users_place.served).log_in(name, password)
    assert answer.status_code == 401 and "set-cookie" not in answer.headers
    assert "The name or the password is wrong." in answer.text
    assert "<b>" not in answer.text and (not password or password not in answer.text)


def test_an_unknown_name_takes_as_long(users_place: Place) -> None:
    accounts = users_place.served.site.authentication._accounts

    def seconds(name: str) -> float:
        began = time.process_time()
        assert accounts.check(name, "wrong password") is None
        return time.process_time() - began

    known, unknown = (min(seconds(name) for _ in range(5)) for name in ("anna", "nobody"))
    assert 0.2 < known / unknown < 5


def test_the_session_is_a_cookie_that_no_other_site_sends(users_place: Place) -> None:
    answer = Stranger(users_place.served).log_in("Anna ", PASSWORDS["anna"])
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Max-Age" not in cookie
    again = Stranger(users_place.served).log_in("anna", PASSWORDS["anna"]).headers["set-cookie"]
    assert again != cookie, "every login has its own"


def test_who_logs_out_is_out(users_place: Place) -> None:
    visitor = come_in(users_place.served, "anna")
    kept = httpx.Cookies(visitor.http.cookies)
    assert visitor.http.get("/whoami").json() == {
        "name": "anna", "boot": users_place.served.site.boot,
    }  # fmt: skip
    assert visitor.http.get("/login").headers["location"] == "/"
    gone = visitor.http.post("/logout")
    assert gone.status_code == 303 and "Max-Age=0" in gone.headers["set-cookie"]
    visitor.http.cookies.update(kept)
    assert visitor.http.get("/whoami").status_code == 401, "the old cookie has ended, too"
    assert visitor.http.get("/logout").status_code == 303, "nobody is logged out by a picture"


def test_who_guesses_has_to_wait(users_place: Place) -> None:
    stranger = Stranger(users_place.served)
    found = [stranger.log_in("anna", f"guess {number}").status_code for number in range(7)]
    assert found == [401] * throttle.FREE_ATTEMPTS + [429] * 2
    right = stranger.log_in("anna", PASSWORDS["anna"])
    assert right.status_code == 429 and int(right.headers["retry-after"]) > 0
    assert "Too many attempts" in right.text


def test_the_page_says_who_is_in(users_place: Place) -> None:
    assert "Logged in as <b>anna</b>" in users_place.first.call("show_visitor").text.replace(
        "\\", ""
    )
    boss = users_place.boss
    assert boss and "(administrator)" in boss.first.call("show_visitor").text


def test_folders_and_the_hub_are_the_administrator_s(users_place: Place, tmp_path: Path) -> None:
    user = users_place.second
    for name, *data in (
        ("open_folder", str(tmp_path)), ("search_hub", "llama"), ("show_hub_dataset", "a/b"),
        ("offer_splits", "a/b", "c"), ("add_hub_dataset", "a/b"), ("change_chosen", "hub:a/b"),
    ):  # fmt: skip
        answer = user.call(name, *data)
        assert answer.refused, name
        closed = "administrator" in answer.text or "not in the list of choices" in answer.text
        assert closed, (name, answer)


def test_the_hub_is_closed_in_the_demo(demo_place: Place, tmp_path: Path) -> None:
    """No data set or model is fetched with the token of who has put the demo there."""
    visitor = demo_place.second
    for name, *data in (
        ("open_folder", str(tmp_path)), ("search_hub", "llama"), ("show_hub_dataset", "a/b"),
        ("offer_splits", "a/b", "c"), ("add_hub_dataset", "a/b"), ("change_listed", "pocket"),
        ("ask_to_remove",), ("remove_downloaded", "", "pocket"),
    ):  # fmt: skip
        for which in range(len(demo_place.served.functions(name))):
            answer = visitor.call(name, *data, event={"name": "owner/private"}, which=which)
            assert answer.refused, name
            closed = "public demo" in answer.text or "not in the list of choices" in answer.text
            assert closed, (name, answer)
