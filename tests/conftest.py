"""What several tests share: a workspace, and one small real run of the pocket model."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

os.environ.setdefault(
    "OMP_WAIT_POLICY", "passive"
)  # two tests at once: idle threads leave the core to others

from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store.files import ROOT
from engine.store.run_dir import RunDir

settings.register_profile(
    "hone", deadline=None
)  # the machine is shared: a slow moment is no failure
settings.load_profile("hone")
SHARED = ROOT.parent / "shared" / "data"


class Halves(LoadScopeScheduling):
    """Of two processes one has the browser's tests, the other the rest, a file at a time."""

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
    """An engine on a workspace that holds one finished run of the pocket model."""
    engine = Engine(tmp_path_factory.mktemp("trained") / "workspace")
    run = engine.start(specs.make(SMALL))
    wait_for(run, lambda run: run.view().ended is not None and idle(run), 240)
    assert run.state().value == "finished", run.view().ended
    yield engine, run
    engine.close()
