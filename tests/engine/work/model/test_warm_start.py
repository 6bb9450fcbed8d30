"""Real workers: a run that starts from another's adapter, and one that goes on for more epochs."""

from __future__ import annotations

import json
import math

import pytest

from engine.errors import RunError
from engine.model import local
from engine.runs import warm_start
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.spec.spec_file import changed_spec
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from engine.work.model import adapters
from engine.work.model.describe import inspect_model
from engine.work.model.load import choose_device, load_model
from engine.work.train.train import train
from tests.conftest import SMALL, idle, wait_for
from tests.engine.tiny import save_model

SHORT = ("optim.epochs=0.08", "sampling.checks=1", "sampling.max_new_tokens=4", "optim.warmup=0")


def by_worker(engine: Engine, run: RunDir, attempt: int = 1) -> RunDir:
    """The run, once a worker process has trained it to its end."""
    wait_for(run, lambda run: run.view().attempt == attempt and run.view().ended and idle(run), 240)
    assert run.state() == RunState.FINISHED, run.view().ended
    return run


@pytest.fixture(scope="module")
def onward(trained) -> RunDir:
    """A short run that started from the adapter of the one that all tests share."""
    engine, run = trained
    return by_worker(engine, engine.start(changed_spec(warm_start.warm_start_spec(run), SHORT)))


def test_the_first_held_out_loss_is_the_other_s_best(trained, onward) -> None:
    _, other = trained
    assert onward.view().first_loss == other.view().best.loss
    origin = json.loads((onward.start / "about.json").read_text())
    known = {"trained_elsewhere": False, "trained_on_held_out": 0, "all_rows_known": True}
    assert origin == {"run": other.id, "name": "small", **known}


def test_more_epochs_go_on_with_optimizer_and_along_the_longer_schedule(trained, onward) -> None:
    engine, _ = trained
    before = onward.view()
    engine.extend(onward.id, 0.12)
    view, steps = by_worker(engine, onward, attempt=2).view(), before.total_steps
    total = onward.spec.optim.steps(view.started.rows)
    assert total > 2 * steps and view.total_steps == total
    assert list(view.steps) == list(range(1, total + 1))
    assert view.losses[:steps] == before.losses and view.started.resumed_from == steps
    highest = onward.spec.optim.learning_rate
    cosine = [highest * 0.5 * (1 + math.cos(math.pi * step / total)) for step in range(total + 1)]
    assert list(view.lrs[steps:]) == pytest.approx(cosine[steps:total])
    assert view.last.seconds > before.last.seconds and view.first_loss == before.first_loss
    assert view.checks[-1].step == total and view.saved[-1].step == total


def test_an_adapter_that_only_the_worker_can_tell_apart_is_refused(trained, home) -> None:
    engine, other = trained
    run = RunDir(home)
    home.mkdir()
    warm_start.copy_result(engine.store, other, run)
    spec = changed_spec(other.spec, ["method.targets=[q_proj]"])
    setup = choose_device(spec.place, spec.method)
    base = load_model(local.checked_folder("pocket"), setup, spec.method)
    model = adapters.apply_method(base, spec.method, inspect_model("pocket"))
    with pytest.raises(RunError, match=r"parts differ, such as .*mlp\.down_proj\.lora_A"):
        adapters.load_start_adapter(model, run)
    file = run.start / "adapter_model.safetensors"
    data = file.read_bytes()
    file.unlink()
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(RunError, match="is damaged"):
        adapters.load_start_adapter(model, run)


def test_a_fully_trained_model_is_trained_on(home, tmp_path) -> None:
    save_model(tmp_path / "tiny", "llama")
    engine = Engine(home, supervise=False)
    values = SMALL | {"model": {"source": str(tmp_path / "tiny")}, "method": {"kind": "full"}}
    first = engine.start(changed_spec(specs.make_spec(values), SHORT))
    train(first)
    second = engine.start(changed_spec(warm_start.warm_start_spec(first), ["optim.epochs=0.02"]))
    train(second)
    assert second.view().first_loss == first.view().best.loss < first.view().first_loss
