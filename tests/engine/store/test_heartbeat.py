"""Signs of life: written while a process gets on, and missed when it does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engine.process.end import end_process
from engine.store import heartbeat
from engine.store.files import PROJECT_FOLDER

pytestmark = pytest.mark.slow

WORKER = """
import re, sys, threading, time
from pathlib import Path
from engine.work import heartbeat
heartbeat.SIGN_SECONDS = 0.1
signs = heartbeat.SignWriter(Path(sys.argv[1]))

def compute():
    while True:
        sum(range(10_000))

def compute_without_a_pause():
    "One call into C that keeps all other threads of Python waiting."
    sorted(range(40_000_000), key=None)
    10 ** 100_000_000

def compute_in_a_thread():
    threading.Thread(target=compute, daemon=True).start()
    time.sleep(60)

def wait_for_a_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

def sleep():
    time.sleep(60)

def write():
    while True:
        Path(sys.argv[1], "written").write_bytes(bytes(100_000))
        time.sleep(0.2)

def have_a_child_compute():
    import subprocess
    subprocess.run([sys.executable, "-c", "while True: pass"])

def wait_for_others():
    with signs.waiting():
        time.sleep(60)

def deaf():
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
    compute()

print("begun", flush=True)
globals()[sys.argv[2]]()
"""
Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "SILENT_SECONDS", 1.5)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Workers with a folder of their own, which is called like what they do."""
    made: list[subprocess.Popen[str]] = []

    def start(what: str) -> subprocess.Popen[str]:
        (tmp_path / what).mkdir()
        command = [sys.executable, "-c", WORKER, str(tmp_path / what), what]
        made.append(
            subprocess.Popen(command, cwd=PROJECT_FOLDER, stdout=subprocess.PIPE, text=True)
        )
        return made[-1]

    yield start
    for worker in made:
        if worker.poll() is None:
            end_process(psutil.Process(worker.pid), 0.1)
        worker.communicate()


def test_whoever_works_is_alive_and_whoever_hangs_is_not(start: Start, tmp_path: Path) -> None:
    works = ["compute", "compute_without_a_pause", "compute_in_a_thread", "write"]
    works += ["have_a_child_compute", "wait_for_others"]
    hangs = ["sleep", "wait_for_a_lock"]
    workers = [start(what) for what in works + hangs]
    for worker in workers:
        assert worker.stdout and worker.stdout.readline() == "begun\n"
    time.sleep(1.4)
    silent = dict.fromkeys(works + hangs, 0.0)
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        for what in silent:
            silent[what] = max(silent[what], heartbeat.silent_seconds(tmp_path / what))
        time.sleep(0.1)
    assert not any(silent[what] for what in works), silent
    assert all(1.5 < silent[what] < 6 for what in hangs), silent


@pytest.mark.skipif(not psutil.POSIX, reason="SIGSTOP")
def test_a_suspended_process_gives_no_sign_and_can_be_ended(start: Start, tmp_path: Path) -> None:
    worker, folder = start("compute"), tmp_path / "compute"
    assert worker.stdout and worker.stdout.readline() == "begun\n"
    assert not heartbeat.silent_seconds(folder)
    os.kill(worker.pid, signal.SIGSTOP)
    time.sleep(1.8)
    assert heartbeat.silent_seconds(folder) > 1.5
    os.kill(worker.pid, signal.SIGCONT)
    time.sleep(0.5)
    assert not heartbeat.silent_seconds(folder), "it goes on"
    os.kill(worker.pid, signal.SIGSTOP)
    sign = heartbeat.read_sign(folder)
    assert sign and sign.pid == worker.pid
    process = heartbeat.process_of(sign)
    assert process
    end_process(process, 0.2)
    assert worker.wait(5) in (-signal.SIGKILL, -signal.SIGTERM)
    assert heartbeat.process_of(sign) is None and not heartbeat.silent_seconds(folder)


@pytest.mark.skipif(not psutil.POSIX, reason="signals")
def test_a_process_that_does_not_obey_is_killed(start: Start) -> None:
    worker = start("deaf")
    assert worker.stdout and worker.stdout.readline() == "begun\n"
    assert worker.stdout.readline() == "deaf\n"
    end_process(psutil.Process(worker.pid), 0.2)
    assert worker.wait(5) == -signal.SIGKILL


@pytest.mark.parametrize("jump", [-86_400, -5, 5, 86_400])
def test_a_clock_that_jumps_makes_nobody_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    sign = heartbeat.own_sign()
    heartbeat.write_sign(tmp_path, sign)
    now, boot = time.time(), psutil.boot_time()
    monkeypatch.setattr(time, "time", lambda: now + jump)
    # The system works out both from the clock as it is now.
    began = psutil.Process().create_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: boot + jump)
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: began + jump)
    assert not heartbeat.silent_seconds(tmp_path)
    assert heartbeat.process_of(sign), "it is known all the same"


@pytest.mark.parametrize("line", [b"", b"x", b"1 2", b"1 2 x", b"\xff\xfe", b"9" * 400])
def test_a_line_that_cannot_be_read_says_nothing(tmp_path: Path, line: bytes) -> None:
    (tmp_path / heartbeat.NAME).write_bytes(line)
    assert heartbeat.read_sign(tmp_path) is None and not heartbeat.silent_seconds(tmp_path)


def test_another_process_with_the_same_number_is_another(tmp_path: Path) -> None:
    sign = heartbeat.own_sign()
    assert heartbeat.process_of(sign) and not heartbeat.process_of(sign._replace(began=1.0))
