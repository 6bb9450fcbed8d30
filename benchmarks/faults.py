"""Full disks, damaged checkpoints and a loss that is no number, with real workers: what a run says
and loses.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from engine.runs import disk_space as disk
from engine.runs.engine import Engine
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for
from tests.engine.work.train import killed_runs
from tests.engine.work.train.test_checkpoints import DAMAGES

ROOMS = tuple(
    range(0, 110_000, 10_000)
)  # bytes beside the ballast; a checkpoint takes about 110,000


def spoil(home: Path) -> int:
    """Print a line for each; 1 where a run was lost or ended in other losses."""
    backend = killed_runs.Doomed()
    engine = Engine(home, backend)
    whole = killed_runs.make(engine)
    killed_runs.finish(whole)
    half = _paused(engine, backend, killed_runs.make(engine))
    wrong = _nan(engine, backend)
    wrong += sum(_damage(engine, half, whole, name) for name in DAMAGES)
    engine.close()
    with (
        tempfile.TemporaryDirectory(prefix="hone-disk-") as folder,
        killed_runs.small_disk(Path(folder)) as there,
    ):
        if there:
            wrong += sum(_full(Path(folder), half, whole, room) for room in ROOMS)
        else:
            print("A volume in memory cannot be mounted here: the full disk was not tried.")
    print("Nothing was lost." if not wrong else f"{wrong} went wrong.")
    return int(bool(wrong))


def _paused(engine: Engine, backend: killed_runs.Doomed, run: RunDir) -> RunDir:
    """Paused once two checkpoints are there."""
    wait_for(run, lambda run: len(run.view().saved) >= 2, 120)
    engine.pause(run.id)
    wait_for(run, lambda run: idle(run) and run.view().ended is not None)
    assert run.state() == RunState.PAUSED
    return run


def _goes_on(engine: Engine, run: RunDir, whole: RunDir) -> bool:
    engine.resume(run.id)
    wait_for(run, lambda run: idle(run) and run.view().ended is not None, 120)
    return run.state() == RunState.FINISHED and not killed_runs.differences(run, whole)


def _copy(run: RunDir, home: Path, name: str) -> RunDir:
    return RunDir(Path(shutil.copytree(run.path, home / "runs" / name)))


def _damage(engine: Engine, half: RunDir, whole: RunDir, name: str) -> int:
    run = _copy(half, engine.store.home, f"damaged-{list(DAMAGES).index(name)}")
    old, new = sorted(run.checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
    DAMAGES[name][0](new, old)
    good = _goes_on(engine, run, whole)
    print(f"{'ok ' if good else 'BAD'} {name}: {run.view().warnings[-1]}", flush=True)
    return int(not good or len(run.view().warnings) != 1)


def _full(folder: Path, half: RunDir, whole: RunDir, room: int) -> int:
    """On a volume that fills up while a worker writes which does not look before."""
    home = folder / "workspace"
    engine = Engine(home, killed_runs.Doomed(blind=True))
    run = _copy(half, home, f"full-{room}")
    engine.desk.free_memory()
    _with_room(folder, room, lambda: engine.resume(run.id), run)
    said, state = run.view().ended, run.state()
    killed_runs.resize(folder, 2**28)
    good = state == RunState.PAUSED and _goes_on(engine, run, whole)
    why, began = getattr(said, "why", said), run.view().started
    assert began
    print(
        f"{'ok ' if good else 'BAD'} {room:7,} bytes free: {state} at step "
        f"{began.resumed_from}; {why}"
    )
    engine.close()
    shutil.rmtree(home)
    return int(not good)


def _with_room(folder: Path, room: int, go: Callable[[], None], run: RunDir) -> None:
    ask, disk.free_bytes = disk.free_bytes, lambda folder: 2**60
    try:
        killed_runs.resize(folder, 2**20)  # the mark of the queue and the worker's lock have room
        go()
        wait_for(run, lambda run: run.alive, 30)
        killed_runs.resize(folder, room + disk.BALLAST_BYTES)
        wait_for(run, lambda run: idle(run), 120)
    finally:
        disk.free_bytes = ask


def _nan(engine: Engine, backend: killed_runs.Doomed) -> int:
    backend.how = {"nan": 9}
    run = killed_runs.make(engine)
    wait_for(run, lambda run: run.view().ended is not None and idle(run), 120)
    backend.how = {}
    view = run.view()
    good = run.state() == RunState.FAILED and view.step == 8 and run.has_result
    print(
        f"{'ok ' if good else 'BAD'} NaN at step 9: {getattr(view.ended, 'text', view.ended)}",
        flush=True,
    )
    return int(not good)
