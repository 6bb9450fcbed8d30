"""Adapters that plain PEFT made: what they say, score, merge and train on is what PEFT makes of
them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.coach.caution import score_caution
from engine.data import ingest
from engine.data.rows import HELD_OUT, TRAIN
from engine.errors import HoneError
from engine.runs import warm_start
from engine.runs.engine import Engine
from engine.runs.foreign.add import Choices, add_adapter
from engine.spec.data import DataSpec
from engine.spec.spec_file import changed_spec
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.engine.tiny import save_model
from tests.oracle.losses import held_out_loss
from tests.oracle.made_runs import SIZE, row_of
from tests.oracle.read_run import load_models, read_run, reply
from tests.oracle.saved_run import SavedRun

pytestmark = pytest.mark.slow
ATTENTION = ["q_proj", "v_proj"]
ADAPTERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no task": {"task_type": None},
    "rank-stabilised": {"use_rslora": True},
    "DoRA": {"use_dora": True},
    "an alpha of its own": {"alpha_pattern": {"q_proj": 32}},
    "alphas by layer": {"alpha_pattern": {"layers.0.self_attn.q_proj": 3, "v_proj": 5}},
    "ranks and alphas": {"rank_pattern": {"v_proj": 2}, "alpha_pattern": {"v_proj": 7}},
    "one layer": {"layers_to_transform": [1], "layers_pattern": "layers"},
    "a pattern": {"target_modules": r".*self_attn\.(q|o)_proj"},
    "output head in full": {"modules_to_save": ["lm_head"]},
    "embeddings in full": {"modules_to_save": ["embed_tokens"], "target_modules": ["down_proj"]},
}
TRAINED_ON = ("plain", "alphas by layer", "ranks and alphas", "output head in full", "DoRA")
SHORT = ("optim.epochs=1", "optim.batch_size=4", "optim.learning_rate=3e-3", "sampling.checks=1")
PLACE = ("place.device=cpu", "place.precision=fp32", "sampling.max_new_tokens=6")


class World(NamedTuple):
    """A workspace with two tiny models that are not alike, and some rows."""

    engine: Engine
    base: Path
    data: DataSpec
    made: Path  # where PEFT saves

    @property
    def models(self) -> list[tuple[str, str]]:
        return [("pocket", "Pocket model"), (str(self.base), self.base.name)]

    def add(self, folder: Path, **choices: Any) -> RunDir:
        files = {one.name: one for one in folder.iterdir()}
        chosen = Choices(**{"base": str(self.base), "data": self.data} | choices)
        run = add_adapter(self.engine, files, folder.name, chosen, self.models)
        run.set_spec(changed_spec(run.spec, PLACE))
        return run


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    import random

    home = tmp_path_factory.mktemp("foreign")
    base = save_model(home / "tiny-llama", "llama", vocab=320, **SIZE)
    engine, draw = Engine(home / "workspace", supervise=False), random.Random(4)
    items = [(row_of(draw, "chat"), TRAIN if at < 16 else HELD_OUT) for at in range(21)]
    source = ingest.ingest_rows(engine.store, "rows", items, [])
    yield World(engine, base, DataSpec(source=source, max_length=48), home)
    engine.close()


def save_adapter(world: World, name: str, base: Path | None = None, **config: Any) -> Path:
    """An adapter of random weights, as plain PEFT saves it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_pretrained(base or world.base, dtype=torch.float32)
    values = {"r": 4, "lora_alpha": 8, "target_modules": ATTENTION, "task_type": "CAUSAL_LM"}
    values |= {"init_lora_weights": False} | config
    made = get_peft_model(model, LoraConfig(**values))
    for weights in made.parameters():
        if weights.requires_grad:
            weights.data += 0.02 * torch.randn_like(weights)
    made.save_pretrained(world.made / name)
    return world.made / name


def plain_logits(base: Path, adapter: Path, merged: bool = False) -> Any:
    """What plain PEFT makes of an adapter."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    tuned = PeftModel.from_pretrained(model, adapter).eval()
    return logits_of(tuned.merge_and_unload() if merged else tuned)


def logits_of(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(input_ids=torch.arange(1, 200).reshape(1, -1)).logits


def hone_logits(run: RunDir) -> Any:
    from engine.work.model.base_and_tuned import open_trained_run

    trained = open_trained_run(run)
    return logits_of(trained.load_models(trained.device_setup()))


@pytest.mark.parametrize("name", ADAPTERS)
def test_it_says_what_peft_says_and_merges_as_peft_merges(world: World, name: str) -> None:
    from transformers import AutoModelForCausalLM

    from engine.work.merge import merge_run

    folder = save_adapter(world, name, **ADAPTERS[name])
    run = world.add(folder)
    assert run.state() == RunState.IMPORTED and run.spec.model.source == str(world.base)
    plain = plain_logits(world.base, folder)
    assert (hone_logits(run) - plain).abs().max() < 1e-6
    if name not in TRAINED_ON:
        return
    merge_run(run, "fp32")
    assert run.view().merged["fp32"].ok, run.view().merged
    merged = AutoModelForCausalLM.from_pretrained(run.merged("fp32"))
    own = plain_logits(world.base, folder, merged=True)
    assert (logits_of(merged) - own).abs().max() < 1e-6


@pytest.mark.parametrize("name", TRAINED_ON)
def test_a_run_that_starts_from_it_begins_where_peft_is_and_learns(world: World, name: str) -> None:
    from engine.work.train.train import train

    folder = save_adapter(world, f"start {name}", **ADAPTERS[name])
    origin = world.add(folder)
    spec = changed_spec(warm_start.warm_start_spec(origin), (*SHORT, *PLACE))
    run = world.engine.start(spec)
    run.queue_mark.unlink()
    train(run)
    view, found = run.view(), read_run(run.path)
    assert view.first_loss is not None and view.best is not None
    assert found["first_loss"] == pytest.approx(view.first_loss, abs=1e-5)
    assert found["loss"] == pytest.approx(view.best.loss, abs=1e-5)
    assert view.best.loss < view.first_loss
    begin = load_models(SavedRun(origin.path))[1]
    assert held_out_loss(SavedRun(run.path), begin, begin) == pytest.approx(
        view.first_loss, abs=1e-5
    )


def test_it_is_scored_and_asked_as_peft_would(world: World) -> None:
    from engine.work.evaluate.score import score_run
    from engine.work.model.base_and_tuned import load_pair, open_trained_run
    from engine.work.model.generate import greedy_replies

    run = world.add(save_adapter(world, "scored"))
    score_run(run)
    saved = SavedRun(run.path)
    begin, tuned = load_models(saved)
    view = run.view()
    assert view.scored is not None and run.state() == RunState.IMPORTED
    assert math.log(view.scored.tuned) == pytest.approx(
        held_out_loss(saved, tuned, begin), abs=1e-5
    )
    assert math.log(view.scored.base) == pytest.approx(held_out_loss(saved, begin, begin), abs=1e-5)
    assert "perhaps on some of these held-out examples" in view.warnings[0] == score_caution(run)
    questions = [saved.question(row) for row in saved.held_out[:3]]
    pair = load_pair(open_trained_run(run))
    said = greedy_replies(pair.model, pair.tokenizer, questions, 6)
    assert said == [reply(saved, tuned, one) for one in questions] and any(said)


def test_without_data_it_is_merged_and_there_is_nothing_to_score(world: World) -> None:
    from engine.work.merge import merge_run

    run = world.add(save_adapter(world, "alone"), data=None, name="  Mine ")
    assert run.meta["name"] == "Mine" and run.meta["data"] == "" and not run.view().warnings
    merge_run(run, "fp32")
    assert run.view().merged["fp32"].ok
    with pytest.raises(HoneError, match="no held-out examples"):
        world.engine.score(run.id)


def test_another_model_s_transposed_layers(world: World) -> None:
    base = save_model(world.made / "tiny-gpt2", "gpt2", vocab=320, n_embd=32, n_layer=2)
    folder = save_adapter(world, "of gpt2", base, target_modules=["c_attn"], fan_in_fan_out=True)
    run = world.add(folder, base=str(base))
    assert (hone_logits(run) - plain_logits(base, folder)).abs().max() < 1e-6
