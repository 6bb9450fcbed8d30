"""Classification heads on tiny models of several architectures: runs, scores, merges, exports."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from engine.coach import scores
from engine.errors import DataError
from engine.runs.engine import Engine
from engine.runs.export import snippets, zips
from engine.spec import run as specs
from engine.spec.run import DataSpec
from engine.store import events as ev
from engine.work.encode.tokenizer import load_tokenizer
from engine.work.evaluate.score import score_run
from engine.work.merge import merge_run
from engine.work.model import classifier
from engine.work.model.base_and_tuned import open_trained_run
from engine.work.train.callback import RunCallback
from engine.work.train.train import load_inputs, make_objective, train
from tests.engine.tiny import save_model
from tests.engine.work.train.labelled_runs import coloured, judged, learn, make, priced, replies


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("bert", "lora"),
        ("distilbert", "qlora"),
        ("roberta", "lora8"),
        ("modernbert", "dora"),
        ("gpt2", "qlora"),
        ("llama", "full"),
        ("llama", "head"),
    ],
)
def test_a_trained_head_beats_the_untrained_one_and_merges(
    tmp_path: Path, kind: str, method: str
) -> None:
    rate = 2e-3 if method == "full" else 5e-3
    run = learn(tmp_path, judged(), kind, method={"kind": method}, optim={"learning_rate": rate})
    view = run.view()
    before, best = view.checks[0], view.best
    assert best is not None and best.loss < before.loss and before.step == 0
    assert before.accuracy is not None and best.accuracy is not None
    assert best.accuracy > before.accuracy
    score_run(run)
    done = run.view().scored
    assert isinstance(done, ev.Scored) and done.labels and done.guessing and done.rows == done.of
    assert done.base / done.rows == pytest.approx(before.accuracy), "it guesses as at the start"
    assert done.tuned / done.rows == pytest.approx(best.accuracy)
    # A body of random weights gives a head little to go by.
    least = 0.55 if method == "head" else 0.8
    assert done.labels.accuracy.tuned > max(least, done.labels.accuracy.majority)
    assert "was never trained, so it guesses" in scores.score_sentences(done)[-1]
    for precision in ("fp32", "bf16"):
        merge_run(run, precision)
        merged = run.view().merged[precision]
        assert merged.ok and merged.agree is not None and merged.agree >= 7, merged
    config = json.loads((run.merged("bf16") / "config.json").read_text())
    assert config["id2label"] == {"0": "minus", "1": "plus"} and config["dtype"] == "bfloat16"


def test_the_pocket_model_tells_reviews_apart(home: Path) -> None:
    engine = Engine(home, supervise=False)
    values = {"source": "sample:reviews", "goal": "classify", "max_length": 192}
    optim = {"epochs": 0.5, "batch_size": 16, "learning_rate": 3e-3}
    run = engine.start(specs.make_spec({"data": values, "optim": optim, "sampling": {"checks": 1}}))
    train(run)
    score_run(run)
    labels = run.view().scored.labels
    assert labels.accuracy.tuned >= 0.9 and labels.accuracy.majority == 0.5
    said = {sample.step: sample.reply for sample in run.view().samples}
    assert set(said) == {0, 22} and all(" %, " in reply for reply in said.values())


def test_what_it_says_in_chat_and_in_a_program(tmp_path: Path) -> None:
    """The adapter carries its labels: the shown lines name them, and agree with the page."""
    run = learn(tmp_path, judged())
    [(base, tuned)] = replies(run, "the cat and happy dog")
    assert base.endswith("(a guess: before training its last layer is random)")
    assert tuned.startswith("plus ") and "minus" in tuned and "guess" not in tuned
    with zipfile.ZipFile(zips.adapter_zip(run)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("labels.json"))
        about = json.loads(archive.read(name))
    assert about == {"labels": ["minus", "plus"], "problem_type": "single_label_classification"}
    lines = snippets.python_lines(run).replace("Hello!", "the cat and happy dog")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(lines, {})
    (share, best), (_, other) = (line.split() for line in out.getvalue().splitlines())
    assert (best, other) == ("plus", "minus") and float(share) > 0.5


def test_several_labels(tmp_path: Path) -> None:
    # Labels of a list are taken as they are, whatever marks they hold.
    odd = {"blue": "blue; cold", "red": "red, warm", "words": "words | all"}
    rows = [row | {"label": [odd[one] for one in row["label"]]} for row in coloured()]
    run = learn(tmp_path, rows, "llama", data={"goal": "multilabel"})
    labels = json.loads((run.adapter / "labels.json").read_text())["labels"]
    assert labels == ["blue; cold", "red, warm", "words | all"]
    score_run(run)
    done = run.view().scored
    assert isinstance(done, ev.Scored) and done.labels and done.labels.micro_f1
    assert done.tuned > done.labels.majority_right
    assert done.labels.micro_f1.tuned > done.labels.micro_f1.majority
    first, _, third, *_ = scores.score_sentences(done)
    assert "no other" in first and "Micro F1" in third
    assert run.view().samples[-1].reply.startswith("words "), "the likeliest comes first"


def test_batches_that_are_added_up_are_one_batch(tmp_path: Path) -> None:
    """The library would sum the losses of several labels where a batch is made of parts."""
    more = {"data": {"goal": "multilabel"}, "place": {"precision": "fp32"}}
    optim = {"epochs": 1, "batch_size": 16, "learning_rate": 1e-3}
    whole = learn(tmp_path / "a", coloured(64), optim=optim, **more).view()
    optim |= {"batch_size": 4, "accumulation": 4}
    parts = learn(tmp_path / "b", coloured(64), optim=optim, **more).view()
    assert parts.losses == pytest.approx(whole.losses, rel=0.02)
    assert list(parts.grads) == pytest.approx(list(whole.grads), rel=0.05)


def test_numbers_are_given_in_their_own_units(tmp_path: Path) -> None:
    run = learn(tmp_path, priced(), data={"goal": "regress"})
    assert run.view().checks[0].accuracy is None
    assert run.view().first_loss == pytest.approx(1, abs=0.3)
    score_run(run)
    done = run.view().scored
    assert isinstance(done, ev.NumberScore) and done.explained and done.rows == done.of
    assert done.error.tuned < 0.5 * done.error.majority
    assert done.explained.tuned > 0.7 > 0.1 > done.explained.base
    first, second, third = scores.score_sentences(done)
    assert f"{done.mean:.4g}" in first and "R²" in second and "guesses" in third
    low, high = (float(tuned) for _, tuned in replies(run, "the cat", "the cat" + " good" * 5))
    assert low == pytest.approx(1000, abs=300) and high == pytest.approx(2250, abs=300)


def test_a_warm_start_keeps_the_units_that_the_head_has_learned(tmp_path: Path) -> None:
    other, asked = learn(tmp_path, priced(), data={"goal": "regress"}), "the cat good good"
    [(_, said)] = replies(other, asked)
    rows = [row | {"label": 300 - row["label"] / 10} for row in priced(100)]
    more = {"model": {"start": other.id}, "sampling": {"prompts": [asked]}}
    optim = {"learning_rate": 1e-6, "epochs": 1}
    run = learn(tmp_path, rows, data={"goal": "regress"}, optim=optim, **more)
    assert float(run.view().samples[0].reply) == pytest.approx(float(said), rel=0.01)
    assert classifier.read_scale(run.adapter) == classifier.read_scale(other.adapter)
    score_run(run)
    assert run.view().scored.mean == pytest.approx(130, abs=15), "the mean is of its own rows"


def test_a_base_model_that_has_a_head_for_other_labels(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    from tests.engine.tiny import config_of

    save_model(tmp_path / "bert", "bert")
    for labels in (5, 2):
        torch.manual_seed(0)
        config = config_of("bert", num_labels=labels)
        AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "bert")
        run = learn(tmp_path, judged(60), optim={"epochs": 1})
        assert classifier.has_new_head(open_trained_run(run)) == (labels == 5)


def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = learn(tmp_path / "a", judged(), optim={"epochs": 1}).view()
    run, ended = make(tmp_path / "b", judged(), optim={"epochs": 1}), RunCallback.on_step_end

    def stop(self: RunCallback, args: Any, state: Any, control: Any, **more: Any) -> None:
        # A check is due then; another one would move the random numbers on.
        if state.global_step == 5:
            run.stop_mark.write_text("keep")
        ended(self, args, state, control, **more)

    with monkeypatch.context() as patch:
        patch.setattr(RunCallback, "on_step_end", stop)
        train(run)
    assert run.view().ended == ev.Stopped(step=5, kept=True, time=run.view().ended.time)
    run.stop_mark.unlink()
    train(run)
    assert run.view().losses == whole.losses


# --- what cannot be learned, in words ---


@pytest.mark.parametrize(
    ("labels", "goal", "text"),
    [
        (["one"] * 9, "classify", "only one label, 'one'"),
        ([f"Answer {n}." for n in range(40)], "classify", "look like answers, not labels"),
        (["many"] * 9, "regress", "Row 1: 'many' is not a number"),
        (["7"] * 9, "regress", r"the same number \(7\)"),
        ([["x", "x"]] * 9, "multilabel", "only one label, 'x'"),
    ],
)
def test_labels_that_teach_nothing(tmp_path: Path, labels: list[Any], goal: str, text: str) -> None:
    rows = [{"text": f"a {n}", "label": label} for n, label in enumerate(labels)]
    run = make(tmp_path, rows, data={"goal": goal, "held_out": 0})
    with pytest.raises(DataError, match=text):
        make_objective(load_inputs(run))


def test_held_out_labels_that_nobody_taught_are_left_out_and_count_as_wrong(tmp_path: Path) -> None:
    new = [{"text": "the dog and me", "label": "new"}, {"text": "the far dog", "label": "new"}]
    run = learn(tmp_path, judged(80) + new, held=12, optim={"epochs": 1}, data={"system": "Judge."})
    view = run.view()
    assert view.started and view.started.held_out == 10 and view.started.cut == 0
    warnings = " ".join(view.warnings)
    assert "2 of 12 held-out examples have a label that no training example has" in warnings
    assert "reads the text alone" in warnings
    assert all("Judge" not in sample.prompt for sample in view.samples)
    score_run(run)
    done = run.view().scored
    assert isinstance(done, ev.Scored) and done.rows == 12 and done.tuned <= 10


def test_long_texts_are_cut_in_front_of_what_ends_them(tmp_path: Path) -> None:
    """The end that a tokenizer adds stays: a head may read it."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = load_tokenizer(save_model(tmp_path / "bert", "bert"))
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    texts = ["good", "good " * 50, "a</s>b"]
    read = classifier.tokenize_texts(tokenizer, texts, DataSpec(max_length=16))
    assert len(read.ids[0]) < len(read.ids[1]) == 16 and read.cut == 1
    assert all(ids[0] == 1 and ids[-1] == 2 for ids in read.ids) and read.ids[2].count(2) == 2
    data = DataSpec(max_length=64, fixes=("literal",))
    literal = classifier.tokenize_texts(tokenizer, ["a</s>b"], data)
    assert literal.ids[0].count(2) == 1
