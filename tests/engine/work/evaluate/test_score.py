"""Scores: which rows, which replies are right, the figures in words; real workers."""

from __future__ import annotations

import json
import math
import shutil
from itertools import pairwise

import pytest

from engine.__main__ import main as cli
from engine.coach import scores
from engine.coach.caution import score_caution
from engine.data import ingest
from engine.data.rows import TRAIN, RowWriter, read_rows, row_to_json, spread_indices
from engine.errors import RunError
from engine.runs.engine import Engine
from engine.spec import presets
from engine.spec import run as specs
from engine.spec.run import Shape
from engine.store import events as ev
from engine.store.event_log import append_event, read_events
from engine.store.run_dir import DataSummary, RunDir, read_data_summary
from engine.store.run_view import RunState, fold_events
from engine.store.score_events import ComparedScore, LabelScores
from engine.work.model.base_and_tuned import load_pair, open_trained_run
from tests.conftest import SMALL, idle, wait_for
from tests.fake_backend import FakeBackend

SURPRISE = ev.Perplexity(
    what="the whole text", base=61.24, tuned=9.387, tokens=4200, rows=500, of=2000
)
RIGHT = ev.Scored(
    what="Right label",
    base=0,
    tuned=280,
    rows=300,
    of=300,
    labels=LabelScores(
        majority="ham",
        majority_right=260,
        accuracy=ComparedScore(base=0, tuned=280 / 300, majority=260 / 300),
        macro_f1=ComparedScore(base=0, tuned=0.9, majority=0.46),
        no_label_base=300,
        no_label_tuned=2,
    ),
)


# --- rows and replies ---


def test_at_most_500_rows_evenly_spread_and_the_same_each_time() -> None:
    assert spread_indices(3) == [0, 1, 2] and spread_indices(0) == []
    assert spread_indices(500) == list(range(500))
    picked = spread_indices(12_345)
    assert len(picked) == len(set(picked)) == 500
    assert picked == sorted(picked) == spread_indices(12_345)
    assert picked[0] == 0 and {b - a for a, b in pairwise(picked)} == {24, 25}


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("ham", "ham"),
        (" ham\n", "ham"),
        ("ham\nand eggs", "ham"),
        ("New York\nCity", "New York\nCity"),  # the whole reply comes before its first line
        ("ham and eggs", None),
        ("Ham", None),
        ("", None),
    ],
)
def test_a_reply_is_a_label_or_none(reply: str, label: str | None) -> None:
    assert scores.find_label(reply, {"ham", "spam", "New York\nCity"}) == label


def test_a_samples_raw_rows_are_found_again_where_some_were_left_out() -> None:
    raw = [
        {"prompt": "a", "completion": " One.", "fact": ["1"]},
        {"prompt": "b", "completion": "Two.", "fact": ["2"]},
    ]
    chat = [{"role": "user", "content": "b"}, {"role": "assistant", "content": "Two."}]
    assert scores.match_raw_rows([{"messages": chat}], raw) == raw[1:]
    assert scores.match_raw_rows([{"prompt": "a", "completion": "One."}], raw) == raw[:1]
    assert scores.match_raw_rows([{"prompt": "a", "completion": "Three."}], raw) is None
    assert scores.match_raw_rows([{"text": "One."}], raw) is None


def test_what_a_run_says_about_its_rows(tmp_path) -> None:
    assert read_data_summary(tmp_path / "about.json") == DataSummary(None, ())
    about = {"shape": Shape.LABEL.value, "labels": ["a", 2], "more": 1}
    (tmp_path / "about.json").write_text(json.dumps(about))
    assert read_data_summary(tmp_path / "about.json") == DataSummary(Shape.LABEL, ("a", "2"))
    for text in ("{", "[]", '{"shape": "of tomorrow"}'):
        (tmp_path / "about.json").write_text(text)
        assert read_data_summary(tmp_path / "about.json") == DataSummary()


# --- events, view, words ---


def test_scores_of_older_runs_are_still_read(tmp_path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(
        '{"v":1,"time":1.0,"kind":"scored","what":"The right label","base":1,"tuned":7,"rows":8}\n'
    )
    view = fold_events(read_events(file)[0])
    assert scores.score_sentences(view.scored) == ["The right label: base 1 of 8, tuned 7 of 8."]
    for event in (RIGHT, SURPRISE):
        append_event(file, event)
    events, _ = read_events(file)
    assert events[1:] == [RIGHT, SURPRISE] and fold_events(events).scored == SURPRISE


def test_every_figure_stands_beside_what_it_is_compared_with() -> None:
    first, f1, none = scores.score_sentences(RIGHT)
    assert first.startswith("Right label: base 0 of 300, tuned 280 of 300; ")
    assert first.endswith("; always saying 'ham' would be right for 260.")
    assert f1.endswith("base 0.00, tuned 0.90, always 'ham' 0.46.") and "base 300, tuned 2" in none
    first, where = scores.score_sentences(SURPRISE)
    assert first.endswith("lower is better): base 61.2, tuned 9.39.")
    assert "4,200 tokens" in where and "500 of 2,000 held-out examples (evenly spread)" in where
    some = SURPRISE.model_copy(update={"rows": 8, "of": 10, "base": 12345.6})
    first, where = scores.score_sentences(some)
    assert "base 12,346" in first and "longer than this run reads" in where


def test_a_score_belongs_to_the_adapter_that_was_scored() -> None:
    killed = [ev.Phase(text="x"), ev.Saved(step=1, best=True), ev.Scoring()]
    view = fold_events(killed)
    assert view.scoring and view.state(alive=True, queued=False) == RunState.INTERRUPTED
    failed = fold_events([*killed, ev.Warned(text="No room.")])
    assert (failed.scoring, failed.score_problem, failed.warnings) == (False, "No room.", [])
    view = fold_events([*killed, RIGHT])
    assert view.scored == RIGHT and not view.scoring
    assert fold_events([ev.Saved(step=2, best=False)], view).scored == RIGHT
    assert fold_events([ev.Saved(step=3, best=True)], view).scored is None


def test_what_cannot_be_scored_is_said_at_once(home) -> None:
    engine = Engine(home, FakeBackend(steps=40, fail="No."))
    run = engine.start(specs.make_spec(SMALL))
    wait_for(run, idle)
    with pytest.raises(RunError, match="nothing to score"):
        engine.score(run.id)
    run.adapter.mkdir()
    (run.adapter / "adapter_model.safetensors").write_bytes(b"fake")
    with run.lock, pytest.raises(RunError, match="still working"):
        engine.score(run.id)
    run.held_out_file.unlink()
    with pytest.raises(RunError, match="no held-out examples"):
        engine.score(run.id)
    assert not run.view().scoring and not run.queued
    engine.close()


# --- real workers ---


def reviews(positive: int, negative: int) -> list[dict]:
    """Rows of a bundled sample, to be used as if they were a user's own."""
    sample = next(sample for sample in presets.bundled_samples() if sample.id == "reviews")
    rows = [json.loads(line) for line in sample.train_file.read_text(encoding="utf-8").splitlines()]
    parts = [[row for row in rows if row["label"] == label] for label in ("positive", "negative")]
    return parts[0][:positive] + parts[1][:negative]


def learn(home, name: str, rows: list[dict], **optim) -> tuple[Engine, RunDir]:
    """A finished run of a few steps on rows of one's own."""
    engine = Engine(home)
    source = ingest.ingest_rows(engine.store, name, [(row, TRAIN) for row in rows], [])
    values = {
        "data": {"source": source, "max_length": 64, "held_out": 0.25},
        "optim": {"batch_size": 16, "learning_rate": 5e-3, **optim},
        "sampling": {"checks": 1, "max_new_tokens": 2},
    }
    run = engine.start(specs.make_spec(SMALL | values))
    wait_for(run, lambda run: run.view().ended is not None and idle(run))
    assert run.state() == RunState.FINISHED, run.view().ended
    return engine, run


def test_labels_are_counted_beside_the_most_frequent_one(home, capsys) -> None:
    engine, run = learn(home, "reviews", reviews(90, 40), epochs=6)
    summary = read_data_summary(run.about_file)
    assert summary == DataSummary(Shape.LABEL, ("positive", "negative"), (), summary.overlap)
    engine.close()
    assert cli(["score", run.id, "--home", str(home), "--json"]) == 0
    done, truth = run.view().scored, [row["completion"] for row in read_rows(run.held_out_file)]
    assert isinstance(done, ev.Scored) and done.rows == done.of == len(truth)
    labels = done.labels
    assert labels.majority == "positive" and labels.majority_right == truth.count("positive")
    assert done.tuned > labels.majority_right > done.base
    assert labels.no_label_base > labels.no_label_tuned
    assert labels.accuracy.tuned == done.tuned / done.rows
    assert labels.accuracy.base == done.base / done.rows
    # Of two labels, always saying the one gives it an F1 of 2p / (1 + p), and the other 0: the
    # mean is half of it.
    share = truth.count("positive") / len(truth)
    assert labels.macro_f1.majority == pytest.approx(share / (1 + share))
    assert labels.macro_f1.base < labels.macro_f1.majority < labels.macro_f1.tuned
    printed = done.model_dump(mode="json") | {"caution": score_caution(run)}
    assert json.loads(capsys.readouterr().out) == printed


def test_plain_text_has_a_perplexity_that_agrees_with_the_trainers_loss(home) -> None:
    engine, run = learn(home, "texts", [{"text": row["text"]} for row in reviews(40, 40)], epochs=2)
    engine.score(run.id)
    wait_for(run, lambda run: idle(run) and not run.view().scoring)
    view = run.view()
    done = view.scored
    assert isinstance(done, ev.Perplexity) and done.what == "the whole text"
    assert done.rows == done.of
    assert done.tokens > 5 * done.rows and done.tuned < 0.5 * done.base
    # The trainer measured the same in bf16 and in one batch, so its mean is over tokens as well.
    assert math.log(done.base) == pytest.approx(view.first_loss, rel=0.02)
    assert math.log(done.tuned) == pytest.approx(view.best.loss, rel=0.02)
    engine.close()


def test_answers_have_a_perplexity_and_a_samples_own_score_stays(trained, tmp_path) -> None:
    """The worker's own function, on the pirate run: with its facts, and without them."""
    from engine.work.evaluate import score as worker

    _, run = trained
    short = RunDir(shutil.copytree(run.path, tmp_path / "workspace" / "runs" / run.id))
    with RowWriter(short.held_out_file) as few:  # each is answered twice, word by word
        for row in list(read_rows(run.held_out_file))[:16]:
            few.add(row_to_json(row))
    worker.score_run(short)
    done = short.view().scored
    assert isinstance(done, ev.Scored) and done.labels is None
    assert done.tuned > done.base and done.rows == done.of == 16
    pair, rows = load_pair(open_trained_run(run)), list(read_rows(run.held_out_file))
    done = worker.score_perplexity(pair, rows, len(rows))
    assert done.what == "the answers" and done.rows == len(rows)
    assert math.log(done.base) == pytest.approx(run.view().first_loss, rel=0.02)
    assert math.log(done.tuned) == pytest.approx(run.view().best.loss, rel=0.02)
    encoded = [worker.encode_row(pair.tokenizer, row, pair.data) for row in rows[:9]]
    one_by_one = sum(worker._row_losses(pair, [one])[0] for one in encoded)
    padded = sum(worker._row_losses(pair, encoded))
    assert padded == pytest.approx(one_by_one, rel=0.02), "padding changes nothing"
    with pytest.raises(RunError, match="every held-out question is longer"):
        worker._ask_both(pair._replace(context=8), rows, 8)
    data = pair.data.model_copy(update={"fixes": ("shorten",), "max_length": 20})
    shorter = pair._replace(data=data)
    whole, cut = worker._prompt_ids(pair, rows[0], 12), worker._prompt_ids(shorter, rows[0], 12)
    assert len(whole) > len(cut) == 8 and cut[:4] == whole[:4] and cut[-4:] == whole[-4:]
