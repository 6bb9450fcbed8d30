"""Deleting the chosen data on the Data tab, and everything on the Runs tab."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from engine.data import datasets, ingest
from engine.data.upload import Upload
from engine.errors import DataError, RunError
from engine.runs import deletion
from engine.spec import run as specs
from engine.store.run_dir import RunDir
from tests.conftest import idle, wait_for
from tests.ui.fakes import lay_out
from ui.context import Context
from ui.data import removal
from ui.data.removal import RemovalWidgets
from ui.runs import removal as run_removal
from ui.runs import tab

pytestmark = pytest.mark.slow

NASTY = "<img src=x onerror=alert(1)>.jsonl"


def refuse(*_: object) -> None:
    raise RunError("'Mine' does not stop, so nothing was deleted. Try again later.")


@pytest.fixture
def own() -> RemovalWidgets:
    return lay_out(lambda: RemovalWidgets(gr.Dropdown(), gr.Dropdown()))


@pytest.fixture
def source(ctx: Context, tmp_path: Path) -> str:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(f'{{"prompt": "q {at}", "completion": "a {at}"}}\n' for at in range(9)))
    return ingest.ingest_files(ctx.engine.store, [Upload(file, NASTY)])


def test_the_button_is_there_for_data_that_was_added(
    ctx: Context, own: RemovalWidgets, source: str
) -> None:
    for one, visible in ((source, True), ("sample:pirate", False), ("", False)):
        shown = removal.offer_removal(own, one)
        assert shown[own.ask]["visible"] is visible and not shown[own.sure.box]["visible"]


def test_the_question_names_the_copies_and_the_data_goes(
    ctx: Context, own: RemovalWidgets, source: str
) -> None:
    run = ctx.engine.start(specs.make_spec({"name": "Mine <b>", "data": {"source": source}}))
    wait_for(run, lambda run: idle(run) and run.view().ended is not None, 20)
    asked = removal.ask_removal(ctx, own, source)
    assert "9 rows" in asked[own.sure.question] and "<img" not in asked[own.sure.question]
    assert "“Mine &lt;b&gt;”" in asked[own.sure.question] and asked[own.with_runs]["visible"]
    assert asked[own.with_runs]["label"] == "Delete 1 run too"
    done = removal.remove_data(ctx, own, source, False)
    assert done[own.source]["value"] == "sample:pirate" and run.path.is_dir()
    assert source not in [one for _, one in done[own.source]["choices"]]
    with pytest.raises(DataError, match="no dataset"):
        removal.remove_data(ctx, own, source, False)


def test_its_runs_go_where_that_is_ticked(
    ctx: Context, own: RemovalWidgets, source: str, finished: RunDir
) -> None:
    run = ctx.engine.start(specs.make_spec({"data": {"source": source}}))
    removal.remove_data(ctx, own, source, True)
    assert not run.path.exists() and finished.path.is_dir()


def test_everything_goes_after_a_question_that_says_how_much(
    ctx: Context, source: str, finished: RunDir
) -> None:
    runs = lay_out(lambda: tab.RunsTab(ctx))
    asked = run_removal.ask_deletion_of_all(ctx, runs.all_sure)
    assert asked[runs.all_sure.box]["visible"]
    assert "1 run and 1 dataset" in asked[runs.all_sure.question]
    upload = ctx.uploads.folder / "rows.csv"
    upload.parent.mkdir(parents=True, exist_ok=True)
    upload.write_text("a,b")
    ctx.uploads.note("", upload)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RunError, match="nothing was"):
        patch.setattr(deletion, "_end_runs", refuse)
        run_removal.delete_belongings(ctx)
    assert upload.exists() and finished.path.is_dir()
    run_removal.delete_belongings(ctx)
    assert not list(ctx.engine.store.all_runs()) and not finished.path.exists()
    assert not upload.exists(), "what was uploaded and not used goes, too"
    assert source not in [one for one, _ in datasets.list_datasets(ctx.engine.store)]
