"""The users of a shared Hone: a file with their names and the hashes of their passwords (scrypt).

{"anna": {"admin": true, "password": "scrypt$15$8$1$<salt>$<hash>"}, ...}
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import HoneError
from engine.store.files import write_json
from ui.access.signing import as_text

NAME_PATTERN = re.compile(r"[a-z0-9-]{1,40}")
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 1024  # characters
# A few tenths of a second and 32 MB for each attempt: one of the choices that OWASP names.
COST, BLOCK, LANES = 15, 8, 3
MOST_MEMORY = 128 * 2**20  # bytes that OpenSSL may use


class Account(NamedTuple):
    """A user."""

    admin: bool
    password: str  # its hash with the salt and what it cost


class Accounts:
    """The users' file as it is now; read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._found: dict[str, Account] = {}

    def all(self) -> Mapping[str, Account]:
        """The users by name; raises HoneError where the file cannot be read."""
        try:
            found = self.path.stat()
        except OSError:
            found = None
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino) if found else None
        if stamp is None or stamp != self._stamp:
            self._found, self._stamp = read_accounts(self.path), stamp
        return self._found

    def check(self, name: str, password: str) -> Account | None:
        """The user with this name and password; takes as long for one who is unknown."""
        accounts = self.all()
        account = accounts.get(name)
        # Who tries a name that nobody has waits as long as who tries a wrong password.
        compared = account or next(iter(accounts.values()), None)
        right = compared is not None and matches(compared.password, password)
        return account if right else None


def read_accounts(path: Path) -> dict[str, Account]:
    """The users of a file; none where it does not exist. Raises HoneError for a damaged one."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        accounts = {
            name: Account(bool(one.get("admin")), one["password"]) for name, one in found.items()
        }
        good = all(
            NAME_PATTERN.fullmatch(name) and _parts_of(account.password)
            for name, account in accounts.items()
        )
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise HoneError(f"The users' file {path} cannot be read: {error}.") from None
    if not good:
        raise HoneError(f"The users' file {path} is damaged. Add its users again, into a new file.")
    return accounts


def add_account(path: Path, name: str, password: str, admin: bool) -> bool:
    """Add a user, or change his password; True where he is new. Raises HoneError."""
    name = checked_name(name)
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise HoneError(
            f"A password has at least {SHORTEST_PASSWORD} and at most {LONGEST_PASSWORD:,} "
            "characters."
        )
    accounts = read_accounts(path)
    other = next((one for one, account in accounts.items() if account.admin and one != name), "")
    if admin and other:
        raise HoneError(f"'{other}' is the administrator already, and there is one only.")
    before = accounts.get(name)
    account = Account(admin or bool(before and before.admin), hash_password(password))
    _write(path, accounts | {name: account})
    return before is None


def remove_account(path: Path, name: str) -> None:
    """Remove a user; what he has made stays. Raises HoneError where there is none."""
    accounts = read_accounts(path)
    if accounts.pop(name, None) is None:
        raise HoneError(f"There is no user '{name[:40]}'.")
    _write(path, accounts)


def checked_name(name: str) -> str:
    """A name as accounts have it; raises HoneError."""
    if not NAME_PATTERN.fullmatch(name):
        raise HoneError("A name has 1 to 40 small letters, digits and hyphens.")
    return name


def _write(path: Path, accounts: Mapping[str, Account]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    before = os.umask(0o077)
    try:
        write_json(path, {name: account._asdict() for name, account in accounts.items()})
    finally:
        os.umask(before)


# --- passwords ---


def hash_password(password: str) -> str:
    """What is kept of a password."""
    salt = secrets.token_bytes(16)
    made = _scrypt(password, salt, COST, BLOCK, LANES)
    figures = "$".join(map(str, (COST, BLOCK, LANES)))
    return f"scrypt${figures}${as_text(salt)}${as_text(made)}"


def matches(kept: str, password: str) -> bool:
    """Whether a password is the one that was kept."""
    parts = _parts_of(kept)
    if parts is None or len(password) > LONGEST_PASSWORD:
        return False
    figures, salt, made = parts
    return hmac.compare_digest(_scrypt(password, salt, *figures), made)


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    text = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(
        text, salt=salt, n=2**cost, r=block, p=lanes, maxmem=MOST_MEMORY, dklen=32
    )


def _parts_of(kept: str) -> tuple[tuple[int, int, int], bytes, bytes] | None:
    """Cost, salt and hash of a kept password; None where it is not one of ours."""
    found = re.fullmatch(r"scrypt\$(1\d)\$(\d)\$(\d)\$([\w-]+)\$([\w-]+)", kept, re.ASCII)
    if not found:
        return None
    cost, block, lanes = map(int, found.groups()[:3])
    salt, made = (base64.urlsafe_b64decode(text + "==") for text in found.groups()[3:])
    return (cost, block, lanes), salt, made
