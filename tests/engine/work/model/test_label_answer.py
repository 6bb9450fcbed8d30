"""What the desk says of one text, against transformers' own forward on the saved files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from engine.data.rows import labelled_text, read_rows
from engine.errors import DataError, RunError
from engine.process.label_answer import LabelAnswer
from engine.store.head_labels import HeadLabels, read_head_labels
from engine.store.run_dir import RunDir, is_whole_model
from engine.work.desk import DeskWorker
from engine.work.serve import Report
from tests.engine.tiny import config_of, save_model
from tests.engine.work.train.labelled_runs import coloured, judged, learn, priced

SHORT = {"optim": {"epochs": 1}}


def ask(run: RunDir, text: str) -> LabelAnswer:
    question = {"run": str(run.path), "text": text}
    answer = DeskWorker().classify(question, Report(io.StringIO(), 0))
    return LabelAnswer.model_validate(answer)


@torch.no_grad()
def plain_logits(run: RunDir, text: str, labels: int) -> torch.Tensor:
    """What another program computes that has only the base model and the saved files."""
    load = AutoModelForSequenceClassification.from_pretrained
    if is_whole_model(run.adapter):
        model = load(run.adapter, dtype=torch.float32)
    else:
        base = load(run.spec.model.source, dtype=torch.float32, num_labels=labels)
        model = PeftModel.from_pretrained(base, run.adapter)
    tokenizer = AutoTokenizer.from_pretrained(run.adapter)
    limit = {"truncation": True, "max_length": run.spec.data.max_length}
    ids = tokenizer(text, return_tensors="pt", **limit)["input_ids"]
    return model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].double()


@pytest.mark.parametrize(
    ("kind", "rows", "goal", "method"),
    [
        ("bert", judged, "classify", "lora"),
        ("llama", judged, "classify", "full"),
        ("gpt2", coloured, "multilabel", "dora"),
        ("llama", priced, "regress", "lora"),
    ],
)
def test_probabilities_are_those_of_a_plain_forward(
    tmp_path: Path, kind: str, rows: Any, goal: str, method: str
) -> None:
    run = learn(tmp_path, rows(80), kind, data={"goal": goal}, method={"kind": method}, **SHORT)
    held_out = labelled_text(read_rows(run.held_out_file)[0])
    for text in (held_out, "My shoes fell apart, and nobody helps.", "good " * 200):
        answer, head = ask(run, text), read_head_labels(run.adapter)
        assert head and answer.kind == head.kind == goal and answer.labels == head.labels
        assert answer.base is None, "its head was never trained"
        assert answer.cut == (len(text) > 500)
        logits = plain_logits(run, text, len(head.labels))
        if goal == "regress":
            expected = logits.item() * head.spread + head.mean
            assert answer.tuned.value == pytest.approx(expected, rel=1e-6)
            assert answer.numbers is not None and answer.numbers[0] >= 1000.5
            continue
        shares = logits.sigmoid() if goal == "multilabel" else logits.softmax(-1)
        assert answer.tuned.probabilities == pytest.approx(shares.tolist(), abs=1e-6)
        best = [name for name, share in zip(head.labels, shares, strict=True) if share > 0.5]
        assert list(answer.tuned.chosen) == best, "of two labels the likeliest is above a half"


def test_a_base_that_has_this_head_already_answers_too(tmp_path: Path) -> None:
    save_model(tmp_path / "bert", "bert")
    torch.manual_seed(0)
    trained = AutoModelForSequenceClassification.from_config(config_of("bert", num_labels=2))
    trained.save_pretrained(tmp_path / "bert")
    run = learn(tmp_path, judged(60), **SHORT)
    answer = ask(run, "the good cat")
    ids = AutoTokenizer.from_pretrained(run.adapter)("the good cat", return_tensors="pt")
    with torch.no_grad():
        logits = trained.eval()(input_ids=ids["input_ids"]).logits[0]
    assert answer.base and answer.base != answer.tuned
    assert answer.base.probabilities == pytest.approx(logits.softmax(-1).tolist(), abs=1e-6)


def test_what_cannot_be_answered_is_said(tmp_path: Path, trained: Any) -> None:
    with pytest.raises(RunError, match="it chooses no labels"):
        ask(trained[1], "Hello")
    run = learn(tmp_path, judged(40), **SHORT)
    with pytest.raises(DataError, match="reads nothing in this text"):
        ask(run, "")


def test_what_a_head_stands_for_is_read_or_said_to_be_damaged(tmp_path: Path) -> None:
    assert read_head_labels(tmp_path) is None
    file = tmp_path / "labels.json"
    file.write_text('{"labels": ["value"], "problem_type": "regression", "scale": '
                    '{"mean": 2.5, "spread": 0.5}}')  # fmt: skip
    assert read_head_labels(tmp_path) == HeadLabels("regress", ("value",), 2.5, 0.5)
    for text in ("", "[]", '{"labels": ["a"]}', '{"labels": 1, "problem_type": "regression"}'):
        file.write_text(text)
        with pytest.raises(RunError, match="is damaged"):
            read_head_labels(tmp_path)
