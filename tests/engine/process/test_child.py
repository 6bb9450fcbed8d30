"""Workers that answer in JSON lines: what they say, how they fail, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from engine.errors import DataError, ModelError, RunError
from engine.process import child as child_module
from engine.process.allowance import Allowance, Failures
from engine.process.child import Child, LostQuestionError
from engine.store.files import PROJECT_FOLDER

pytestmark = pytest.mark.slow

FAILURES = Failures(RunError, ended="It has ended.", silent="It is silent.", deadline=20)
FAILURES = FAILURES._replace(slow="It is slow.", memory="It is large.")
WORKER = """
import os, time
from engine.errors import DataError, HoneError, ModelError
from engine.work.serve import serve

class Special(DataError):
    pass

def count(question, report):
    print("noise of a library")
    os.write(1, b"noise of a C library")
    for number in range(question["to"]):
        report(number)
    return "end"

def special(question, report):
    raise Special("A special error.")

def bug(question, report):
    return 1 / 0

def until_stopped(question, report):
    while question["id"] not in stopped:
        report("still here")
        time.sleep(0.01)

def sleep(question, report):
    time.sleep(60)

def burn(question, report):
    while True:
        if question.get("talks"):
            report("still here")

def grow(question, report):
    kept = []
    while True:
        kept.append(bytearray(8 * 2**20))

def slow(question, report):
    report.expect(60)
    time.sleep(question["seconds"])
    report.expect(0)
    return "slept"

class PanicException(BaseException):  # as a library in Rust raises it
    pass

def panic(question, report):
    raise PanicException("retry-limit-in-match over")

stopped = set()
operations = {"count": count, "special": special, "bug": bug, "talk": until_stopped, "sleep": sleep}
operations |= {"burn": burn, "grow": grow, "slow": slow, "panic": panic}
serve(operations, lambda error: ModelError(f"A bug: {error}."), stopped)
"""
Start = Callable[..., Child]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    children: list[Child] = []

    def start(code: str = WORKER, failures: Failures = FAILURES) -> Child:
        command = (sys.executable, "-c", code)
        children.append(Child(command, tmp_path / "child.log", failures))
        return children[-1]

    yield start
    for child in children:
        child.end()


def answer(child: Child, op: str, **values: object) -> list[object]:
    return [part.value for part in child.ask(op, **values)]


def test_parts_come_before_the_end_and_noise_goes_to_the_log(start: Start, tmp_path: Path) -> None:
    child = start()
    parts = list(child.ask("count", to=3))
    assert [(part.value, part.final) for part in parts] == [
        (0, False), (1, False), (2, False), ("end", True),
    ]  # fmt: skip
    assert answer(child, "count", to=0) == ["end"], "it answers one question after the other"
    log = (tmp_path / "child.log").read_text()
    assert "noise of a library" in log and "noise of a C library" in log


def test_errors_keep_their_class_and_bugs_are_described(start: Start, tmp_path: Path) -> None:
    child = start()
    with pytest.raises(DataError, match="A special error") as caught:
        answer(child, "special")
    assert type(caught.value) is DataError
    with pytest.raises(ModelError, match="A bug: division by zero"):
        answer(child, "bug")
    assert "ZeroDivisionError" in (tmp_path / "child.log").read_text()
    assert answer(child, "count", to=0) == ["end"], "it goes on after an error"


def test_closing_the_iterator_stops_the_answer(start: Start) -> None:
    child = start()
    talk = child.ask("talk")
    assert next(talk).value == "still here"
    talk.close()
    assert answer(child, "count", to=1) == [0, "end"]


def test_a_torn_last_line_is_no_answer(start: Start) -> None:
    child = start("import sys; sys.stdin.readline(); print('{\"id\": 1, \"done', end='')")
    with pytest.raises(RunError, match="It has ended"):
        answer(child, "count")


def test_whoever_waits_for_a_killed_worker_gets_an_error(start: Start) -> None:
    child = start()
    talk = child.ask("talk")
    next(talk)
    os.kill(child._process.pid, signal.SIGKILL)
    with pytest.raises(RunError, match="It has ended"):
        list(talk)
    with pytest.raises(RunError, match="It has ended"):
        answer(child, "count")
    assert not child.alive


def test_a_silent_worker_is_ended_at_its_deadline(start: Start) -> None:
    child = start(failures=FAILURES._replace(deadline=4))
    assert answer(child, "count", to=0) == ["end"]
    began = time.monotonic()
    with pytest.raises(RunError, match="It is silent"):
        answer(child, "sleep")
    assert 3.9 < time.monotonic() - began < 8 and not child.alive


@pytest.mark.parametrize(
    ("op", "values", "allowance", "words"),
    [
        ("burn", {}, Allowance(silence=1), "It is silent"),
        ("burn", {"talks": True}, Allowance(silence=20, cpu=1), "It is slow"),
        ("grow", {}, Allowance(silence=20, memory=200 * 2**20), "It is large"),
        ("sleep", {}, Allowance(silence=60, patience=1), "It is silent"),
    ],
)
def test_a_question_that_takes_more_than_it_may_ends_its_process(
    start: Start, op: str, values: dict[str, object], allowance: Allowance, words: str
) -> None:
    child = start(failures=FAILURES._replace(allowances={op: allowance}))
    assert answer(child, "count", to=0) == ["end"]
    usage, began = psutil.Process(child._process.pid).memory_info().rss, time.monotonic()
    with pytest.raises(RunError, match=words) as caught:
        answer(child, op, **values)
    assert not isinstance(caught.value, LostQuestionError) and not child.alive
    assert time.monotonic() - began < 15 and usage < 200 * 2**20


@pytest.mark.skipif(not psutil.POSIX, reason="SIGSTOP")
def test_a_suspended_process_is_ended_and_what_waits_can_be_asked_again(start: Start) -> None:
    child = start(failures=FAILURES._replace(patience=1.5, deadline=60))
    talk = child.ask("talk")
    next(talk)
    lost: list[Exception] = []

    def ask_behind() -> None:
        try:
            answer(child, "count", to=1)
        except RunError as error:
            lost.append(error)

    behind = threading.Thread(target=ask_behind)
    behind.start()
    time.sleep(0.3)
    os.kill(child._process.pid, signal.SIGSTOP)
    with pytest.raises(RunError, match="It is silent") as caught:
        list(talk)
    behind.join(10)
    assert not isinstance(caught.value, LostQuestionError), "it had begun"
    assert [type(error) for error in lost] == [LostQuestionError] and not child.alive


def test_a_worker_may_say_that_what_comes_takes_longer(start: Start) -> None:
    child = start(failures=FAILURES._replace(deadline=0.5))
    assert answer(child, "slow", seconds=1.5) == ["slept"]


def test_a_panic_in_rust_is_a_fault_like_any_other(start: Start) -> None:
    child = start()
    with pytest.raises(ModelError, match="A bug: retry-limit-in-match over"):
        answer(child, "panic")
    assert answer(child, "count", to=0) == ["end"], "it goes on"


def test_a_worker_that_does_not_obey_is_killed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "OBEDIENCE_SECONDS", 0.3)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(); "
    child = start(deaf + "time.sleep(60)")
    time.sleep(0.5)
    child.end()
    assert not child.alive


def test_several_may_end_it_at_once(start: Start) -> None:
    """Who waits for an answer, and who sees that nobody does; with a question half sent."""
    for _ in range(40):
        child = start("import time; time.sleep(60)")
        with ThreadPoolExecutor(5) as pool:
            asking = pool.submit(answer, child, "count", more="x" * 300_000)
            time.sleep(0.01)
            for ending in [pool.submit(child.end) for _ in range(4)]:
                ending.result(20)
            assert isinstance(asking.exception(20), LostQuestionError)


def test_a_worker_that_ends_by_itself_leaves_no_zombie(start: Start) -> None:
    child = start("pass")
    deadline = time.monotonic() + 10
    while psutil.pid_exists(child._process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(child._process.pid), "it has been waited for"


@pytest.mark.skipif(not psutil.POSIX, reason="kill -9")
def test_a_busy_worker_ends_with_its_app(tmp_path: Path) -> None:
    code = (
        "import sys, threading; from pathlib import Path; from engine.errors import RunError; "
        "from engine.process.allowance import Failures; from engine.process.child import Child; "
        f"child = Child((sys.executable, '-c', {WORKER!r}), Path({str(tmp_path / 'log')!r}), "
        "Failures(RunError, '', '', 60)); "
        "list(child.ask('count', to=0)); "
        "threading.Thread(target=lambda: list(child.ask('sleep')), daemon=True).start(); "
        "print(child._process.pid, flush=True); threading.Event().wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=PROJECT_FOLDER
    ) as app:
        assert app.stdout
        pid = int(app.stdout.readline())
        assert psutil.pid_exists(pid)
        app.kill()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    gone = not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert gone, "nobody waits for its answer"


@pytest.mark.skipif(not psutil.LINUX, reason="RLIMIT_DATA")
def test_a_oneshot_fails_by_itself_before_memory_runs_out(tmp_path: Path) -> None:
    code = (
        "from engine.work import oneshot\n"
        "oneshot.free_memory_gb = lambda kind: 0\n"
        "oneshot.psutil.swap_memory = lambda: type('Swap', (), {'free': 0})\n"
        "oneshot.limit_memory()\n"
        "try:\n    bytearray(3 * 2**30)\n"
        "except MemoryError as error:\n    print(oneshot.describe_data_error(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_FOLDER
    )
    assert "memory ran out while this data was read" in done.stdout
