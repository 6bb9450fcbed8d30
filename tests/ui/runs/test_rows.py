"""A run as a row: figures with what they are sorted by, and files that are read only once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.store.score_events import ComparedScore, NumberScore
from tests.fake_backend import FakeBackend
from tests.ui.fakes import fake_engine
from ui.runs import rows
from ui.runs.rows import COLUMNS, Cell, run_row

SAID = "52 of 60 like training rows"  # of the sample
SPEC = specs.make_spec({"method": {"rank": 4}, "optim": {"epochs": 2, "learning_rate": 5e-4}})


@pytest.fixture
def run(home: Any) -> RunDir:
    engine = Engine(home, FakeBackend(), supervise=False)
    made = engine.start(SPEC)
    engine.close()
    return made


def cell(run: RunDir, column: str) -> Cell:
    row = run_row(run)
    assert row
    return Cell(*row["cells"][list(COLUMNS).index(column)])


def train(run: RunDir, *losses: float, steps: int = 40) -> None:
    run.queue_mark.unlink(missing_ok=True)
    run.emit(
        ev.Started(
            pid=1, device="CPU", precision="fp32", trainable=1, total=9, steps=steps, epochs=2.0,
            rows=1200, held_out=60, tokens=1, learned=1, cut=0,
        )
    )  # fmt: skip
    for at, loss in enumerate(losses):
        run.emit(ev.Evaluated(step=10 * at, loss=loss, seconds=1.0))
        run.emit(ev.Saved(step=10 * at, best=at > 0))
    run.emit(ev.Step(step=10, epoch=0.5, loss=1.0, lr=1e-3, tokens=9, seconds=75.0, memory_gb=0))


def test_a_waiting_run_has_its_settings_and_nothing_else(run: RunDir) -> None:
    assert run_row(run) and run_row(run)["live"] and run_row(run)["label"] == "Waiting"
    shown = {key: cell(run, key).figure for key in ("rate", "epochs", "rank", "batch", "model")}
    assert shown == {
        "rate": "0.0005",
        "epochs": "2",
        "rank": "4",
        "batch": "8",
        "model": "Pocket model",
    }
    assert (
        cell(run, "loss") == cell(run, "score") == cell(run, "rows") == cell(run, "time") == Cell()
    )


def test_it_shows_how_far_it_is_and_what_came_of_it(run: RunDir) -> None:
    train(run, 2.0, 1.5)
    with run.lock.acquire():
        assert cell(run, "state") == Cell("Training", "0 Training", "25 %")
    assert cell(run, "state").figure == "Interrupted", "nobody holds its lock"
    assert cell(run, "loss") == Cell("1.500", 1.5, "↓ 25 %", SAID, "from 2.000")
    assert cell(run, "rows") == Cell("1,200", 1200, hint="60 held out")
    assert cell(run, "time") == Cell("75 s", 75.0)
    run.emit(ev.Finished(step=40, seconds=80, memory_gb=0))
    assert cell(run, "state") == Cell("Finished", "1 Finished") and not run_row(run)["live"]


@pytest.mark.parametrize(
    ("losses", "figure", "drop"),
    [
        ((2.0, 3.0), "3.000", ""),
        ((8.0, 0.00421), "0.0042", "↓ over 99 %"),
        ((8.0, 0.00000021), "< 0.0001", "↓ over 99 %"),
        ((2.0, 0.0), "0.000", "↓ over 99 %"),
    ],
)
def test_small_losses_are_not_rounded_to_nothing(
    run: RunDir, losses: tuple[float, ...], figure: str, drop: str
) -> None:
    train(run, *losses)
    assert (cell(run, "loss").figure, cell(run, "loss").aside) == (figure, drop)


def test_better_scores_are_greater_whatever_was_measured(run: RunDir) -> None:
    train(run, 2.0, 1.0)
    found = []
    error = ComparedScore(base=9.0, tuned=3.25, majority=5.0)
    for score in (
        ev.Perplexity(what="answers", base=61.2, tuned=9.4, tokens=70, rows=24, of=24),
        NumberScore(mean=3, error=error, explained=None, rows=24, of=24),
        ev.Scored(what="right", base=3, tuned=37, rows=40, of=40),
    ):
        run.emit(score)
        found.append(cell(run, "score"))
    assert [(one.figure, one.aside, one.hint) for one in found] == [
        ("9.40", "perplexity", "base 61.2"),
        ("3.25", "off on average", "base 9"),
        ("92 %", "37 of 40", "base 3 of 40"),
    ]
    ranks = [float(one.sort) for one in found]
    assert ranks == sorted(ranks)


def test_accuracy_is_shown_before_a_run_is_scored(run: RunDir) -> None:
    train(run, 2.0, 1.5)
    assert cell(run, "score").figure == "–"
    run.emit(ev.Evaluated(step=40, loss=1.0, seconds=80, accuracy=0.5))
    run.emit(ev.Saved(step=40, best=True))
    shown = cell(run, "score")
    held_out = run.view().started.held_out
    assert (shown.figure, shown.aside) == ("50 %", f"{round(held_out / 2)} of {held_out}")


def test_files_are_read_once_and_a_new_app_reads_what_was_kept(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(run, 2.0, 1.5)
    run.emit(ev.Finished(step=40, seconds=80, memory_gb=0))
    first = run_row(run)

    def refuse(*_: object) -> None:
        raise AssertionError("it is read again")

    with monkeypatch.context() as patch:
        for name in ("view", "spec", "meta"):
            patch.setattr(RunDir, name, property(refuse) if name != "view" else refuse)
        assert run_row(run) == first
        rows._read_facts.cache_clear()
        assert json.dumps(run_row(run)) == json.dumps(first), "kept in the folder"
    run.set_meta(tags=("new",))
    assert run_row(run)["tags"] == ["new"], "a changed file is read"
    (run.path / rows.KEPT).write_text("[1]")
    rows._read_facts.cache_clear()
    assert run_row(run)["tags"] == ["new"], "a damaged one is written anew"


def test_sizes_are_not_counted_at_each_look(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    monkeypatch.setattr(rows, "bytes_below", lambda path: counted.append(path) or 2**20)
    train(run, 2.0, 1.5)
    assert cell(run, "disk") == Cell("1.0 MB", 2**20)
    for step in range(11, 20):
        run.emit(ev.Step(step=step, epoch=1, loss=1, lr=0, tokens=9, seconds=1, memory_gb=0))
        run_row(run)
    assert len(counted) == 1
    run.emit(ev.Saved(step=20, best=False))
    run_row(run)
    assert len(counted) == 2


def test_a_visitor_sees_his_own(home: Any) -> None:
    engine = fake_engine(home)
    theirs = engine.for_owner("bob").start(SPEC)
    assert theirs.id not in {run.id for run in engine.store.all_runs()}
    engine.close()
