"""Beside every score of a run stands how much its held-out rows resemble its training rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli.progress import summarize_run
from engine.coach.caution import SEEN_BEFORE, START_SEEN_BEFORE, score_caution, short_caution
from engine.runs import warm_start
from engine.runs.report import make_report
from engine.spec.run import make_spec
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


@pytest.fixture
def run(home: Path, tmp_path: Path) -> RunDir:
    """A finished run that was scored."""
    rows = [tmp_path / name for name in ("train.arrow", "heldout.arrow")]
    for file in rows:
        file.touch()
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
    assert short_caution(run) in runs_table([run], "")
    assert summarize_run(run)["caution"] == caution


def with_overlap(run: RunDir, overlap: object) -> str:
    about = json.loads(run.about_file.read_text())
    run.about_file.write_text(json.dumps(about | {"overlap": overlap}))
    return score_caution(run)


@pytest.mark.parametrize("overlap", [None, [], "24", {"compared": "many"}, {"wording": 2}])
def test_an_older_or_damaged_run_promises_nothing(run: RunDir, overlap: object) -> None:
    assert "not looked at" in with_overlap(run, overlap)
    assert short_caution(run) == "" and "worded like" not in runs_table([run], "")


def test_nothing_is_said_where_nothing_is_held_out(run: RunDir) -> None:
    run.emit(started(steps=2, held_out=0))
    assert score_caution(run) == ""


def started_from(run: RunDir, name: str) -> RunDir:
    """A run like this one that starts from its result."""
    spec = run.spec.model_copy(update={"name": name})
    about = json.loads(run.about_file.read_text())
    rows = run.train_file, run.held_out_file
    made = Store(run.home).create_run(
        spec, *rows, about, lambda draft: warm_start.copy_result(run, draft.start)
    )
    made.emit(started(steps=2, held_out=24))
    return made


def test_an_adapter_from_elsewhere_may_know_the_held_out_rows(run: RunDir) -> None:
    run.adapter.mkdir()
    assert START_SEEN_BEFORE not in score_caution(started_from(run, "from a run of Hone's"))
    run.emit(ev.Imported())
    assert score_caution(run) == SEEN_BEFORE
    second = started_from(run, "second")
    second.adapter.mkdir()
    third = started_from(second, "third")
    for later in (second, third):
        assert score_caution(later).startswith(SAID)
        assert score_caution(later).endswith(START_SEEN_BEFORE)
