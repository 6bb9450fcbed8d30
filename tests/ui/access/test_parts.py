"""The parts of the guard by themselves: signatures, claims, throttle, accounts, sessions."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest

from engine.errors import HoneError
from ui import users
from ui.access import accounts, login
from ui.access.accounts import Accounts, add_account, read_accounts, remove_account
from ui.access.claims import Claims
from ui.access.login import Sessions, check_accounts
from ui.access.signing import Signer, cookie_header, load_key
from ui.access.throttle import FREE_ATTEMPTS, Throttle
from ui.options import read_options


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that cost little; the format is the same."""
    monkeypatch.setattr(accounts, "COST", 10)
    monkeypatch.setattr(accounts, "LANES", 1)


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


# --- accounts ---


def test_users_are_kept_with_hashes_that_only_the_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "new" / "users.json"
    assert add_account(file, "anna", "correct horse", admin=True)
    assert add_account(file, "ben", "battery staple", admin=False)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "horse" not in file.read_text() and "staple" not in file.read_text()
    known = Accounts(file)
    assert known.check("anna", "correct horse").admin
    assert not known.check("ben", "battery staple").admin
    for name, password in (("anna", "battery staple"), ("ben", ""), ("eve", "x"), ("", "")):
        assert known.check(name, password) is None
    before = json.loads(file.read_text())
    assert before["anna"]["password"] != before["ben"]["password"]
    assert not add_account(file, "ben", "another one", admin=False), "he is not new"
    assert known.check("ben", "another one") and not known.check("ben", "battery staple")
    remove_account(file, "ben")
    assert known.check("ben", "another one") is None


@pytest.mark.parametrize(
    ("name", "password", "admin", "words"),
    [
        ("Anna B", "long enough", False, "small letters"),
        ("../x", "long enough", False, "small letters"),
        ("", "long enough", False, "small letters"),
        ("a" * 41, "long enough", False, "small letters"),
        ("ben", "short", False, "at least 8"),
        ("ben", "long enough", True, "administrator already"),
    ],
)
def test_an_account_that_makes_no_sense_is_refused(
    tmp_path: Path, name: str, password: str, admin: bool, words: str
) -> None:
    file = tmp_path / "users.json"
    add_account(file, "boss", "long enough", admin=True)
    with pytest.raises(HoneError, match=words):
        add_account(file, name, password, admin)
    assert list(read_accounts(file)) == ["boss"]
    with pytest.raises(HoneError, match="no user"):
        remove_account(file, "nobody")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"a": 1}', '{"a": {"password": "plain"}}', '{"../x": {"password": "x"}}',
     '{"a": {"password": "scrypt$99$8$1$AA$AA"}}', '{"a": {"password": "scrypt$15$8$1$A$A"}}'],
)  # fmt: skip
def test_a_damaged_file_lets_nobody_in(tmp_path: Path, text: str) -> None:
    file = tmp_path / "users.json"
    file.write_text(text)
    with pytest.raises(HoneError, match="users' file"):
        check_accounts(Accounts(file))


def test_nobody_can_log_in_where_there_are_no_users(tmp_path: Path) -> None:
    with pytest.raises(HoneError, match="user add"):
        check_accounts(Accounts(tmp_path / "users.json"))


# --- sessions ---


def test_a_session_ends(tmp_path: Path) -> None:
    file, clock = tmp_path / "users.json", Clock()
    add_account(file, "anna", "correct horse", admin=False)
    known, sessions = Accounts(file), Sessions(clock)
    account = known.check("anna", "correct horse")

    def begin() -> str:
        return sessions.open("anna", account)

    secret = begin()
    for _ in range(20):  # a page that is open keeps it alive
        clock.now += login.IDLE_SECONDS - 1
        assert sessions.find(secret, known)
    clock.now += login.IDLE_SECONDS + 1
    assert sessions.find(secret, known) is None
    secret = begin()
    for _ in range(40):
        clock.now += login.IDLE_SECONDS - 1
        sessions.find(secret, known)
    assert sessions.find(secret, known) is None, "it has lasted long enough"
    secret = begin()
    sessions.close(secret)
    assert sessions.find(secret, known) is None
    first, *_, last = [begin() for _ in range(login.MOST_SESSIONS + 1)]
    assert sessions.find(first, known) is None and sessions.find(last, known)
    add_account(file, "anna", "another password", admin=False)
    assert sessions.find(last, known) is None, "the password was changed"
    account = known.check("anna", "another password")
    last = begin()
    remove_account(file, "anna")
    assert sessions.find(last, known) is None, "the user was removed"


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


# --- the command ---


def test_users_are_added_listed_and_removed_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "users.json"

    def run(*words: str, typed: str = "") -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        return users.main([*words, "--users", str(file)])

    assert run("add", "boss", "--admin", typed="long enough\n") == 0
    assert (
        run("add", "anna", typed="short\n") == 1 and run("add", "Anna!", typed="long enough") == 1
    )
    assert run("add", "anna", typed="long enough too\n") == 0
    assert Accounts(file).check("anna", "long enough too")
    assert run("list") == 0
    said = capsys.readouterr()
    assert "boss (administrator)" in said.out and "at least 8" in said.err
    assert run("remove", "anna") == 0 and run("remove", "anna") == 1
    assert list(read_accounts(file)) == ["boss"]
    with pytest.raises(SystemExit):
        run("add")
