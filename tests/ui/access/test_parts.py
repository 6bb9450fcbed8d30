"""The parts of the guard by themselves: signatures, claims, throttle; options; the browser."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from starlette.requests import Request

from engine.store.workspace import Store
from tests.ui.access.site import run_aside
from ui import serve
from ui.access import downloads, login
from ui.access.claims import Claims
from ui.access.signing import Signer, cookie_header, load_key
from ui.access.throttle import FREE_ATTEMPTS, LONGEST_BY_NAME, LONGEST_WAIT, Throttle
from ui.options import read_options


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# --- the login's form ---


@pytest.mark.parametrize(
    ("body", "found"),
    [("name=Anna+&password=x", ("anna", "x")), ("", ("", "")), ("name", ("", "")),
     ("&".join(["name=a"] * 11), ("", "")), ("a" * 9000, ("", "")), ("\0;=", ("", ""))],
)  # fmt: skip
def test_a_form_that_is_none_has_neither_name_nor_password(
    body: str, found: tuple[str, str]
) -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body.encode(), "more_body": False}

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    assert run_aside(login._read_form(request)) == found


# --- signatures ---


def test_only_what_was_signed_here_is_read(tmp_path: Path) -> None:
    key = load_key(tmp_path)
    assert (
        load_key(tmp_path) == key
        and stat.S_IMODE((tmp_path / "session.key").stat().st_mode) == 0o600
    )
    signer, other = Signer(key), Signer(b"x" * 32)
    signed = signer.sign("v-1")
    assert signer.read(signed, 60) == "v-1"
    assert other.read(signed, 60) is None
    body, _, signature = signed.rpartition(".")
    forged = ["", ".", "..", "v-1", body, f"v-2.{body.split('.')[1]}.{signature}", signed + "x"]
    forged += [f"{body}.", f"v-1.99999999999.{signature}", "é.1.é", signed.replace(".", "", 1)]
    assert [one for one in forged if signer.read(one, 60)] == []


def test_a_signature_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    signer, clock = Signer(b"k" * 32), Clock()
    monkeypatch.setattr("ui.access.signing.time.time", clock)
    signed = signer.sign("x")
    clock.now += 60
    assert signer.read(signed, 60) == "x" and signer.read(signed, 59) is None
    clock.now -= 120
    assert signer.read(signed, 60) is None, (
        "from the future: the clock was set back, or it is forged"
    )


def test_a_damaged_key_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "session.key").write_bytes(b"short")
    assert len(load_key(tmp_path)) == 32


def test_cookies_say_who_may_send_them() -> None:
    strict = cookie_header("a", "b", "Strict")
    assert strict == "a=b; Path=/; HttpOnly; SameSite=Strict"
    framed = cookie_header("a", "b", "None", secure=True, seconds=5)
    assert {"SameSite=None", "Secure", "Partitioned", "Max-Age=5"} <= set(framed.split("; "))


# --- claims ---


def test_a_session_belongs_to_who_names_it_first() -> None:
    claims = Claims(most=3)
    assert claims.claim("session", "s", "a") and claims.claim("session", "s", "a")
    assert not claims.claim("session", "s", "b") and not claims.holds("session", "s", "b")
    assert claims.claim("upload", "s", "b"), "another kind of name"
    for number in range(10):
        claims.claim("session", f"b{number}", "b")
    assert claims.holds("session", "s", "a"), "one owner's many names push out none of another's"
    assert not claims.holds("session", "b0", "b") and claims.holds("session", "b9", "b")


def test_owners_who_do_not_come_back_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.access.claims.MOST_OWNERS", 3)
    claims = Claims()
    for owner in ("a", "b", "c", "a", "d"):
        claims.claim("session", f"of {owner}", owner)
    assert [claims.holds("session", f"of {owner}", owner) for owner in "abcd"] == [1, 0, 1, 1]
    assert len(claims._owners) == 3


# --- throttle ---


def test_who_guesses_waits_longer_and_longer() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    assert [throttle.begin("name a", "address 1") for _ in range(FREE_ATTEMPTS)] == [0] * 5
    waits = []
    for _ in range(4):
        wait = throttle.begin("name a", "address 1")
        waits.append(wait)
        clock.now += wait
        assert throttle.begin("name a", "address 1") == 0
    assert waits == [5, 10, 20, 40]
    assert throttle.begin("name b", "address 1") > 0, "another name from the same address"
    assert throttle.begin("name a", "address 2") > 0, "the same name from another address"
    assert throttle.begin("name b", "address 2") == 0
    throttle.succeed("name a", "address 1")
    assert throttle.begin("name a", "address 1") == 0
    clock.now += 4000
    assert throttle.begin("name b", "address 2") == 0


def test_a_stranger_cannot_keep_a_user_out() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    waits = []
    for _ in range(2101):  # one who guesses on and on, each time as soon as he may
        waits.append(throttle.begin("anna", "far away"))
        clock.now += waits[-1]
    assert waits[-2:] == [LONGEST_WAIT, 0]
    assert 0 < throttle.begin("anna", "at home") <= LONGEST_BY_NAME
    clock.now += LONGEST_BY_NAME
    assert throttle.begin("anna", "at home") == 0
    assert throttle.begin("anna", "far away") > LONGEST_BY_NAME
    throttle.succeed("anna", "at home")
    assert throttle.begin("anna", "at home") == 0
    for number in range(1200):  # and many at once
        clock.now += throttle.begin("ben", f"address {number}")
    assert throttle.begin("ben", "at home") <= LONGEST_BY_NAME


# --- options ---


def test_other_machines_come_in_with_a_password_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--host", "0.0.0.0"], ["--users", "u", "--demo"], ["--port", "0"]):
        with pytest.raises(SystemExit) as left:
            read_options(words)
        assert left.value.code == 2
    assert "--users" in capsys.readouterr().err
    assert read_options(["--host", "0.0.0.0", "--users", "u"]).mode == "users"


def test_a_space_is_a_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_options([]).mode == "local" and read_options(["--demo"]).mode == "demo"
    monkeypatch.setenv("SPACE_ID", "owner/name")
    assert read_options([]).mode == "demo"


def test_the_browser_is_not_started_with_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a program is started with, all accounts of a machine can see."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    serve.open_browser("http://127.0.0.1:7860/?token=secret", tmp_path)
    assert opened == [(tmp_path / serve.OPENING_FILE).as_uri()]
    assert "?token=secret" in (tmp_path / serve.OPENING_FILE).read_text()


# --- files to take away ---


def test_one_download_after_the_other_does_not_fill_the_disk(home: Path) -> None:
    store = Store(home)
    links = []
    for _ in range(5):
        path, link = downloads.new_file(store, "rows.csv")
        path.write_text("a")
        links.append(link)
    kept = list(downloads.made_folder(store).iterdir())
    assert [path.name for path in kept] == [links[-1].rpartition("/")[2]]
