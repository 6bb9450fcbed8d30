"""Whether the tests' workers are forked, as tests/warm.py promises; else the suite takes twice as
long, and nothing else says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import app
from tests import warm

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture(autouse=True)
def warm_process_is_ready() -> None:
    end = time.monotonic() + 120
    while not Path(os.environ[warm.ADDRESS]).exists():
        assert time.monotonic() < end, "the warm process has not come up"
        time.sleep(0.1)


def test_what_other_tests_import_leaves_children_warm() -> None:
    assert warm.fits(dict(os.environ)), "a module that a test imports changes the environment"


def test_the_environment_of_the_app_leaves_its_workers_warm() -> None:
    environment = os.environ | dict.fromkeys(app.OFFLINE_SETTINGS, "1")
    assert warm.fits(environment | {"HF_HUB_DISABLE_TELEMETRY": "True"}), "as gradio sets it"


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="this system has no /proc")
def test_a_worker_is_a_child_of_the_warm_process() -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "engine.work.oneshot"], stdin=subprocess.PIPE, text=True
    )
    command = Path(f"/proc/{child.pid}/cmdline").read_text()
    child.communicate("")
    assert "tests.warm" in command
