"""The Runs tab's handlers as plain functions: runs are named, annotated and deleted."""

from __future__ import annotations

import pytest

from engine.errors import HoneError
from engine.store.run_dir import RunDir
from tests.ui.fakes import lay_out
from ui.context import Context
from ui.runs import tab

NASTY = "<img src=x onerror=alert(1)> ${alert(2)} {{value}}"


@pytest.mark.slow
def test_runs_are_named_noted_and_deleted(ctx: Context, finished: RunDir) -> None:
    assert finished.id in tab.refresh_table(ctx, "")
    shown = tab.save_meta(ctx, finished.id, NASTY[:80], "a note")
    assert "<img" not in shown and "a note" in shown
    own = lay_out(lambda: tab.RunsTab(ctx))
    asked = tab.ask_deletion(ctx, own, finished.id)
    assert asked[own.sure.box]["visible"] and "This frees" in asked[own.sure.question]
    (ctx.engine.store.runs / "broken-run").mkdir()
    (ctx.engine.store.runs / "broken-run" / "spec.yaml").write_text("old: 1")
    shown = tab.refresh_table(ctx, "")
    assert finished.id in shown and "cannot be read" in shown and "broken-run" in shown
    assert tab.delete_picked(ctx, own, finished.id).keys() <= set(own.shown)
    assert "No runs yet" in tab.refresh_table(ctx, "")


def test_a_run_that_is_not_there_is_a_message(ctx: Context) -> None:
    with pytest.raises(HoneError):
        tab.save_meta(ctx, "../../etc", "", "")
