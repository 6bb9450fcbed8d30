"""The Export tab's handlers as plain functions: adapters and merged models are taken away."""

from __future__ import annotations

import html

import pytest

from engine.errors import RunError
from engine.store import events as ev
from engine.store.run_dir import RunDir
from tests.ui.fakes import file_of, lay_out
from ui.context import Context
from ui.export import cards
from ui.export import tab as export


@pytest.fixture(scope="module")
def own() -> export.ExportWidgets:
    return lay_out(export.ExportWidgets)


@pytest.mark.slow
def test_merging_ends_with_figures_and_a_zip(
    ctx: Context, own: export.ExportWidgets, finished: RunDir
) -> None:
    shown = export.show_export(ctx, own, finished.id, "bf16")
    assert shown.keys() <= set(own.shown) and "data: Pirate" in shown[own.about]
    assert "LoRA rank" in shown[own.adapter] and "Not merged yet" in shown[own.merged]
    assert "PeftModel" in shown[own.code] and "Press Merge and check first" in shown[own.code]
    assert not shown[own.take_merged]["visible"]
    export.start_merge(ctx, own, finished.id, "bf16")
    while cards.merge_state(finished, "bf16").working:
        pass
    shown = export.show_export(ctx, own, finished.id, "bf16")
    assert "8 of 8 replies" in shown[own.merged] and shown[own.take_merged]["visible"]
    code = html.unescape(shown[own.code])
    assert str(finished.merged("bf16")) in code and str(finished.adapter) in code
    assert "Press Merge" not in code
    assert file_of(ctx, export.zip_merged(ctx, finished.id, "bf16")).suffix == ".zip"
    assert file_of(ctx, export.zip_adapter(ctx, finished.id)).stat().st_size > 0


def test_what_was_merged_before_the_run_went_on_is_not_offered(
    ctx: Context, own: export.ExportWidgets, finished: RunDir
) -> None:
    export.start_merge(ctx, own, finished.id, "bf16")
    while not cards.merge_state(finished, "bf16").ready:
        pass
    finished.emit(ev.Saved(step=21, best=True))
    assert not cards.merge_state(finished, "bf16").ready
    with pytest.raises(RunError, match="Press Merge first"):
        export.zip_merged(ctx, finished.id, "bf16")


def test_a_base_model_that_has_gone_locks_nothing(
    ctx: Context, own: export.ExportWidgets, finished: RunDir
) -> None:
    text = finished.spec_file.read_text()
    finished.spec_file.write_text(text.replace("source: pocket", "source: /gone/model"))
    assert "/gone/model" in export.show_export(ctx, own, finished.id, "bf16")[own.code]
    assert file_of(ctx, export.zip_adapter(ctx, finished.id)).is_file()


def test_nothing_to_export_is_said(ctx: Context, own: export.ExportWidgets) -> None:
    shown = export.show_export(ctx, own, None, "bf16")
    assert shown.keys() == set(own.shown) and "nothing to export" in shown[own.empty.text]
    assert shown[own.empty.box]["visible"] and not shown[own.offers]["visible"]
    with pytest.raises(RunError):
        export.start_merge(ctx, own, None, "bf16")
