"""Every goal and method goes on exactly, and a checkpoint is given up only where it is damaged."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RunError
from engine.store.files import write_whole
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from engine.work.train import callback, checkpoint_check, checkpoints
from engine.work.train.trainer import HoneTrainer
from tests.engine.tiny import save_model
from tests.engine.work.train.killed_runs import SHAPE, Runs, differences, train


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    made = Runs(tmp_path_factory.mktemp("resume") / "workspace")
    yield made
    made.engine.close()


def old_names(folder: Path) -> Path:
    """BERT as it was first given out: its norms have names that the library translates."""
    from safetensors.torch import load_file, save_file

    file = save_model(folder, "bert", vocab=320, **SHAPE) / "model.safetensors"
    names = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    tensors = {name: tensor + 0.01 for name, tensor in load_file(file).items()}
    for new, old in names.items():
        tensors = {name.replace(new, old): tensor for name, tensor in tensors.items()}
    save_file(tensors, file, {"format": "pt"})
    return folder


FULL: dict[str, Any] = {
    "method": {"kind": "full", "dropout": 0.0},
    "optim": {"learning_rate": 1e-3},
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "labels": ("classify", {}),
    "preferences": ("prefer", {}),
    "4 bit": ("write", {"method": {"kind": "qlora"}}),
    "8 bit": ("write", {"method": {"kind": "lora8"}}),
    "4 bit, preferences": ("prefer", {"method": {"kind": "qlora"}}),
    "all weights": ("write", FULL),
    "all weights of a mixture of experts": ("write", FULL | {"model": "mixtral"}),
    "all weights, with names of old": ("classify", FULL | {"model": "old"}),
}


def settings(runs: Runs, case: str) -> tuple[str, dict[str, Any]]:
    goal, more = CASES[case]
    kind = more.get("model")
    if kind is None:
        return goal, more
    folder = runs.engine.store.home / kind
    if not folder.is_dir():
        old_names(folder) if kind == "old" else save_model(folder, kind, vocab=320, **SHAPE)
    return goal, more | {"model": {"source": str(folder)}}


@pytest.mark.parametrize("case", CASES)
def test_it_goes_on_as_if_nothing_had_been(runs: Runs, case: str) -> None:
    goal, more = settings(runs, case)
    run = runs.new(goal, **more | {"sampling": {"save_minutes": 0}})
    with pytest.raises(KeyboardInterrupt):
        train(run, interrupt=17)
    assert run.state() == RunState.INTERRUPTED
    train(run)
    assert run.view().started.resumed_from == 16, "in the middle of the third epoch"
    assert not differences(run, runs.whole(goal, **more))


@pytest.mark.parametrize("goal", ["write", "prefer"])
def test_an_adapter_beside_quantised_weights_learns_in_32_bits(
    runs: Runs, goal: str, monkeypatch
) -> None:
    seen: set[str] = set()
    step = HoneTrainer.training_step

    def look(self: HoneTrainer, model: Any, *more: Any, **options: Any) -> Any:
        seen.update(str(one.dtype) for one in model.parameters() if one.requires_grad)
        return step(self, model, *more, **options)

    monkeypatch.setattr(HoneTrainer, "training_step", look)
    train(runs.new(goal, method={"kind": "qlora"}, optim={"epochs": 0.5}))
    assert seen == {"torch.float32"}


def test_killed_after_the_result_is_there_and_before_it_is_said(runs: Runs, monkeypatch) -> None:
    """Without held-out examples the model is asked in between, which takes its time."""
    run = runs.new(data={"held_out": 0})
    sample = callback.RunCallback._sample

    def killed(self: callback.RunCallback, step: int) -> None:
        if step == 16:
            raise KeyboardInterrupt
        sample(self, step)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(callback.RunCallback, "_sample", killed)
        train(run)
    assert run.has_result and run.view().saved[-1].step == 8
    train(run)
    assert run.state() == RunState.FINISHED and [saved.step for saved in run.view().saved] == [
        8,
        16,
        24,
        32,
    ]


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
        with pytest.raises(
            RunError, match=r"cannot be read now .Input/output error.. Nothing was removed"
        ):
            checkpoints.find_newest(run)
    assert (
        checkpoints.find_newest(run) == run.checkpoints / "checkpoint-28"
        and not run.view().warnings
    )
    away(run, monkeypatch, 28)
    assert checkpoints.find_newest(run) == run.checkpoints / "checkpoint-21"
    assert (
        run.view()
        .warnings[-1]
        .startswith("The checkpoint of step 28 cannot be used (Input/output error).")
    )


def test_a_lack_of_memory_while_it_is_read_is_no_damage(runs: Runs, monkeypatch) -> None:
    run = runs.copy(runs.whole(), "memory")

    def short(file: Path) -> Any:
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"
        )

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_check, "_read_tensors", short)
        with pytest.raises(RuntimeError, match="allocate"):
            checkpoints.find_newest(run)
    assert checkpoints.find_newest(run) == run.checkpoints / "checkpoint-28"


def test_a_held_out_loss_that_is_no_number_ends_the_run_in_words(runs: Runs, monkeypatch) -> None:
    from transformers import Trainer

    loop = Trainer.evaluation_loop

    def broken(self: Any, *args: Any, **options: Any) -> Any:
        found = loop(self, *args, **options)
        if self.state.global_step == 14:
            found.metrics["eval_loss"] = float("nan")
        return found

    monkeypatch.setattr(Trainer, "evaluation_loop", broken)
    run = runs.new()
    with pytest.raises(
        RunError, match=r"At step 14 the loss on the held-out examples is no number .nan."
    ):
        train(run)
    assert [saved.step for saved in run.view().saved] == [7] and run.has_result


def test_a_checkpoint_does_not_grow_with_the_steps(runs: Runs) -> None:
    state = json.loads(
        (runs.whole().checkpoints / "checkpoint-28" / checkpoint_check.TRAINER_STATE).read_text()
    )
    assert state["global_step"] == 28 and len(state["log_history"]) <= 1


def test_settings_are_on_the_disk_before_they_have_their_name(tmp_path: Path, monkeypatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("synced"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("named"), replace(*names)))
    write_whole(tmp_path / "meta.json", "{}")
    assert done == ["synced", "named"] and (tmp_path / "meta.json").read_text() == "{}"
