"""Runs under a hard limit of memory step down by themselves and learn the same."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.process import oneshot
from engine.process.run import ProcessBackend
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.spec.batch import BatchLayout, initial_layout, smaller_layout
from engine.spec.optim import OptimSpec
from engine.store import events as ev
from engine.store.event_log import read_events
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for
from tests.engine.tiny import WORDS

GB = 2**30
# GB beyond what a worker begins with: eight examples of 500 tokens have room, sixteen have not.
LIMIT = 0.6
GROUP_LIMIT = 0.55  # the same where memory counts that is used, and not what is asked for
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
LIMITS = ("memory.limit_in_bytes", "memory.max")


class Limited(ProcessBackend):
    """Workers that may have a limited amount of memory, by a resource limit."""

    def __init__(self) -> None:
        super().__init__()
        self.limit = 0.0  # GB; 0 is none
        self.worker: subprocess.Popen[bytes] | None = None
        self.inherited = 0  # bytes that the worker began with

    def start(self, run: RunDir, job: str) -> subprocess.Popen[bytes]:
        self.worker = super().start(run, job)
        status = Path(f"/proc/{self.worker.pid}/status").read_text()
        self.inherited = int(status.partition("VmData:")[2].split()[0]) * 1024
        self.apply()
        return self.worker

    def apply(self) -> None:
        import resource

        if self.limit and self.worker:
            limit = self.inherited + int(self.limit * GB)
            resource.prlimit(self.worker.pid, resource.RLIMIT_DATA, (limit, limit))


class Grouped(Limited):
    """The same by a control group, as containers have it: the system kills who takes more."""

    def __init__(self, group: Path) -> None:
        super().__init__()
        self.group = group

    def apply(self) -> None:
        file = next(self.group / name for name in LIMITS if (self.group / name).exists())
        file.write_text(str(int(self.limit * GB)) if self.limit else "-1")
        assert self.worker
        (self.group / "cgroup.procs").write_text(str(self.worker.pid))


@contextlib.contextmanager
def control_group() -> Iterator[Path | None]:
    """A control group for workers; None where none can be made or it could not limit memory."""
    group = (V1 if (V1 / "memory.limit_in_bytes").exists() else V2) / f"hone-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        limits = any((group / name).exists() for name in LIMITS)
        yield group if limits else None
    finally:
        for _ in range(100):  # it is busy until the last worker is gone for good
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.1)


def train(home: Path, backend: ProcessBackend, count: int = 32) -> RunDir:
    """A finished run over texts of about 500 tokens, 16 to a step."""
    engine = Engine(home, backend)
    draw, file = random.Random(1), home.parent / "texts.jsonl"
    texts = [" ".join(draw.choice(WORDS) for _ in range(480)) for _ in range(count)]
    file.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    source = oneshot.add_dataset_files(engine.store, [(file, "texts.jsonl")])
    values = {
        "data": {"source": source, "max_length": 512, "held_out": 0},
        "optim": {"epochs": 1, "batch_size": 16},
        "sampling": {"checks": 2, "max_new_tokens": 4, "prompts": ["the cat"]},
    }
    run = engine.start(specs.make_spec(values))
    # Memory gets scarce when half of the steps are done.
    if isinstance(backend, Limited) and not backend.limit:
        wait_for(run, lambda run: bool(run.view().saved), 240)
        backend.limit = LIMIT
        backend.apply()
    wait_for(run, lambda run: run.view().ended is not None and idle(run), 240)
    engine.close()
    assert run.state() == RunState.FINISHED, (run.view().ended, run.log.read_text()[-2000:])
    return run


def losses(run: RunDir) -> list[float]:
    """Of each step, the newest where a step was taken again."""
    steps = [event for event in read_events(run.events_file)[0] if isinstance(event, ev.Step)]
    return list({event.step: event.loss for event in steps}.values())


@pytest.fixture(scope="module")
def free_run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return train(tmp_path_factory.mktemp("free") / "workspace", ProcessBackend())


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> Limited:
    if sys.platform != "linux":
        pytest.skip("needs Linux's resource limits")
    # Arrow's own pool reserves a gigabyte that it never uses.
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", "system")
    return Limited()


def same(run: RunDir, free_run: RunDir) -> None:
    view, free = run.view(), free_run.view()
    assert not free.stepped and view.stepped, "it is the limit that makes it step down"
    assert view.layout.batch * view.layout.accumulation == 16 and view.layout.batch < 16
    assert view.step == free.step == view.total_steps == 2
    assert losses(run) == pytest.approx(losses(free_run), rel=1e-3)
    assert all("needs more memory than there is" in step.why for step in view.stepped)


def test_a_run_that_does_not_fit_steps_down_and_learns_the_same(home, scarce, free_run) -> None:
    scarce.limit = LIMIT
    run = train(home, scarce)
    same(run, free_run)
    assert run.view().last.memory_gb < 0.9 * free_run.view().last.memory_gb


def test_memory_that_runs_out_later_costs_the_steps_since_a_checkpoint(
    home, scarce, free_run
) -> None:
    run = train(home, scarce)
    same(run, free_run)
    assert run.view().started.resumed_from == 1


@pytest.mark.usefixtures("kills_apart")
def test_a_worker_that_the_system_kills_for_memory_steps_down(home, free_run) -> None:
    with control_group() as group:
        if group is None:
            pytest.skip("control groups that limit memory cannot be made here")
        backend = Grouped(group)
        backend.limit = GROUP_LIMIT
        same(train(home, backend), free_run)


@pytest.mark.parametrize(
    ("batch", "accumulation", "layouts"),
    [
        (8, 1, [(4, 2, False), (2, 4, False), (1, 8, False), (1, 8, True)]),
        (6, 2, [(3, 4, False), (1, 12, False), (1, 12, True)]),
        (1, 1, [(1, 1, True)]),
    ],
)
def test_every_layout_has_the_same_effective_batch(batch, accumulation, layouts) -> None:
    optim = OptimSpec(batch_size=batch, accumulation=accumulation)
    found, fit = [], initial_layout(optim)
    while (fit := smaller_layout(fit, optim)) is not None:
        found.append(tuple(fit))
    assert found == layouts
    never = OptimSpec(batch_size=8, checkpointing="off")
    assert smaller_layout(BatchLayout(1, 8, False), never) is None
