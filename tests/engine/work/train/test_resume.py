"""Every goal and method goes on exactly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RunError
from engine.store.files import write_whole
from engine.store.run_view import RunState
from engine.work.train import callback
from engine.work.train.trainer import HoneTrainer
from tests.engine.tiny import save_model
from tests.engine.work.train.killed_runs import SHAPE, Runs, differences, train


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


METHOD = {"kind": "full", "dropout": 0.0}
FULL: dict[str, Any] = {"method": METHOD, "optim": {"learning_rate": 1e-3}}
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
def test_an_adapter_beside_4_bit_weights_learns_in_32_bits(runs: Runs, goal, monkeypatch) -> None:
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
    assert run.state() == RunState.FINISHED
    assert [saved.step for saved in run.view().saved] == [8, 16, 24, 32]


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
    expected = r"At step 14 the loss on the held-out examples is no number .nan."
    with pytest.raises(RunError, match=expected):
        train(run)
    assert [saved.step for saved in run.view().saved] == [7] and run.has_result


def test_settings_are_on_the_disk_before_they_have_their_name(tmp_path: Path, monkeypatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("synced"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("named"), replace(*names)))
    write_whole(tmp_path / "meta.json", "{}")
    assert done == ["synced", "named"] and (tmp_path / "meta.json").read_text() == "{}"
