"""A worker that waits for a job: when there is one, and what becomes of the job where it dies."""

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

from engine.hardware import GB
from engine.process import run as workers
from engine.process import spare as spares
from engine.process.limits import ChildLimits, child_limits
from engine.process.run import ProcessBackend
from engine.process.spare import Spare
from engine.spec.limits import DEMO
from engine.store.files import PROJECT_FOLDER, write_whole
from engine.store.run_dir import RunDir

# What a worker that waits does: the real wait, then this with the job.
WAITS = """
import os, sys, time
from engine.work.spare import wait_for_job
given = wait_for_job()
if given is None:
    os._exit(0)
mark = given.run / "queued"
print("took", given.job, flush=True)
"""
TAKES = WAITS + "mark.unlink()\nos.system('echo from a child')\nprint('spare', flush=True)\n"
FRESH = "import sys, pathlib; pathlib.Path(sys.argv[1], 'queued').unlink(); print('fresh')"


@pytest.fixture
def job(tmp_path: Path) -> RunDir:
    (tmp_path / "run").mkdir()
    run = RunDir(tmp_path / "run")
    write_whole(run.queue_mark, "train")
    return run


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The free memory in GB, which a test may change; and no wait for quiet."""
    free = [8.0]
    monkeypatch.setattr("engine.hardware.free_memory_gb", lambda _: free[0])
    monkeypatch.setattr(spares, "QUIET_SECONDS", 0.0)
    return free


class Backend(ProcessBackend):
    """Workers that note that they came."""

    def start(self, run: RunDir, job: str) -> subprocess.Popen[bytes]:
        with run.log.open("ab") as log:
            command = [sys.executable, "-c", FRESH, str(run.path)]
            return subprocess.Popen(command, stdout=log, cwd=PROJECT_FOLDER)


@pytest.fixture
def make() -> Iterator[Callable[[str], Backend]]:
    """Makes a backend with a worker that waits, which is this program."""
    made: list[Spare] = []

    def with_program(program: str) -> Backend:
        backend = Backend()
        spare = backend.keep_spare()
        spare.command = (sys.executable, "-c", program)
        spare.tend()
        made.append(spare)
        return backend

    yield with_program
    for spare in made:
        spare.end()


def gone(pid: int, seconds: float = 10) -> bool:
    """Whether a process ends soon."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_it_does_the_job_and_writes_to_the_log_of_the_run(make, job: RunDir) -> None:
    backend = make(TAKES)
    pid = backend.spare.pid
    assert pid and backend.spare.memory > 0
    assert os.getsid(pid) == pid, "Ctrl-C in the terminal is the app's"
    assert backend.work(job, "train") == 0
    assert job.log.read_text().split("\n") == ["took train", "from a child", "spare", ""]
    assert not backend.spare.pid and not backend.spare.memory


def test_one_that_died_before_there_was_a_job(make, job: RunDir) -> None:
    backend = make("import sys; sys.stdin.read()")
    os.kill(backend.spare.pid, signal.SIGKILL)
    assert backend.work(job, "train") == 0
    assert job.log.read_text() == "fresh\n"


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), 9)", "sys.exit(0)"])
def test_one_that_dies_before_it_takes_the_job(make, job: RunDir, end: str) -> None:
    assert make(f"{WAITS}\n{end}").work(job, "train") == 0
    assert job.log.read_text() == "took train\nfresh\n"


def test_one_that_dies_with_the_job_is_a_worker_that_died(make, job: RunDir) -> None:
    """Another would not know how far it came; a job that it has put back is another request."""
    again = "from engine.store.files import write_whole\nwrite_whole(mark, 'train')\n"
    backend = make(WAITS + "mark.unlink()\n" + again + "os.kill(os.getpid(), 9)")
    assert backend.work(job, "train") == -9
    assert job.log.read_text() == "took train\n" and job.queued == "train"


def test_one_that_does_not_listen_any_more(make, job: RunDir) -> None:
    """Its end of the pipe is closed, and it lives."""
    backend = make("import os, time; os.close(0); time.sleep(60)")
    pid = backend.spare.pid
    time.sleep(0.3)
    assert backend.work(job, "train") == 0
    assert job.log.read_text() == "fresh\n" and not psutil.pid_exists(pid)


def test_one_that_hangs_does_not_keep_the_job(make, job: RunDir, monkeypatch) -> None:
    monkeypatch.setattr(workers, "TAKE_SECONDS", 0.5)
    backend = make(TAKES)
    pid = backend.spare.pid
    os.kill(pid, signal.SIGSTOP)
    assert backend.work(job, "train") == 0
    assert job.log.read_text() == "fresh\n" and not psutil.pid_exists(pid)


def test_a_job_that_is_taken_out_of_the_queue_at_that_moment(make, job: RunDir) -> None:
    backend = make(WAITS)
    job.queue_mark.unlink()
    assert backend.work(job, "train") == 0
    assert job.log.read_text() == "took train\n", "nobody else does it either"


APP = """
import sys, time
from engine.process import spare
from engine.process.limits import ChildLimits
spare.QUIET_SECONDS, spare.START_FREE_BYTES = 0, 0
one = spare.Spare(lambda: None, ChildLimits(), (sys.executable, "-c", sys.argv[1]))
one.tend()
print(one.pid, flush=True)
if sys.argv[2:]:
    from pathlib import Path
    from engine.store.run_dir import RunDir
    one.take(RunDir(Path(sys.argv[2])), "train")
    print("given", flush=True)
time.sleep(60)
"""


def kill_app(*words: str) -> int:
    """Kill an app that keeps a worker; the worker's process id."""
    command = [sys.executable, "-c", APP, *words]
    app = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT_FOLDER)
    assert app.stdout
    pid = int(app.stdout.readline())
    if words[1:]:
        app.stdout.readline()
    app.kill()
    app.communicate()
    return pid


def test_it_ends_with_the_app_as_long_as_it_has_no_job() -> None:
    assert gone(kill_app(WAITS))


def test_it_goes_on_with_its_job_where_the_app_is_killed(job: RunDir) -> None:
    kill_app(WAITS + "time.sleep(0.5)\nmark.unlink()\nprint('done', flush=True)", str(job.path))
    end = time.monotonic() + 10
    while job.queued and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.1)
    assert job.log.read_text() == "took train\ndone\n"


def test_it_has_the_environment_and_the_limits_of_a_worker(monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    given: list[dict[str, str]] = []

    def start(*_: object, env: dict[str, str], **__: object) -> None:
        given.append(env)
        raise OSError

    monkeypatch.setattr(spares.subprocess, "Popen", start)
    backend = ProcessBackend(child_limits(DEMO))
    backend.keep_spare().tend()
    assert given == [backend.environment] and "hf_secret" not in str(given)
    assert "HONE_CHILD_LIMITS" in given[0]


def test_there_is_none_where_memory_is_short(memory: list[float]) -> None:
    spare = Spare(lambda: dict(os.environ), ChildLimits(), (sys.executable, "-c", WAITS))
    memory[0] = spares.START_FREE_BYTES / GB - 0.1
    spare.tend()
    assert not spare.pid
    memory[0] += 0.2
    spare.tend()
    pid = spare.pid
    memory[0] = spares.KEEP_FREE_BYTES / GB + 0.1
    spare.tend()
    assert spare.pid == pid != 0, "it does not come and go"
    memory[0] -= 0.2
    spare.tend()
    assert not spare.pid and not psutil.pid_exists(pid)


def test_there_is_none_where_no_process_may_take_as_much(job: RunDir) -> None:
    spare = Spare(lambda: dict(os.environ), ChildLimits(memory=spares.SPARE_BYTES / 2))
    spare.tend()
    assert not spare.pid and spare.take(job, "train") is None


def test_one_that_ends_by_itself_is_not_started_over_and_over(make) -> None:
    spare = make("").spare
    pid = spare.pid
    spare._process.wait()
    spare.tend()
    spare.tend()
    assert pid and not spare.pid


def test_the_app_closes(make) -> None:
    spare = make(WAITS).spare
    pid = spare.pid
    spare.end(for_good=True)
    spare.tend()
    assert not spare.pid and not psutil.pid_exists(pid)


def test_it_waits_until_nothing_has_worked_for_a_while(make, job: RunDir, monkeypatch) -> None:
    backend = make(TAKES)
    monkeypatch.setattr(spares, "QUIET_SECONDS", 30.0)
    backend.work(job, "train")
    backend.spare.tend()
    assert not backend.spare.pid
