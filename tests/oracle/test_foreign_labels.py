"""Foreign adapters that choose labels: only where their files say which output is which."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data import ingest
from engine.data.rows import HELD_OUT, TRAIN
from engine.errors import HoneError
from engine.runs import warm_start
from engine.runs.engine import Engine
from engine.runs.foreign.add import Choices, add_adapter
from engine.spec.data import DataSpec, Shape
from engine.spec.spec_file import changed_spec
from engine.store.run_dir import RunDir
from tests.engine.tiny import save_model
from tests.oracle.made_runs import SIZE
from tests.oracle.read_run import read_run

pytestmark = pytest.mark.slow
LABELS = {"labels": ["bad", "good"], "problem_type": "single_label_classification"}
PLACE = ("place.device=cpu", "place.precision=fp32")


def save_classifier(base: Path, folder: Path) -> Path:
    """A classifier of two labels, as plain PEFT saves it: nothing names the labels."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(3)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2)
    config = LoraConfig(r=4, target_modules=["query"], task_type="SEQ_CLS", init_lora_weights=False)
    get_peft_model(model, config).save_pretrained(folder)
    return folder


def add(engine: Engine, folder: Path, base: Path, data: DataSpec | None = None) -> RunDir:
    files = {one.name: one for one in folder.iterdir()}
    return add_adapter(engine, files, "mine", Choices(base=str(base), data=data), [])


def test_with_its_labels_it_is_scored_and_trained_on(home: Path, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    from engine.work.evaluate.score import score_run
    from engine.work.model.base_and_tuned import open_trained_run
    from engine.work.train.train import train

    base = save_model(tmp_path / "bert", "bert", vocab=320, **SIZE)
    folder = save_classifier(base, tmp_path / "mine")
    engine = Engine(home, supervise=False)
    with pytest.raises(HoneError, match="do not say which output stands for which label"):
        add(engine, folder, base)
    (folder / "labels.json").write_text(json.dumps(LABELS))
    draw = [
        ("the cat is far", "bad"),
        ("a dog and a cat", "good"),
        ("see the blue mat", "good"),
    ] * 8
    items = [
        ({"text": f"{text} {at}", "label": label}, HELD_OUT if at % 4 == 3 else TRAIN)
        for at, (text, label) in enumerate(draw)
    ]
    source = ingest.ingest_rows(engine.store, "rows", items, [])
    roles = {"text": "text", "label": "label"}
    run = add(engine, folder, base, DataSpec(source=source, shape=Shape.LABEL, roles=roles))
    run.set_spec(changed_spec(run.spec, PLACE))
    assert run.spec.data.goal == "classify"
    trained = open_trained_run(run)
    ids = torch.arange(1, 40).reshape(1, -1)
    plain = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2)
    plain = PeftModel.from_pretrained(plain, folder).eval()
    with torch.no_grad():
        own = trained.load_models(trained.device_setup())(input_ids=ids).logits
        assert (own - plain(input_ids=ids).logits).abs().max() < 1e-6
    score_run(run)
    scored = run.view().scored
    assert scored is not None and scored.tuned / scored.rows == read_run(run.path)["right"]
    settings = ("optim.epochs=1", "optim.batch_size=4", "sampling.checks=1", *PLACE)
    further = engine.start(changed_spec(warm_start.warm_start_spec(run), settings))
    further.queue_mark.unlink()
    train(further)
    view, found = further.view(), read_run(further.path)
    assert view.first_loss == pytest.approx(found["first_loss"], abs=1e-5)
    assert view.kept is not None and view.kept.loss == pytest.approx(found["loss"], abs=1e-5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"labels": ["good", "bad"]}, "another order than Hone's, which is alphabetical"),
        ({"labels": ["a", "b", "c"]}, "its head is for another number"),
        ({"labels": []}, "labels.json is damaged"),
        ({"labels": [1, 2]}, "labels.json is damaged"),
        ({"problem_type": "x"}, "labels.json is damaged"),
        ({"problem_type": ["x"]}, "labels.json is damaged"),
        ({"labels": ["value"], "problem_type": "regression"}, "labels.json is damaged"),
    ],
)
def test_labels_that_are_not_certain(values: dict[str, Any], words: str, tmp_path: Path) -> None:
    from engine.model.adapter import read_adapter
    from engine.runs.foreign.head import read_head
    from tests.engine.model.made_adapters import OUTER, matrices, save_adapter, tiny_info

    head = {f"{OUTER}score.weight": (2, 32)}
    saved = save_adapter(
        tmp_path, matrices() | head, task_type="SEQ_CLS", modules_to_save=["score"]
    )
    (tmp_path / "labels.json").write_text(json.dumps(LABELS | values))
    info = tiny_info(task="classify", head=("score",), head_per_label=32)
    files = saved | {"labels.json": tmp_path / "labels.json"}
    with pytest.raises(HoneError, match=words):
        read_head(files, read_adapter(files, "mine"), info)
