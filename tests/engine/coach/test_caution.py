"""Beside every score of a run stands how much its held-out rows resemble its training rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine.cli.progress import summarize_run
from engine.coach.caution import (
    SEEN_BEFORE,
    START_SEEN_BEFORE,
    START_UNKNOWN,
    score_caution,
    short_caution,
)
from engine.data.rows import RowWriter
from engine.runs import warm_start
from engine.runs.report import make_report
from engine.spec.run import ModelSpec, make_spec
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.store.workspace import Store
from tests.engine.store.test_run_view import checked, started, step
from ui.compare.score import score_card
from ui.runs.report import report_page
from ui.runs.table import runs_table
from ui.train.live import poll_answer

FOUND = {"compared": 24, "of": 24, "wording": 13, "answers": 2}
SAID = "Of 24 held-out examples, 13 are worded much like a training example"


def write(path: Path, *texts: str) -> Path:
    with RowWriter(path) as rows:
        for text in texts:
            rows.add(json.dumps({"text": text}))
    return path


@pytest.fixture
def run(home: Path, tmp_path: Path) -> RunDir:
    """A finished run that was scored."""
    rows = [write(tmp_path / name, name) for name in ("train.arrow", "heldout.arrow")]
    about = {"name": "rows", "shape": "plain text", "overlap": FOUND}
    made = Store(home).create_run(make_spec({"name": "one"}), *rows, about)
    events = [
        started(steps=2, held_out=24), checked(0, 4.0), step(1, 3.0), step(2, 2.0), checked(2, 1.0),
        ev.Saved(step=2, best=True), ev.Finished(step=2, seconds=1, memory_gb=1),
        ev.Perplexity(what="answers", base=9.0, tuned=3.0, tokens=70, rows=24, of=24),
    ]  # fmt: skip
    for event in events:
        made.emit(event)
    return made


def test_it_stands_beside_every_score(run: RunDir) -> None:
    view, state = run.view(), run.state()
    caution = score_caution(run)
    assert caution.startswith(SAID)
    assert poll_answer(run, view, state, {})["caution"] == caution
    assert caution in score_card(view, False, caution)
    page = report_page(make_report(run))
    assert page.count(SAID) == 2, "beside the curve and beside the score"
    assert short_caution(run) in runs_table([run]).text
    assert summarize_run(run)["caution"] == caution


def with_overlap(run: RunDir, overlap: object) -> str:
    about = json.loads(run.about_file.read_text())
    run.about_file.write_text(json.dumps(about | {"overlap": overlap}))
    return score_caution(run)


@pytest.mark.parametrize("overlap", [None, [], "24", {"compared": "many"}, {"wording": 2}])
def test_an_older_or_damaged_run_promises_nothing(run: RunDir, overlap: object) -> None:
    assert "not looked at" in with_overlap(run, overlap)
    assert short_caution(run) == "" and "like training" not in runs_table([run]).text


def test_nothing_is_said_where_nothing_is_held_out(run: RunDir) -> None:
    run.emit(started(steps=2, held_out=0))
    assert score_caution(run) == ""


def started_from(run: RunDir, name: str, *rows: Path) -> RunDir:
    """A run like this one that starts from its result; with its rows, or others."""
    more = {"name": name, "model": ModelSpec(start=run.id)}
    spec, store = run.spec.model_copy(update=more), Store(run.home)
    about = json.loads(run.about_file.read_text())
    rows = rows or (run.train_file, run.held_out_file)
    run.adapter.mkdir(exist_ok=True)
    made = store.create_run(
        spec, *rows, about, lambda draft: warm_start.copy_result(store, run, draft)
    )
    made.emit(started(steps=2, held_out=24))
    return made


def test_an_adapter_from_elsewhere_may_know_the_held_out_rows(run: RunDir) -> None:
    assert START_SEEN_BEFORE not in score_caution(started_from(run, "from a run of Hone's"))
    run.emit(ev.Imported())
    assert score_caution(run) == SEEN_BEFORE
    second = started_from(run, "second")
    third = started_from(second, "third")
    for later in (second, third):
        assert score_caution(later).startswith(SAID)
        assert score_caution(later).endswith(START_SEEN_BEFORE)


def test_rows_that_were_trained_on_earlier_and_are_held_out_now_are_counted(
    run: RunDir, tmp_path: Path
) -> None:
    """The same data split in another way, or other data with some of the same rows."""
    train = write(tmp_path / "a.arrow", "one", "two", "three", "four")
    first = started_from(run, "first", train, write(tmp_path / "b.arrow", "five"))
    assert "of what it starts from" not in score_caution(first), "none of them is held out"
    nothing = write(tmp_path / "nothing.arrow")
    assert score_caution(started_from(first, "none", nothing, nothing)).count(". ") == 1
    other = write(tmp_path / "c.arrow", "five"), write(tmp_path / "d.arrow", "two", "six", "four")
    second = started_from(first, "second", *other)
    caution = score_caution(second)
    assert caution.startswith(SAID)
    assert "2 of these held-out examples are among the training examples of what it" in caution
    third = started_from(second, "third", train, write(tmp_path / "e.arrow", "five", "one", "new"))
    assert "2 of these held-out" in score_caution(third), "those of all runs behind it"
    shutil.rmtree(first.path)
    fourth = started_from(second, "fourth", train, write(tmp_path / "f.arrow", "new", "five"))
    assert "1 of these held-out examples is among" in score_caution(fourth)
    assert score_caution(fourth).endswith(START_UNKNOWN)


@pytest.mark.parametrize("damage", ["empty", "cut", "gone", "spec"])
def test_a_damaged_run_behind_it_keeps_nobody_from_starting(
    run: RunDir, tmp_path: Path, damage: str
) -> None:
    rows = [write(tmp_path / f"{name}.arrow", name) for name in ("one", "two", "three")]
    first = started_from(run, "first", rows[0], rows[1])
    second = started_from(first, "second", rows[2], rows[1])
    whole = first.train_file.read_bytes()
    first.train_file.unlink()
    if damage == "spec":
        first.train_file.write_bytes(whole)
        first.spec_file.write_text("{")
    elif damage != "gone":
        first.train_file.write_bytes(whole[:100] if damage == "cut" else b"")
    third = started_from(RunDir(second.path), "third", rows[1], rows[2])
    assert score_caution(third).endswith(START_UNKNOWN)
    assert "1 of these held-out examples is among" in score_caution(third), "those of the second"


@pytest.mark.parametrize("count", ["3", None, [], -1.5, {}])
def test_an_odd_note_of_the_start_is_passed_over(run: RunDir, count: object) -> None:
    second = started_from(run, "second")
    (second.start / "about.json").write_text(json.dumps({"trained_on_held_out": count}))
    assert "of what it starts from" not in score_caution(second)
