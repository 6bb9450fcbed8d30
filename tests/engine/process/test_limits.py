"""Limits of processes: what a child puts on itself, and what the app sees of a worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.process import exit_status, run
from engine.process.allowance import Allowance, Watch
from engine.process.environment import private_environment
from engine.process.limits import ChildLimits, child_limits, own_limits
from engine.process.run import ProcessBackend
from engine.process.usage import Usage
from engine.spec.limits import DEMO, TABLES, UNLIMITED, Mode
from engine.store.files import PROJECT_FOLDER
from engine.store.run_dir import RunDir

WRITER = """
import sys
from engine.work import oneshot
oneshot.hold_to_files()
try:
    with open(sys.argv[1], "wb", buffering=0) as file:
        while True:
            file.write(bytes(2**20))
except OSError as error:
    print(oneshot.describe_data_error(error))
"""


@pytest.mark.parametrize("mode", TABLES)
def test_a_child_learns_the_limits_of_its_mode(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = child_limits(TABLES[mode])
    for name, value in limits.as_environment().items():
        monkeypatch.setenv(name, value)
    assert own_limits() == limits
    assert limits.cpu_seconds < UNLIMITED and limits.file_bytes < UNLIMITED


@pytest.mark.parametrize("said", ["", "x", "[]", "[null]"])
def test_limits_that_cannot_be_read_are_none(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONE_CHILD_LIMITS", said)
    assert own_limits() == ChildLimits()


@pytest.mark.slow
@pytest.mark.skipif(not psutil.POSIX, reason="RLIMIT_FSIZE")
def test_a_file_that_grows_too_long_is_refused_in_words(tmp_path: Path) -> None:
    limits = ChildLimits(file_bytes=3 * 2**20).as_environment()
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path / "file")],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT_FOLDER,
        env={**os.environ, **limits},
    )
    assert "takes more room than the 3.0 MB that are allowed. Split the file" in done.stdout
    assert (tmp_path / "file").stat().st_size == 3 * 2**20


@pytest.fixture
def job(tmp_path: Path) -> RunDir:
    (tmp_path / "run").mkdir()
    return RunDir(tmp_path / "run")


@pytest.mark.slow
def test_a_worker_that_takes_too_much_memory_is_ended(
    job: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It then goes on with a smaller layout, as after an end by the system."""
    greedy = "import time; kept = bytearray(b'x' * 2**28); time.sleep(60)"
    started = subprocess.Popen

    def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        return started([sys.executable, "-c", greedy], **options)

    monkeypatch.setattr(run.subprocess, "Popen", start)
    backend = ProcessBackend(ChildLimits(memory=100 * 2**20))
    code = backend.work(job, "train")
    assert code < 0 and exit_status.ended_for_memory(job, code, 0, log_size=0)


def test_a_worker_learns_no_secret(job: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    given: list[dict[str, str]] = []
    monkeypatch.setattr(run.subprocess, "Popen", lambda *_, env, **__: given.append(env))
    ProcessBackend(child_limits(DEMO)).start(job, "train")
    assert "hf_secret" not in str(given) and "HONE_CHILD_LIMITS" in given[0]
    assert private_environment().items() <= given[0].items() | {("PYTHONIOENCODING", "utf-8")}


GB = 2**30


@pytest.mark.parametrize(
    ("after", "usage", "begun", "met"),
    [
        (1, Usage(1, GB, 0), True, None),
        (9, Usage(9, GB, 0), True, None),
        (10, Usage(10, GB, 0), True, "silent"),  # computed in silence
        (31, Usage(0, GB, 0), True, "silent"),  # did nothing
        (31, Usage(3, GB, 0), True, None),  # others have the machine
        (61, Usage(3, GB, 0), True, "silent"),  # for too long
        (31, Usage(0, GB, 5), True, None),  # reads from a slow disk
        (1, Usage(1, 3 * GB, 0), True, "memory"),
        (1, Usage(1, 3 * GB, 0), False, None),  # another's question takes it
        (31, Usage(31, GB, 0), False, None),  # still starts, or answers another
        (31, Usage(0, GB, 0), False, "silent"),  # hangs, whoever asked
    ],
)
def test_what_is_too_much(after: float, usage: Usage, begun: bool, met: str | None) -> None:
    watch = Watch(Allowance(silence=10, memory=GB), Usage(0, GB, 0))
    if begun:
        watch.allow(0, Usage(0, GB, 0))
    start = watch.heard
    watch.look(Usage(0, GB, 0), start + 0.01, 0)
    if usage.cpu or usage.moved:  # it was seen at work a moment ago
        watch.look(usage, start + after - 0.5, 0)
    assert watch.look(usage, start + after, 0) == met


def test_a_question_has_processor_time_in_all() -> None:
    watch = Watch(Allowance(silence=10, cpu=20), Usage(5, GB, 0))
    watch.allow(0, Usage(5, GB, 0))
    start = watch.heard
    for second in range(1, 20):
        watch.heard = start + second  # it talks all the time
        assert watch.look(Usage(5 + second, GB, 0), start + second, 0) is None
    assert watch.look(Usage(25, GB, 0), start + 20, 0) == "slow"
