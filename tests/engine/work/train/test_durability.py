"""A run is never lost: kills, pauses, damaged checkpoints, full disks, NaN, early stopping.

That other goals and methods go on as exactly: test_resume.py.
"""

from __future__ import annotations

import errno
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.coach import coach
from engine.errors import RunError
from engine.process import exit_status
from engine.process.fake import FakeBackend
from engine.runs import disk_space
from engine.runs.engine import Engine
from engine.store import events as ev
from engine.store.event_log import append_event
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for
from tests.engine.work.train import killed_runs
from tests.engine.work.train.killed_runs import (
    Doomed,
    Runs,
    differences,
    finish,
    go_on,
    make,
    new_events,
    train,
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    made = Runs(tmp_path_factory.mktemp("durable") / "workspace")
    yield made
    made.engine.close()


def work(run: RunDir) -> int:
    """The whole of a worker, but for its process."""
    from engine.work.__main__ import main

    run.stop_mark.unlink(missing_ok=True)
    run.queue_mark.write_text("train")
    return main([str(run.path), "train"])


# kill -9


def test_kill_9_costs_at_most_what_came_after_the_last_checkpoint(runs, home) -> None:
    """Mid-epoch and while a checkpoint is written, with dropout and accumulation."""
    whole, backend, draw = runs.whole(), Doomed(), random.Random(1)
    engine = Engine(home, backend)
    run, offset, partial = make(engine, sampling={"save_minutes": 0}), 0, 0
    for kill in range(3):
        for event in new_events(run, offset):
            if isinstance(event, ev.Step) and event.epoch > 1 + kill:
                break
        if kill % 2:
            end = time.monotonic() + 10
            while not list(run.checkpoints.glob(".saving/checkpoint-*")) and time.monotonic() < end:
                time.sleep(0.0005)
        time.sleep(draw.uniform(0, 0.02))
        backend.kill()
        backend.worker.wait()
        killed_at, offset = run.view().step, run.events_file.stat().st_size
        partial += bool(list(run.checkpoints.glob(".saving/checkpoint-*")))
        go_on(engine, run)
        wait_for(run, lambda run: run.view().attempt == kill + 2)  # noqa: B023
        assert 0 <= killed_at - run.view().started.resumed_from <= 1, "it saves after every step"
    finish(run)
    engine.close()
    assert partial, "none was hit while it saved"
    assert not differences(run, whole)


def test_how_often_it_is_checked_changes_nothing(runs) -> None:
    run = train(runs.new(sampling={"checks": 14, "save_minutes": 0}))
    assert len(run.view().checks) == 15 and not differences(run, runs.whole())


def test_what_a_killed_worker_had_saved_and_not_said_is_made_up_for(runs) -> None:
    run = runs.copy(runs.whole(), "unsaid")
    lines = run.events_file.read_text().splitlines()
    kept = [
        line
        for line in lines
        if '"finished"' not in line and not ('"saved"' in line and '"step":28' in line)
    ]
    run.events_file.write_text("\n".join(kept) + "\n")
    shutil.rmtree(run.adapter)
    train(run)
    assert run.state() == RunState.FINISHED and run.view().started.resumed_from == 28
    assert run.view().saved[-1].step == 28 and not run.view().warnings
    assert run.view().saved[-1].best == (run.view().best.step == 28) == run.has_result


# Pause


def test_a_paused_run_saves_and_goes_on_exactly(runs) -> None:
    run = runs.new()
    run.stop_mark.write_text("pause")
    train(run)
    view = run.view()
    assert run.state() == RunState.PAUSED and run.state().can_continue and not run.state().live
    assert view.step == 1 and [check.step for check in view.checks] == [0], "nothing is measured"
    assert view.saved[-1].step == 1 and not view.saved[-1].best, (
        "what was not measured is not the best"
    )
    assert (
        coach.describe_run(view, run.state()).text
        == "Everything up to step 1 of 28 is kept. Press Continue to go on."
    )
    run.stop_mark.unlink()
    train(run)
    assert not differences(run, runs.whole())


def test_pause_works_while_it_waits_and_while_it_trains(home) -> None:
    engine = Engine(home, FakeBackend(steps=400))
    first, second = (engine.start(killed_runs.specs.make_spec({})) for _ in range(2))
    wait_for(first, lambda run: run.view().step >= 2)
    engine.pause(second.id)
    engine.pause(first.id)
    wait_for(first, idle)
    assert first.state() == second.state() == RunState.PAUSED
    engine.resume(first.id)
    wait_for(first, lambda run: run.view().attempt == 2)
    engine.cancel(first.id)
    wait_for(first, idle)
    engine.close()


# Checkpoints that are damaged


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def not_numbers(folder: Path) -> None:
    """Weights that are no numbers under a manifest that agrees with them."""
    import torch
    from safetensors.torch import load_file, save_file

    from engine.work.train.checkpoint_check import describe_files

    file = folder / "adapter_model.safetensors"
    save_file(
        {name: tensor * torch.nan for name, tensor in load_file(file).items()},
        file,
        {"format": "pt"},
    )
    manifest = json.loads((folder / "complete.json").read_text())
    (folder / "complete.json").write_text(json.dumps(manifest | {"files": describe_files(folder)}))


def folder_instead(file: Path) -> None:
    file.unlink()
    file.mkdir()


WEIGHTS, MANIFEST = "adapter_model.safetensors", "complete.json"
Damage = Callable[[Path, Path], object]  # of the newest checkpoint, beside the one before it


def removed(name: str) -> Damage:
    return lambda new, _: (new / name).unlink()


def of_another_step(name: str) -> Damage:
    return lambda new, old: shutil.copy(old / name, new)


def write_over(path: Path, text: str) -> None:
    """A file in the place of what was there, file or folder."""
    if path.is_dir():
        shutil.rmtree(path)
    path.write_text(text)


DAMAGES: dict[str, tuple[Damage, str]] = {
    "cut off": (lambda new, _: cut(new / "optimizer.pt"), "optimizer.pt is cut off"),
    "empty": (lambda new, _: (new / WEIGHTS).write_bytes(b""), f"{WEIGHTS} is cut off"),
    "a bit flipped": (lambda new, _: flip(new / WEIGHTS), f"{WEIGHTS} is not as it was written"),
    "no weights": (removed(WEIGHTS), f"{WEIGHTS} is missing"),
    "no optimizer": (removed("optimizer.pt"), "optimizer.pt is missing"),
    "no schedule": (removed("scheduler.pt"), "scheduler.pt is missing"),
    "no random state": (removed("rng_state.pth"), "rng_state.pth is missing"),
    "no trainer state": (removed("trainer_state.json"), "trainer_state.json is missing"),
    "no manifest": (removed(MANIFEST), f"{MANIFEST} is missing"),
    "wrong manifest": (
        lambda new, _: write_over(new / MANIFEST, "[]"),
        f"{MANIFEST} cannot be read",
    ),
    "manifest of another step": (of_another_step(MANIFEST), f"{MANIFEST} is that of another step"),
    "weights that are no numbers": (
        lambda new, _: not_numbers(new),
        f"{WEIGHTS} holds values that are not numbers (NaN)",
    ),
    "a file of another step": (
        of_another_step("scheduler.pt"),
        "scheduler.pt is not as it was written",
    ),
    "a folder for a file": (
        lambda new, _: folder_instead(new / "optimizer.pt"),
        "optimizer.pt is missing",
    ),
    "a file for the folder": (lambda new, _: write_over(new, "x"), "it is no folder"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_reported_and_the_one_before_is_used(runs, damage) -> None:
    from engine.work.train import checkpoints

    run = runs.copy(runs.whole(), f"damaged-{list(DAMAGES).index(damage)}")
    spoil, why = DAMAGES[damage]
    new, old = run.checkpoints / "checkpoint-28", run.checkpoints / "checkpoint-21"
    spoil(new, old)
    disk_space.require_room(run, 1000)  # what *Continue* asks before the worker looks
    assert checkpoints.find_newest(run) == old
    expected = f"The checkpoint of step 28 cannot be used ({why}). The run goes on from step 21."
    assert run.view().warnings == [expected]
    assert not new.exists(), "it would be in the way"


def test_a_run_without_any_whole_checkpoint_begins_anew_and_says_so(runs) -> None:
    run = runs.copy(runs.whole(), "all-damaged")
    for folder in run.checkpoints.glob("checkpoint-*"):
        cut(folder / "optimizer.pt")
    run.events_file.write_text(
        "".join(x for x in run.events_file.read_text().splitlines(True) if "finished" not in x)
    )
    train(run)
    assert [text.rpartition(". ")[2] for text in run.view().warnings] == [
        "The run starts again from the beginning."
    ] * 2
    assert not differences(run, runs.whole())


def test_a_checkpoint_that_cannot_be_read_again_does_not_count(runs, monkeypatch) -> None:
    from engine.work.train import checkpoints

    run = runs.new()
    monkeypatch.setattr(
        checkpoints, "find_unreadable", lambda folder: "optimizer.pt cannot be read"
    )
    assert work(run) == 1
    assert run.view().ended.text.startswith(
        "The checkpoint of step 7 was written and could not be read again"
    )
    assert not list(run.checkpoints.glob("checkpoint-*")) and not run.has_result


def test_the_newest_two_stay(runs) -> None:
    assert sorted(path.name for path in runs.whole().checkpoints.iterdir()) == [
        "checkpoint-21",
        "checkpoint-28",
    ]


# A full disk


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
def test_a_disk_that_says_that_it_is_full_pauses_the_run(
    runs, tmp_path, monkeypatch, calls
) -> None:
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
    from engine.work.train import checkpoints

    assert run.state() == RunState.PAUSED, run.view().ended
    assert "disk" in run.view().ended.why and run.view().ended.why.endswith("then press Continue.")
    assert not list(run.checkpoints.glob(".*")), "half-written things are removed"
    warned = len(run.view().warnings)
    assert checkpoints.find_newest(run) and len(run.view().warnings) == warned, (
        "the last checkpoint is whole"
    )


def test_too_little_room_is_reported_before_the_first_step_and_before_a_checkpoint(
    runs, monkeypatch
) -> None:
    run = runs.new()
    monkeypatch.setattr(disk_space, "free_bytes", lambda _: 2**20)
    assert work(run) == 1
    why = run.view().ended.why
    assert why.startswith("The disk is full: about 0.003") and "and 0.001 GB are free" in why
    assert not run.view().steps
    with pytest.raises(RunError, match="Make room"):
        runs.engine.resume(run.id)


# A loss that is no number


def test_a_loss_that_is_no_number_ends_the_run_before_its_step(runs) -> None:
    run = runs.new(sampling={"save_minutes": 0})
    with killed_runs.noted(run, {"nan": 9}):
        assert work(run) == 1
    view = run.view()
    assert run.state() == RunState.FAILED and view.step == 8 and view.saved[-1].step == 8
    assert view.ended.text.startswith(
        "At step 9 the loss was no longer a number (nan), so training was ended"
    )
    assert "The learning rate (0.005) is probably too high" in view.ended.text
    from engine.work.train.checkpoint_check import find_problem

    assert not find_problem(run.checkpoints / "checkpoint-8") and run.has_result


# Early stopping


def test_it_stops_when_it_no_longer_improves_and_marks_the_best(runs) -> None:
    rising = {"learning_rate": 0.3, "schedule": "constant", "patience": "strict"}
    run = train(runs.new(optim=killed_runs.OPTIM | rising, sampling={"checks": 14}))
    view = run.view()
    assert run.state() == RunState.FINISHED and view.ended.early and view.step < view.total_steps
    assert view.ended.step == view.checks[-1].step and view.checks[-3].step == view.best.step
    best = [saved.step for saved in view.saved if saved.best]
    assert best[-1] == view.best.step
    said = coach.describe_run(view, run.state())
    assert said.title == f"Stopped improving at step {view.best.step}" and "is kept" in said.text
    # A worker that is killed before it can say so does not train on when it is continued.
    lines = run.events_file.read_text().splitlines(True)
    run.events_file.write_text("".join(line for line in lines if '"finished"' not in line))
    train(run)
    assert (
        run.view().ended.early
        and run.view().step == view.step
        and run.view().ended.step == view.step
    )
    # More epochs give it another chance.
    run.emit(ev.Extended(epochs=run.spec.optim.epochs))
    train(run)
    assert run.view().step > view.step


# Time


def test_checks_take_a_tenth_of_the_time_at_most_once_a_run_is_long(runs) -> None:
    from engine.work.train.callback import CheckSchedule, RunCallback

    report = RunCallback(runs.whole(), CheckSchedule(1, 300, None), lambda _: None, list)
    for seconds, checks, due in (
        (60, 29, True),
        (60, 31, False),
        (1000, 89, True),
        (1000, 92, False),
    ):
        report.earlier_seconds, report.checks_seconds = seconds, checks
        assert report._can_afford_check() == due
    assert 0 < runs.whole().view().ended.checks_seconds < runs.whole().view().ended.seconds


# How a worker ended


@pytest.mark.parametrize(
    ("code", "memory", "words"),
    [
        (-9, True, "because memory ran out"),
        (-9, False, "killed by the system (signal 9)"),
        (-11, False, "crashed (signal 11, SIGSEGV)"),
        (-6, False, "crashed (signal 6, SIGABRT)"),
        (-15, False, "asked to end"),
        (3, False, "exit code 3"),
    ],
)
def test_the_ends_of_a_worker_are_distinguished(code, memory, words) -> None:
    assert words in exit_status.describe_training_end(code, memory)
