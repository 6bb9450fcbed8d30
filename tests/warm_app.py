"""The app as tests/warm.py forks it, and its workers with it; takes the arguments of app.py."""

from __future__ import annotations

import secrets
import subprocess
import sys

import app
from tests.warm import WarmPopen
from ui import header

if __name__ == "__main__":
    subprocess.Popen = WarmPopen  # type: ignore[misc]
    header.BOOT_ID = secrets.token_hex(4)  # made when the module was imported, once for all forks
    sys.exit(app.main(sys.argv[1:]))
