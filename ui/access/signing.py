"""Values that only Hone can have written, for cookies; and the header that sets one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path

KEY_BYTES = 32
KEY_FILE = "session.key"


class Signer:
    """Signs short texts with the time; a text that it has not signed itself is none."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, text: str) -> str:
        """The text with the time and a signature, in the letters that a cookie may hold."""
        body = f"{text}.{int(time.time())}"
        return f"{body}.{self._signature(body)}"

    def read(self, signed: str, seconds: float) -> str | None:
        """The text, if it was signed here within the last ``seconds``."""
        body, _, signature = signed.rpartition(".")
        text, _, made = body.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
            return None
        return text if made.isdecimal() and 0 <= time.time() - int(made) <= seconds else None

    def _signature(self, body: str) -> str:
        return as_text(hmac.digest(self._key, body.encode("utf-8", "replace"), hashlib.sha256))


def as_text(raw: bytes) -> str:
    """Bytes in the letters that a cookie may hold."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def load_key(folder: Path) -> bytes:
    """The key of a workspace, made at the first start: cookies outlive a restart of the app.

    Raises OSError where the folder cannot be written.
    """
    path = folder / KEY_FILE
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = b""
    if len(found) == KEY_BYTES:
        return found
    draft = path.with_name(f".{KEY_FILE}.{secrets.token_hex(4)}")
    with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(secrets.token_bytes(KEY_BYTES))
    draft.replace(path)
    return path.read_bytes()


def cookie_header(
    name: str, value: str, same_site: str, secure: bool = False, seconds: int | None = None
) -> str:
    """A ``Set-Cookie`` that no script of a page reads.

    ``same_site``: Strict, Lax, or None for a page that is shown within one of another site, which
    needs ``secure``. Without ``seconds`` it ends with the browser; 0 removes it.
    """
    parts = [f"{name}={value}", "Path=/", "HttpOnly", f"SameSite={same_site}"]
    parts += ["Secure"] * secure + ["Partitioned"] * (same_site == "None")
    if seconds is not None:
        parts.append(f"Max-Age={seconds}")
    return "; ".join(parts)
