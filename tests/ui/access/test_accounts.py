"""The users of a shared Hone: their file, their sessions, and the command that adds them."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest

from engine.errors import HoneError
from tests.ui.access.test_parts import Clock
from ui import users
from ui.access import accounts, login
from ui.access.accounts import Accounts, add_account, read_accounts, remove_account
from ui.access.login import LoginAuthentication, Sessions


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that cost little; the format is the same."""
    monkeypatch.setattr(accounts, "COST", 10)
    monkeypatch.setattr(accounts, "LANES", 1)


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
        LoginAuthentication("hone", Accounts(file))


def test_nobody_can_log_in_where_there_are_no_users(tmp_path: Path) -> None:
    with pytest.raises(HoneError, match="user add"):
        LoginAuthentication("hone", Accounts(tmp_path / "users.json"))


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
