"""A full disk pauses a run, and nothing is lost."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from engine.errors import RunError
from engine.runs import disk_space
from engine.store import events as ev
from engine.store.event_log import append_event
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from engine.work.train import checkpoints
from tests.engine.work.train import killed_runs
from tests.engine.work.train.conftest import work
from tests.engine.work.train.killed_runs import Runs, differences, train


@pytest.mark.parametrize("room", [0, 10_000, 30_000, 60_000, 100_000, 130_000])
def test_a_full_disk_pauses_the_run_and_loses_nothing(runs, tmp_path, monkeypatch, room) -> None:
    """On a real small volume, without the check before each save: it fills during a write."""
    with killed_runs.small_disk(tmp_path / "disk") as there:
        if not there:
            pytest.skip("a volume in memory cannot be mounted here")
        run = _with_one_checkpoint(runs, tmp_path / "disk" / "ws")
        ask = disk_space.free_bytes
        killed_runs.resize(tmp_path / "disk", room + disk_space.BALLAST_BYTES)
        monkeypatch.setattr(disk_space, "free_bytes", lambda _: 2**60)
        assert work(run) == 1
        monkeypatch.setattr(disk_space, "free_bytes", ask)
        _is_paused(run)
        killed_runs.resize(tmp_path / "disk", 2**26)
        assert work(run) == 0 and run.state() == RunState.FINISHED
        assert not differences(run, runs.whole())


@pytest.mark.parametrize("calls", [1, 3, 8, 20])
def test_a_write_that_finds_a_full_disk_pauses_the_run(runs, tmp_path, monkeypatch, calls) -> None:
    """Without a mount: every write of an event or a manifest fails from one on."""
    run = _with_one_checkpoint(runs, tmp_path / "ws")
    left, append = calls, append_event

    def full(path: Path, event: ev.Event) -> None:
        nonlocal left
        left -= 1
        if left < 0 and not isinstance(event, ev.Paused):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        append(path, event)

    with monkeypatch.context() as patch:
        patch.setattr("engine.store.run_dir.append_event", full)
        assert work(run) == 1
    _is_paused(run)
    assert work(run) == 0 and run.state() == RunState.FINISHED
    assert not differences(run, runs.whole())


def _with_one_checkpoint(runs: Runs, home: Path) -> RunDir:
    """A run that was paused after its first step, elsewhere."""
    run = runs.new()
    run.stop_mark.write_text("pause")
    train(run)
    (home / "locks").mkdir(parents=True)
    return RunDir(Path(shutil.move(run.path, home / "runs" / run.id)))


def _is_paused(run: RunDir) -> None:
    assert run.state() == RunState.PAUSED, run.view().ended
    assert "disk" in run.view().ended.why and run.view().ended.why.endswith("then press Continue.")
    assert not list(run.checkpoints.glob(".*")), "half-written things are removed"
    warned = len(run.view().warnings)
    assert checkpoints.find_newest(run), "the last checkpoint is whole"
    assert len(run.view().warnings) == warned


def test_too_little_room_is_reported_before_the_first_step(runs, monkeypatch) -> None:
    run = runs.new()
    monkeypatch.setattr(disk_space, "free_bytes", lambda _: 2**20)
    assert work(run) == 1
    why = run.view().ended.why
    assert why.startswith("The disk is full: about 0.003") and "and 0.001 GB are free" in why
    assert not run.view().steps
    with pytest.raises(RunError, match="Make room"):
        runs.engine.resume(run.id)
