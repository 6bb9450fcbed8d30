"""Runs whose workers die, and how they must look afterwards; for tests and ``benchmarks.kill``.

``python -m tests.engine.work.train.killed_runs RUN JOB`` is a worker that notes the order of its
examples. It can be made to meet a loss that is no number, or not to see that the disk is full.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.process import oneshot
from engine.process.run import ProcessBackend
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store import events as ev
from engine.store.event_log import read_events
from engine.store.files import PROJECT_FOLDER
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for
from tests.engine.tiny import WORDS, save_model

ROWS = 60
SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
OPTIM = {"epochs": 4, "batch_size": 4, "accumulation": 2, "learning_rate": 5e-3}
KINDS = {"write": "llama", "prefer": "llama", "classify": "bert"}


class Doomed(ProcessBackend):
    """Workers that can be killed, and that do what ``how`` says."""

    def __init__(self, **how: Any) -> None:
        super().__init__()
        self.how = how
        self.worker: subprocess.Popen[bytes] | None = None

    def start(self, run: RunDir, job: str) -> subprocess.Popen[bytes]:
        with run.log.open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "tests.engine.work.train.killed_runs", str(run.path), job],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=PROJECT_FOLDER,
                env=os.environ | {"HONE_HOW": json.dumps(self.how)},
                start_new_session=True,
            )
        return self.worker

    def kill(self) -> None:
        assert self.worker
        os.kill(self.worker.pid, signal.SIGKILL)


class Runs:
    """Runs of tiny models, trained by this process: imports are paid once."""

    def __init__(self, home: Path) -> None:
        self.engine = Engine(home, supervise=False)
        self._whole: dict[str, RunDir] = {}

    def new(self, goal: str = "write", **more: Any) -> RunDir:
        run = make(self.engine, goal, **more)
        run.queue_mark.unlink()
        return run

    def whole(self, goal: str = "write", **more: Any) -> RunDir:
        """A run that nobody disturbed."""
        key = f"{goal} {more}"
        if key not in self._whole:
            self._whole[key] = train(self.new(goal, **more))
        return self._whole[key]

    def copy(self, run: RunDir, name: str) -> RunDir:
        return RunDir(shutil.copytree(run.path, run.path.with_name(name)))


def train(run: RunDir, **how: Any) -> RunDir:
    """Train in this process, as a worker would."""
    from engine.work.train import train as work

    with noted(run, how):
        work.train(run)
    return run


def make(engine: Engine, goal: str = "write", **more: Any) -> RunDir:
    """A run of a tiny model in 32 bits, with dropout and accumulation; ``more``: settings."""
    folder = engine.store.home / KINDS[goal]
    if not folder.is_dir():
        save_model(folder, KINDS[goal], vocab=320, **SHAPE)
    draw, file = random.Random(5), engine.store.home / f"{goal}.jsonl"
    rows = [json.dumps(_row(draw, goal, at)) for at in range(ROWS)]
    file.write_text("\n".join(rows), encoding="utf-8")
    source = oneshot.add_dataset_files(engine.store, [(file, file.name)])
    values: dict[str, Any] = {
        "model": {"source": str(folder)},
        "data": {"source": source, "max_length": 64},
        "method": {"rank": 4, "dropout": 0.1},
        "optim": OPTIM,
        "sampling": {"checks": 4, "max_new_tokens": 4},
        "place": {"device": "cpu", "precision": "fp32"},
    }
    values = {key: value | more.get(key, {}) for key, value in values.items()}
    return engine.start(specs.make_spec(values))


def _row(draw: random.Random, goal: str, at: int) -> dict[str, str]:
    def words() -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(3, 14)))

    if goal == "classify":
        return {"text": words(), "label": ("good", "bad")[at % 2]}
    if goal == "prefer":
        return {"prompt": words(), "chosen": words(), "rejected": words()}
    return {"prompt": words(), "completion": words()}


def finish(run: RunDir, seconds: float = 240) -> None:
    """Wait for the run's end."""
    wait_for(run, lambda run: run.view().ended is not None and idle(run), seconds)
    assert run.state() == RunState.FINISHED, (run.view().ended, run.log.read_text()[-2000:])


def go_on(engine: Engine, run: RunDir) -> None:
    """Continue a run that was interrupted, once the engine has noticed."""
    wait_for(run, lambda run: idle(run) and run.view().warnings, 10)
    assert run.state() == RunState.INTERRUPTED
    engine.resume(run.id)


def new_events(run: RunDir, offset: int) -> Iterator[ev.Event]:
    """The events from an offset on, as they come; ends with the worker."""
    while True:
        alive = run.alive or run.queued
        events, offset = read_events(run.events_file, offset)
        yield from events
        if not alive and not events:
            return
        time.sleep(0.002)


def differences(run: RunDir, whole: RunDir) -> list[str]:
    """Where a disturbed run differs from one that was left alone: every loss, bit for bit."""
    losses = dict(zip(whole.view().steps, whole.view().losses, strict=True))
    steps = [event for event in read_events(run.events_file)[0] if isinstance(event, ev.Step)]
    wrong_losses = [one for one in steps if losses.get(one.step) != one.loss]
    found = [f"step {one.step}: loss {one.loss!r}" for one in wrong_losses]
    if list(run.view().steps) != list(losses):
        found.append("a step is missing or stands there twice")
    batches = {step: made for (_, step), made in order(whole).items()}
    # The last step of a worker that was killed may be half made.
    wrong = {step for (_, step), made in order(run).items() if batches[step][: len(made)] != made}
    found += [f"step {step}: other examples" for step in sorted(wrong)]
    checks = {check.step: check.loss for check in whole.view().checks}
    wrong_checks = [c for c in run.view().checks if checks.get(c.step, c.loss) != c.loss]
    return found + [f"check of step {check.step}" for check in wrong_checks]


def order(run: RunDir) -> dict[tuple[int, int], list[str]]:
    """The batches of each attempt's steps, in their order."""
    made: dict[tuple[int, int], list[str]] = {}
    for line in (run.path / "order.txt").read_text().splitlines():
        attempt, step, batch = line.split()
        made.setdefault((int(attempt), int(step)), []).append(batch)
    return made


def lost(run: RunDir, killed_at: int, resumed_from: int) -> tuple[int, float]:
    """Steps that were made and must be made again, and the seconds they had taken."""
    events = [event for event in read_events(run.events_file)[0] if isinstance(event, ev.Step)]
    seconds = {event.step: event.seconds for event in events}
    return killed_at - resumed_from, seconds[killed_at] - seconds.get(resumed_from, 0.0)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A volume of its own in memory; False where none may be made."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(folder)]
    done = subprocess.run(command, check=False)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def resize(folder: Path, room: int) -> None:
    """Leave so many bytes free."""
    used = os.statvfs(folder)
    size = (used.f_blocks - used.f_bfree) * used.f_frsize + room
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


@contextlib.contextmanager
def noted(run: RunDir, how: dict[str, Any]) -> Iterator[None]:
    """Note the order of examples; ``nan`` or ``interrupt``: the step at which that happens."""
    from engine.work.train.trainer import HoneTrainer

    attempt, training_step = run.view().attempt + 1, HoneTrainer.training_step

    def noting(self: HoneTrainer, model: Any, inputs: Any, *more: Any, **options: Any) -> Any:
        step = self.state.global_step + 1
        seen = sorted((k, getattr(v, "tolist", lambda v=v: v)()) for k, v in inputs.items())
        digest = hashlib.sha256(repr(seen).encode()).hexdigest()
        with (run.path / "order.txt").open("a") as file:
            file.write(f"{attempt} {step} {digest[:12]}\n")
        if step == how.get("interrupt"):
            raise KeyboardInterrupt
        if step == how.get("nan"):
            self.compute_loss = _not_a_number(self.compute_loss)  # type: ignore[method-assign]
        return training_step(self, model, inputs, *more, **options)

    HoneTrainer.training_step = noting  # type: ignore[method-assign]
    try:
        yield
    finally:
        HoneTrainer.training_step = training_step  # type: ignore[method-assign]


def _worker(how: dict[str, Any]) -> int:
    """A worker of the engine, with what the test wants of it."""
    from engine.runs import disk_space as disk
    from engine.work.__main__ import main

    if how.get("blind"):
        disk.free_bytes = lambda _: 2**60
    with noted(RunDir(Path(sys.argv[1])), how):
        return main(sys.argv[1:])


def _not_a_number(compute: Any) -> Any:
    return lambda *args, **options: compute(*args, **options) * float("nan")


if __name__ == "__main__":
    sys.exit(_worker(json.loads(os.environ["HONE_HOW"])))
