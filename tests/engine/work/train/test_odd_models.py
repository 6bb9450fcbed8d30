"""Models whose parts do not agree are trained, saved, merged and taken away all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from engine.data.ingest import ingest_rows
from engine.data.rows import HELD_OUT, TRAIN
from engine.errors import DataError, RunError
from engine.runs.engine import Engine
from engine.runs.export import snippets
from engine.spec import run as specs
from engine.store.run_dir import RunDir
from engine.work import merge
from engine.work.encode.questions import prompt_ids
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.model.base_and_tuned import open_trained_run
from engine.work.model.generate import Decoding, stream_pair
from engine.work.train.train import load_inputs, make_objective, train
from tests.engine.tiny import WORDS
from tests.engine.work.odd_models import CHATML, CLOSED, HEADINGS, make_tokenizer, save_odd_model

ROWS = [
    {"prompt": f"see {one} {other}", "completion": "happy dog"}
    for one in WORDS[:12]
    for other in WORDS[12:18]
]
END = 4  # <|im_end|>


def new_run(tmp_path: Path, folder: Path, rows: list[dict[str, Any]] = ROWS, **more: Any) -> RunDir:
    engine = Engine(tmp_path / "workspace", supervise=False)
    items = [(row, HELD_OUT if at < 6 else TRAIN) for at, row in enumerate(rows)]
    values: dict[str, Any] = {
        "model": {"source": str(folder)},
        "data": {"source": ingest_rows(engine.store, "rows", items, []), "max_length": 64},
        "method": {"rank": 8, "alpha": 16},
        "optim": {"epochs": 3, "batch_size": 8, "learning_rate": 2e-2},
        "sampling": {"checks": 1, "max_new_tokens": 12},
        "place": {"device": "cpu", "precision": "fp32"},
    }
    values = {key: value | more.get(key, {}) for key, value in values.items()}
    run = engine.start(specs.make_spec(values))
    run.queue_mark.unlink()
    return run


def independent_reply(folder: Path, question: list[int]) -> list[int]:
    """What plain transformers makes of a folder."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = AutoTokenizer.from_pretrained(folder).pad({"input_ids": [question]}, return_tensors="pt")
    made = model.generate(ids["input_ids"], max_new_tokens=24, do_sample=False)
    return made[0, len(question) :].tolist()


def test_a_base_model_with_another_end_and_odd_settings_learns_where_to_stop(
    tmp_path, capsys
) -> None:
    """All weights, so that its configs are saved; the merge is asked by a program of its own."""
    odd = {"do_sample": False, "temperature": 0.6, "top_p": 0.9, "num_beams": 1, "eos_token_id": 2}
    older = {"max_length": 20, "num_beams": 4, "repetition_penalty": 1.1, "temperature": 0.7}
    folder = save_odd_model(tmp_path / "model", make_tokenizer(CHATML), odd, **older)
    run = new_run(tmp_path, folder, method={"kind": "full"}, optim={"learning_rate": 3e-3})
    train(run)
    assert (
        "Left out of generation_config.json: temperature=0.6, top_p=0.9." in capsys.readouterr().out
    )
    samples = [sample for sample in run.view().samples if sample.step]
    assert {sample.reply for sample in samples} == {"happy dog"}
    tokenizer = load_tokenizer(folder)
    ask = prompt_ids(tokenizer, [{"role": "user", "content": "see red cat"}], False)
    answer = [*tokenizer.encode("happy dog", add_special_tokens=False), END]
    assert independent_reply(run.adapter, ask) == answer
    merge.merge_run(run, "bf16")
    merged = run.view().merged["bf16"]
    assert merged.ok and merged.agree == merged.prompts == 6 and not merged.text
    assert independent_reply(run.merged("bf16"), ask) == answer
    assert not list(run.checkpoints.glob("**/rehearsal"))


def test_an_adapter_stops_where_it_was_taught_and_its_tokenizer_may_know_too_much(
    tmp_path, monkeypatch
) -> None:
    """The tokenizer calls another token its end than the model does, and pads with a token for
    which the model has no embedding.
    """
    tokenizer = make_tokenizer(CHATML, eos="<|im_end|>")
    tokenizer.add_tokens(["<tool>"], special_tokens=True)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    folder = save_odd_model(tmp_path / "model", tokenizer, {"eos_token_id": 2})
    run = new_run(tmp_path, folder, optim={"epochs": 8})
    train(run)
    assert run.view().samples[-1].reply == "happy dog"
    names: dict[str, Any] = {}
    exec(snippets.python_lines(run).replace("Hello!", "see red cat"), names)
    assert names["reply"][0, -1] == END and names["reply"].shape[1] < 40
    merge.merge_run(run, "fp32")
    assert run.view().merged["fp32"].ok
    monkeypatch.setattr(merge, "set_ends", lambda *_: None)
    merge.merge_run(run, "fp32")
    refused = run.view().merged["fp32"]
    assert not refused.ok and "does not stop where its answers end" in refused.text
    assert not run.merged("fp32").exists()


def test_words_that_end_a_reply_are_learned_cut_off_and_reported(tmp_path) -> None:
    """No token ends a turn, but the words [END]: other programs must be told."""
    folder = save_odd_model(tmp_path / "model", make_tokenizer(CLOSED))
    run = new_run(tmp_path, folder, optim={"epochs": 8})
    train(run)
    assert run.view().samples[-1].reply == "happy dog"
    names: dict[str, Any] = {}
    exec(snippets.python_lines(run).replace("Hello!", "see red cat"), names)
    assert names["tokenizer"].decode(names["reply"][0]).endswith("happy dog [END]")
    trained = open_trained_run(run)
    model, tokenizer, heard = trained.load_models(trained.device_setup()), names["tokenizer"], []
    ask = prompt_ids(tokenizer, [{"role": "user", "content": "see red cat"}], False)
    stream_pair(model, tokenizer, (ask, ask), Decoding(16), heard.append)
    assert heard[-1][1].strip() == "happy dog"
    merge.merge_run(run, "fp32")
    merged = run.view().merged["fp32"]
    assert merged.ok and merged.agree == 6 and "end with “[END]”, which is no token" in merged.text


@pytest.mark.parametrize(
    ("row", "goal"),
    [
        ({"prompt": "see red", "completion": "<tool> blue"}, "auto"),
        ({"prompt": "see <tool>", "completion": "blue"}, "auto"),
        ({"text": "red <tool> blue"}, "auto"),
        ({"prompt": "see red", "chosen": "blue", "rejected": "<tool>"}, "auto"),
        ({"text": "<tool> red", "label": "good"}, "auto"),
        ({"text": "<tool> red", "label": "good"}, "classify"),
    ],
)
def test_a_token_without_an_embedding_is_refused_before_the_start(tmp_path, row, goal) -> None:
    tokenizer = make_tokenizer(CHATML)
    tokenizer.add_tokens(["<tool>", "<other>"], special_tokens=True)
    folder, rows = save_odd_model(tmp_path / "model", tokenizer), []
    for at, word in enumerate(WORDS):
        rows.append({key: f"{value.replace('<tool>', 'one')} {word}" for key, value in row.items()})
        if "label" in row:
            rows[-1]["label"] = ("good", "bad")[at % 2]
    run = new_run(tmp_path, folder, [*rows, row], data={"goal": goal})
    number = "" if goal == "classify" else f"Row {len(WORDS) + 1}: "
    with pytest.raises(
        DataError, match=f"^{number}The text holds '<tool>', a token of the model's"
    ):
        make_objective(load_inputs(run))
    kept = run.spec.data.model_copy(update={"fixes": ("literal",)})
    run.set_spec(run.spec.model_copy(update={"data": kept}))
    assert make_objective(load_inputs(run)).counts.rows == len(WORDS) + 1 - 6
    with pytest.raises(DataError, match="'<other>', a token of the model's tokenizer"):
        prompt_ids(load_tokenizer(folder), [{"role": "user", "content": "see <other>"}], False)


def test_what_cannot_be_saved_is_refused_before_the_first_step(tmp_path, monkeypatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise TypeError("Object of type set is not JSON serializable\nmore")

    folder = save_odd_model(tmp_path / "model", make_tokenizer(HEADINGS))
    run = new_run(tmp_path, folder)
    monkeypatch.setattr(PreTrainedTokenizerFast, "save_pretrained", fail)
    with pytest.raises(RunError, match=r"could not be saved \(Object of type set is not JSON"):
        train(run)
    view = run.view()
    assert view.step == 0 and not view.samples and not list(run.checkpoints.glob("**/rehearsal"))
    assert any("writes no mark after the last answer" in text for text in view.warnings)
