"""What several tests share: a workspace, and one small real run of the pocket model.

``--fast`` leaves out whatever starts a worker, serves a page or imports torch, and forbids it to
the rest. Elsewhere workers are forked from a warm process (tests/warm.py).
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# Two tests at once: a thread each, and idle threads leave the core to others.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store.files import PROJECT_FOLDER, keep_private
from engine.store.run_dir import RunDir
from tests import warm

keep_private()  # as the app does
gc.disable()  # until all tests are imported
# The machine is shared: a slow moment is no failure.
settings.register_profile("hone", deadline=None)
settings.load_profile("hone")
SHARED = PROJECT_FOLDER.parent / "shared" / "data"
SLOW_FOLDERS = tuple(
    PROJECT_FOLDER / "tests" / name for name in ("browser", "engine/work", "oracle", "ui/access")
)
SLOW_FIXTURES = {"trained", "browser"}
# A minute or more each, the browser's aside.
LONGEST_FILES = {
    "test_worker", "test_memory_limit", "test_preferences", "test_classify", "test_resume",
}  # fmt: skip
STACK = ExitStack()


class ForbidTorch:
    """A finder of modules that lets no fast test import torch."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name == "torch":
            raise AssertionError("a fast test imports torch: mark it with pytest.mark.slow")


class FastPopen(warm.WarmPopen):
    """Children of fast tests: what reads data and asks the Hub, but no torch and no app."""

    def __init__(self, args: Any, *more: Any, **named: Any) -> None:
        words = [str(word) for word in args] if isinstance(args, list | tuple) else [str(args)]
        if "engine.work" in words[:3] or any(word.endswith("app.py") for word in words[:3]):
            raise AssertionError(f"a fast test starts {words[:3]}: mark it with pytest.mark.slow")
        super().__init__(args, *more, **named)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="no worker, no browser, no torch")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: starts a worker, imports torch or takes seconds")
    fast = config.getoption("--fast")
    if fast:
        sys.meta_path.insert(0, ForbidTorch())
    if hasattr(os, "fork"):
        subprocess.Popen = FastPopen if fast else warm.WarmPopen
        if not hasattr(config, "workerinput"):  # once for all processes
            folder = Path(STACK.enter_context(tempfile.TemporaryDirectory(prefix="hone-")))
            modules = warm.ONE_SHOT if fast else warm.WORKERS
            STACK.enter_context(warm.warm_process(folder, modules))


def pytest_unconfigure(config: pytest.Config) -> None:
    STACK.close()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    slow = config.getoption("--fast") and collection_path in SLOW_FOLDERS
    return True if slow else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--fast"):
        fast = [item for item in items if not is_slow(item)]
        config.hook.pytest_deselected(items=[item for item in items if is_slow(item)])
        items[:] = fast
    items.sort(key=place_in_order)


def pytest_collection_finish() -> None:
    """What was imported stays: no collection of garbage need look at it again."""
    gc.enable()
    gc.freeze()


def place_in_order(item: pytest.Item) -> tuple[bool, bool, bool]:
    """The longest first, so that no process is left with one of them at the end."""
    folders = set(item.path.parents)
    longest, slow = item.path.stem in LONGEST_FILES, bool(folders & set(SLOW_FOLDERS))
    return SLOW_FOLDERS[0] not in folders, not longest, not slow


def is_slow(item: pytest.Item) -> bool:
    """Whether a test starts a worker, imports torch or takes seconds."""
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(item.get_closest_marker("slow") or fixtures & SLOW_FIXTURES)


class Halves(LoadScopeScheduling):
    """Of two processes one has the browser's tests, the other the rest, a file at a time.

    Two pages that watch a training at once take twice as long as one after the other.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "browser" if "browser/" in nodeid else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Halves:
    return Halves(config, log)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files that nobody wrote for Hone; absent on most machines."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared/data is not on this machine")
    return SHARED


@pytest.fixture
def kills_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Meanwhile no test of another process kills workers, or lets the system kill one for memory.

    The system counts its own kills for all processes together: Hone would take one for the other.
    """
    with FileLock(common_folder(tmp_path_factory) / "kills.lock"):
        yield


def common_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all test processes of this run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def wait_for(run: RunDir, condition, seconds: float = 90) -> None:
    """Wait until a condition on the run holds; fails with the run's log."""
    end = time.monotonic() + seconds
    while not condition(run):
        if time.monotonic() > end:
            log = run.log.read_text(errors="replace")[-2000:] if run.log.exists() else "no log"
            pytest.fail(f"waited {seconds} s in vain; the state is {run.state()}\n{log}")
        time.sleep(0.1)


def idle(run: RunDir) -> bool:
    return not run.queued and not run.alive


SMALL = {
    "name": "small",
    "data": {"source": "sample:pirate", "max_length": 96},
    "method": {"rank": 8},
    "optim": {"epochs": 1, "batch_size": 16, "learning_rate": 3e-3},
    "sampling": {"checks": 2, "max_new_tokens": 12},
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, RunDir]]:
    """An engine on a workspace of its own with one finished run, trained once for all processes."""
    common = common_folder(tmp_path_factory)
    with FileLock(common / "trained.lock"):
        if not (common / "trained").exists():
            train_small(common / "trained.draft")
            (common / "trained.draft").rename(common / "trained")
    home = tmp_path_factory.mktemp("trained") / "workspace"
    engine = Engine(shutil.copytree(common / "trained", home))
    yield engine, next(iter(engine.store.all_runs()))
    engine.close()


def train_small(home: Path) -> None:
    """Train one small run to its end, in a worker whose memory is all its own."""
    engine = Engine(home)
    with warm.cold():
        run = engine.start(specs.make_spec(SMALL))
        wait_for(run, lambda run: run.view().ended is not None and idle(run), 240)
    assert run.state().value == "finished", run.view().ended
    engine.close()
