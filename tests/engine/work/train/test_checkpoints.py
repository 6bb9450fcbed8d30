"""A checkpoint is given up only where it is damaged, and the one before it is used."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import RunError
from engine.runs import disk_space
from engine.store.run_dir import RunDir
from engine.work.train import checkpoint_check, checkpoints
from engine.work.train.checkpoint_check import describe_files
from tests.engine.work.train.conftest import without_end, work
from tests.engine.work.train.killed_runs import Runs, differences, train

WEIGHTS, MANIFEST = "adapter_model.safetensors", "complete.json"
Damage = Callable[[Path, Path], object]  # of the newest checkpoint, beside the one before it


def changed(name: str, change: Callable[[bytes], bytes]) -> Damage:
    return lambda new, _: (new / name).write_bytes(change((new / name).read_bytes()))


def flip(data: bytes) -> bytes:
    """One bit in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def removed(name: str) -> Damage:
    return lambda new, _: (new / name).unlink()


def of_another_step(name: str) -> Damage:
    return lambda new, old: shutil.copy(old / name, new)


def not_numbers(new: Path, _: Path) -> None:
    """Weights that are no numbers under a manifest that agrees with them."""
    tensors = {name: tensor * torch.nan for name, tensor in load_file(new / WEIGHTS).items()}
    save_file(tensors, new / WEIGHTS, {"format": "pt"})
    manifest = json.loads((new / MANIFEST).read_text())
    (new / MANIFEST).write_text(json.dumps(manifest | {"files": describe_files(new)}))


def folder_for_file(new: Path, _: Path) -> None:
    (new / "optimizer.pt").unlink()
    (new / "optimizer.pt").mkdir()


def file_for_folder(new: Path, _: Path) -> None:
    shutil.rmtree(new)
    new.write_text("x")


DAMAGES: dict[str, tuple[Damage, str]] = {
    "cut off": (changed("optimizer.pt", cut), "optimizer.pt is cut off"),
    "empty": (changed(WEIGHTS, lambda _: b""), f"{WEIGHTS} is cut off"),
    "a bit flipped": (changed(WEIGHTS, flip), f"{WEIGHTS} is not as it was written"),
    "no weights": (removed(WEIGHTS), f"{WEIGHTS} is missing"),
    "no optimizer": (removed("optimizer.pt"), "optimizer.pt is missing"),
    "no schedule": (removed("scheduler.pt"), "scheduler.pt is missing"),
    "no random state": (removed("rng_state.pth"), "rng_state.pth is missing"),
    "no trainer state": (removed("trainer_state.json"), "trainer_state.json is missing"),
    "no manifest": (removed(MANIFEST), f"{MANIFEST} is missing"),
    "wrong manifest": (changed(MANIFEST, lambda _: b"[]"), f"{MANIFEST} cannot be read"),
    "manifest of another step": (of_another_step(MANIFEST), f"{MANIFEST} is that of another step"),
    "NaN in the weights": (not_numbers, f"{WEIGHTS} holds values that are not numbers (NaN)"),
    "other step": (of_another_step("scheduler.pt"), "scheduler.pt is not as it was written"),
    "a folder for a file": (folder_for_file, "optimizer.pt is missing"),
    "a file for the folder": (file_for_folder, "it is no folder"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_reported_and_the_one_before_is_used(runs, damage) -> None:
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
        DAMAGES["cut off"][0](folder, folder)
    without_end(run)
    train(run)
    said = [text.rpartition(". ")[2] for text in run.view().warnings]
    assert said == ["The run starts again from the beginning."] * 2
    assert not differences(run, runs.whole())


def test_a_checkpoint_that_cannot_be_read_again_does_not_count(runs, monkeypatch) -> None:
    run, problem = runs.new(), "optimizer.pt cannot be read"
    monkeypatch.setattr(checkpoint_check, "find_unreadable", lambda _: problem)
    assert work(run) == 1
    expected = "The checkpoint of step 7 was written and could not be read again"
    assert run.view().ended.text.startswith(expected)
    assert not list(run.checkpoints.glob("checkpoint-*")) and not run.has_result


def test_the_newest_two_stay(runs) -> None:
    names = sorted(path.name for path in runs.whole().checkpoints.iterdir())
    assert names == ["checkpoint-21", "checkpoint-28"]


def test_the_reference_of_preferences_is_part_of_a_checkpoint(runs: Runs) -> None:
    run = runs.copy(runs.whole("prefer"), "reference")
    new, old = run.checkpoints / "checkpoint-28", run.checkpoints / "checkpoint-21"
    name = "ref/adapter_model.safetensors"
    assert name in json.loads((new / checkpoint_check.MANIFEST).read_text())["files"]
    (new / name).write_bytes(b"")
    assert checkpoints.find_newest(run) == old
    assert "adapter_model.safetensors is cut off" in run.view().warnings[-1]


def away(run: RunDir, monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """The drive does not give back the checkpoints of these steps."""
    checksum = checkpoint_check._file_checksum

    def read(file: Path) -> str:
        if any(f"checkpoint-{step}" in file.parts for step in steps):
            raise OSError(errno.EIO, "Input/output error", str(file))
        return checksum(file)

    monkeypatch.setattr(checkpoint_check, "_file_checksum", read)


def test_a_drive_that_is_away_for_a_while_costs_no_checkpoint(runs: Runs, monkeypatch) -> None:
    run = runs.copy(runs.whole(), "away")
    with monkeypatch.context() as patch:
        away(run, patch, 21, 28)
        expected = r"cannot be read now .Input/output error.. Nothing was removed"
        with pytest.raises(RunError, match=expected):
            checkpoints.find_newest(run)
    assert checkpoints.find_newest(run) == run.checkpoints / "checkpoint-28"
    assert not run.view().warnings
    away(run, monkeypatch, 28)
    assert checkpoints.find_newest(run) == run.checkpoints / "checkpoint-21"
    warning = "The checkpoint of step 28 cannot be used (Input/output error)."
    assert run.view().warnings[-1].startswith(warning)


def test_a_lack_of_memory_while_it_is_read_is_no_damage(runs: Runs, monkeypatch) -> None:
    run = runs.copy(runs.whole(), "memory")

    def short(file: Path) -> Any:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] can't allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_check, "_read_tensors", short)
        with pytest.raises(RuntimeError, match="allocate"):
            checkpoints.find_newest(run)
    assert checkpoints.find_newest(run) == run.checkpoints / "checkpoint-28"


def test_a_checkpoint_does_not_grow_with_the_steps(runs: Runs) -> None:
    newest = runs.whole().checkpoints / "checkpoint-28"
    state = json.loads((newest / checkpoint_check.TRAINER_STATE).read_text())
    assert state["global_step"] == 28 and len(state["log_history"]) <= 1
