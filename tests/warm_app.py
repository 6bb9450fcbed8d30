"""The app as tests/warm.py forks it, and its workers with it; takes the arguments of app.py."""

from __future__ import annotations

import subprocess
import sys

import app
from tests.warm import WarmPopen

if __name__ == "__main__":
    subprocess.Popen = WarmPopen  # type: ignore[misc]
    sys.exit(app.main(sys.argv[1:]))
