"""The report on the Runs tab."""

from __future__ import annotations

from engine.store import events as ev
from engine.store.run_dir import RunDir
from tests.ui.fakes import file_of
from ui.context import Context
from ui.runs import card


def test_the_report_is_written_as_a_file_for_a_run_that_exists(
    ctx: Context, finished: RunDir
) -> None:
    finished.emit(ev.Warned(text="<b>careful</b>"))
    written = file_of(ctx, card.download_report(ctx, finished.id))
    assert written == finished.path / "export" / f"{finished.id}.html"
    text = written.read_text(encoding="utf-8")
    assert "&lt;b&gt;careful" in text and "After step 20 (best and newest)" in text
