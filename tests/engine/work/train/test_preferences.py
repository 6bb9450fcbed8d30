"""Preferences: our tokens, TRL's trainers, the reference with its adapter switched off."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from engine.coach import coach
from engine.data.ingest import ingest_files, ingest_rows
from engine.data.rows import HELD_OUT, TRAIN, read_rows
from engine.data.upload import Upload
from engine.errors import DataError, RunError, SpecError
from engine.runs.engine import Engine
from engine.runs.step_down import step_down
from engine.spec import presets
from engine.spec import run as specs
from engine.store.run_dir import RunDir
from engine.work.encode.encode import IGNORE_INDEX, encode_row
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.evaluate.score import score_run
from engine.work.train.preferences import mark_weights
from engine.work.train.train import load_inputs, make_objective, train

ANIMALS = "cat dog cow hen pig fox owl bee ant rat bat hog elk cod eel"
MORE: dict[str, Any] = {
    "optim": {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3},
    "sampling": {"checks": 1, "max_new_tokens": 4},
}


def made(home: Path, **values: Any) -> RunDir:
    """A run that waits for nobody: this process does its work."""
    engine = Engine(home, supervise=False)
    data = values.pop("data", {})
    data = {"source": data.get("source") or pairs(engine), "max_length": 96} | data
    run = engine.start(specs.make_spec({"data": data, **MORE, **values}))
    run.queue_mark.unlink()
    return run


def pairs(engine: Engine) -> str:
    """A part of the sample: 13 batches to train on, and 16 rows held out."""
    [file] = (one.train_file for one in presets.bundled_samples() if one.id == "preferences")
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = [(json.loads(line), TRAIN if at < 104 else HELD_OUT) for at, line in enumerate(lines)]
    return ingest_rows(engine.store, "pairs", rows[:120], [])


def trained(run: RunDir) -> RunDir:
    train(run)
    assert run.state().value == "finished"
    return run


def objective(run: RunDir) -> Any:
    return make_objective(load_inputs(run))


def feedback(home: Path, rows: list[tuple[str, str, bool]]) -> str:
    file = home / "feedback.jsonl"
    home.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"prompt": p, "completion": c, "label": good}) for p, c, good in rows)
    file.write_text("\n".join(lines), encoding="utf-8")
    return ingest_files(Engine(home, supervise=False).store, [Upload(file, file.name)])


def marks(good: int, bad: int) -> list[tuple[str, str, bool]]:
    names = ANIMALS.split()
    kind = [(f"What is a {one}?", f"A {one} is an animal. It is kind.", True) for one in names]
    rude = [(f"Where is the {one}?", f"Go away, {one}!", False) for one in names]
    return kind[:good] + rude[:bad]


def test_what_is_compared_is_what_the_page_shows(home: Path) -> None:
    run = made(home)
    found, tokenizer = objective(run), load_tokenizer(presets.POCKET_MODEL)
    assert found.preference == "dpo" and found.counts.rows == len(found.train)
    for row, one in list(zip(read_rows(run.train_file), found.train, strict=True))[:40]:
        shown = encode_row(tokenizer, row, run.spec.data)
        both = zip(shown.ids, shown.labels, strict=True)
        assert one["chosen_ids"] == [token for token, label in both if label != IGNORE_INDEX]
        whole = one["prompt_ids"] + one["chosen_ids"]
        assert whole == shown.ids[: len(whole)]
        assert one["rejected_ids"] != one["chosen_ids"]


def test_dpo_begins_at_the_base_and_learns_which_answer_is_better(home: Path) -> None:
    optim = MORE["optim"] | {"epochs": 0.25}
    run = trained(made(home, data={"source": "sample:preferences"}, optim=optim))
    view = run.view()
    # Nothing is preferred yet: the model is its own reference.
    assert view.checks[0].loss == pytest.approx(math.log(2), abs=2e-3)
    assert view.best.loss < 0.5 * view.checks[0].loss
    assert view.checks[0].accuracy is None and view.checks[-1].accuracy > 0.9
    score_run(run)
    scored = run.view().scored
    assert scored.rows == 50 and scored.tuned > 45 and scored.tuned >= scored.base
    assert view.proved and view.estimated.trainable == view.started.trainable


@pytest.mark.parametrize(
    "method",
    [{"preference": "orpo"}, {"preference": "kto"}, {"kind": "qlora"}, {"kind": "full"}],
    ids=["orpo", "kto", "qlora", "full"],
)
def test_other_methods_learn_too(home: Path, method: dict[str, Any]) -> None:
    rate = 1e-4 if method.get("kind") == "full" else 1e-3
    few = {} if method.get("preference") == "orpo" else {"epochs": 0.5, "batch_size": 4}
    optim = MORE["optim"] | {"learning_rate": rate} | few
    view = trained(made(home, method={"rank": 8, **method}, optim=optim)).view()
    most = 0.9 if method.get("preference") == "orpo" else 0.8
    assert view.best.loss < most * view.checks[0].loss
    if method.get("preference") != "kto":
        assert view.checks[-1].accuracy > 0.8
    if method.get("kind") in ("qlora", "full"):
        # The reference is the base.
        assert view.checks[0].loss == pytest.approx(math.log(2), abs=1e-2)


@pytest.mark.parametrize(
    "method", [{"init": "pissa"}, {"init": "olora"}, {"bias": "all"}, {"bias": "lora_only"}]
)
def test_what_changes_the_base_has_none_to_compare_with(home: Path, method: dict[str, Any]) -> None:
    """TRL adds a second adapter, whose start would change the base weights again."""
    with pytest.raises(SpecError, match="the preference method ORPO"):
        objective(made(home, method=method))
    assert objective(made(home, method=method | {"preference": "orpo"})).preference == "orpo"


def test_kto_steps_down_to_two_at_once_and_then_computes_again(home: Path) -> None:
    run = made(home, method={"preference": "kto"}, optim=MORE["optim"] | {"batch_size": 4})
    assert [step_down(run), step_down(run), step_down(run)] == [(2, 2, False), (2, 2, True), None]
    fewer, again = (coach.describe_step_down(event) for event in run.view().stepped)
    assert fewer.endswith("KTO then compares fewer examples at once, which is less steady.")
    assert again.endswith("What it learns stays the same.")


def test_marks_are_learned_by_kto_and_bad_ones_are_kept_for_it(home: Path) -> None:
    source = feedback(home, marks(15, 10))
    optim = MORE["optim"] | {"batch_size": 5}
    run = made(home, data={"source": source, "held_out": 0.0}, optim=optim)
    found = objective(run)
    assert found.preference == "kto" and [one["label"] for one in found.train].count(False) == 10
    assert found.weights == (1.0, 1.5) and "each bad one counts 1.5 times" in found.warnings[-1]
    trained(run)


def test_only_good_marks_are_nothing_to_tell_apart(home: Path) -> None:
    source = feedback(home, marks(15, 0))
    with pytest.raises(SpecError, match="nothing to tell apart"):
        made(home, data={"source": source, "held_out": 0.0})
    with pytest.raises(DataError, match="All answers are marked bad"):
        mark_weights([False, False])


def test_one_at_a_time_is_too_few_for_kto(home: Path) -> None:
    with pytest.raises(RunError, match="at least two at once"):
        trained(made(home, method={"preference": "kto"}, optim=MORE["optim"] | {"batch_size": 1}))


def test_marks_cannot_be_learned_as_pairs(home: Path) -> None:
    source = feedback(home, marks(15, 10))
    with pytest.raises(SpecError, match="DPO compares two answers"):
        objective(made(home, data={"source": source}, method={"preference": "dpo"}))


def test_orpo_learns_the_answers_and_not_the_questions(home: Path) -> None:
    """The loss by hand, from the logits of the plain model: as in the paper, a mean per answer."""
    found = objective(made(home, method={"preference": "orpo", "beta": 0.3}))
    model = AutoModelForCausalLM.from_pretrained(presets.POCKET_MODEL, dtype=torch.float32).eval()
    arguments: dict[str, Any] = {"output_dir": str(home / "out"), "use_cpu": True}
    arguments |= {
        "activation_checkpointing": False,
        "per_device_train_batch_size": 3,
        "bf16": False,
    }
    trainer = found.make_trainer(model, arguments, [])
    losses = []
    for row in found.train[:3]:
        chosen, rejected = (
            mean_log_probability(model, row["prompt_ids"], row[f"{side}_ids"])
            for side in ("chosen", "rejected")
        )
        odds = (chosen - rejected) - (torch.log1p(-chosen.exp()) - torch.log1p(-rejected.exp()))
        losses.append(float(-chosen - 0.3 * torch.nn.functional.logsigmoid(odds)))
    for count in (1, 2, 3):
        rows = [trainer.train_dataset[at] for at in range(count)]
        with torch.no_grad():
            loss = trainer.compute_loss(model, trainer.data_collator(rows))
        assert float(loss) == pytest.approx(sum(losses[:count]) / count, abs=1e-5)


@torch.no_grad()
def mean_log_probability(model: Any, question: list[int], answer: list[int]) -> torch.Tensor:
    """Of an answer's tokens after a question."""
    logits = model(torch.tensor([question + answer])).logits[0, len(question) - 1 : -1]
    return logits.log_softmax(-1)[range(len(answer)), answer].mean()


def test_writing_the_better_answers_is_still_possible(home: Path) -> None:
    assert type(objective(made(home, data={"goal": "write"}))).__name__ == "SftObjective"
