"""A real worker that waits: it trains as a fresh one does, whenever its job comes."""

from __future__ import annotations

import time

import psutil
import pytest

from engine.process import spare as spares
from engine.process.run import ProcessBackend
from engine.runs.engine import Engine
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.engine.work.train import killed_runs


@pytest.fixture
def engine(home, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(spares, "QUIET_SECONDS", 0.0)
    return Engine(home, supervise=False)


def train_in(engine: Engine, backend: ProcessBackend, loaded: bool) -> tuple[RunDir, int]:
    """A run, and the process that trained it; ``loaded``: it had time to load its libraries."""
    run, pid = killed_runs.make(engine, optim={"epochs": 1}), 0
    if backend.spare:
        backend.spare.tend()
        pid = backend.spare.pid
        if loaded:
            wait_until_idle(pid)
    assert backend.work(run, "train") == 0
    assert run.state() == RunState.FINISHED, run.log.read_text()
    return run, pid


def wait_until_idle(pid: int) -> None:
    """Wait until a process computes nothing any more."""
    before, now, end = -1.0, 0.0, time.monotonic() + 60
    while now != before and time.monotonic() < end:
        time.sleep(0.7)
        before, now = now, sum(psutil.Process(pid).cpu_times()[:2])


def test_a_run_in_it_is_the_same_to_the_last_bit(engine: Engine) -> None:
    """Every loss, check and reply, with its libraries loaded and while it still loads them."""
    fresh, _ = train_in(engine, ProcessBackend(), loaded=False)
    backend = ProcessBackend()
    backend.keep_spare()
    for loaded in (True, False):
        run, pid = train_in(engine, backend, loaded)
        view, expected = run.view(), fresh.view()
        assert view.started.pid == pid != expected.started.pid
        assert view.losses == expected.losses and view.grads == expected.grads
        assert [one.loss for one in view.checks] == [one.loss for one in expected.checks]
        assert [one.reply for one in view.samples] == [one.reply for one in expected.samples]
        assert "Traceback" not in run.log.read_text()


def test_a_job_that_was_taken_out_of_the_queue_is_not_done(engine: Engine) -> None:
    run = killed_runs.make(engine)
    backend = ProcessBackend()
    backend.keep_spare().tend()
    run.queue_mark.unlink()
    assert backend.work(run, "train") == 0
    assert not run.events_file.exists() and run.state() == RunState.INTERRUPTED
