"""Adds, lists and removes the users of a shared Hone: ``start.py user``."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.errors import HoneError
from engine.store.files import PROJECT_FOLDER
from ui.access.accounts import add_account, checked_name, read_accounts, remove_account

USERS_FILE = PROJECT_FOLDER / "workspace" / "users.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one of add, list and remove; the exit code."""
    parser = argparse.ArgumentParser(
        prog="start.py user", description="The users of a shared Hone, for --users FILE."
    )
    parser.add_argument("action", choices=("add", "list", "remove"))
    parser.add_argument("name", nargs="?", default="", help="small letters, digits and hyphens")
    about = "add: this one sees the whole queue, opens folders, downloads models"
    parser.add_argument("--admin", action="store_true", help=about)
    about = f"the file with the users (default {USERS_FILE})"
    parser.add_argument("--users", type=Path, default=USERS_FILE, metavar="FILE", help=about)
    found = parser.parse_args(arguments)
    if found.action != "list" and not found.name:
        parser.error(f"which user? start.py user {found.action} NAME")
    try:
        if found.action == "add":
            _add(found.users, found.name, found.admin)
        elif found.action == "remove":
            remove_account(found.users, found.name)
            print(f"'{found.name}' can no longer log in. What this user has made stays.")
        else:
            _list(found.users)
    except (HoneError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _add(path: Path, name: str, admin: bool) -> None:
    checked_name(name)
    new = add_account(path, name, _ask_password(name), admin)
    print(f"'{name}' is added." if new else f"'{name}' has a new password.")
    print(f"Start Hone with --users {path}")


def _list(path: Path) -> None:
    for name, account in sorted(read_accounts(path).items()):
        print(f"{name}{' (administrator)' * account.admin}")


def _ask_password(name: str) -> str:
    """A password that is typed twice and not shown; without a terminal, the first line sent."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"Password of '{name}': ")
    if getpass.getpass("Once more: ") != password:
        raise HoneError("The passwords differ. Nothing was changed.")
    return password


if __name__ == "__main__":
    sys.exit(main())
