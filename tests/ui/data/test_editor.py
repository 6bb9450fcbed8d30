"""The editor of rows: changed, deleted, added, saved as new data, and downloaded as a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest

from engine.errors import DataError
from engine.spec.run import DataSpec, Shape
from tests.ui.data.conftest import GOOD, MakeValues
from tests.ui.fakes import file_of
from ui.context import Context
from ui.data import add, editor
from ui.data.intake import IntakeWidgets
from ui.data.tab import DataTab
from ui.form import DataInputs
from ui.handlers import Values


@pytest.mark.slow
def test_a_row_is_changed_deleted_and_added_and_saved_as_new_data(
    ctx: Context,
    tab: DataTab,
    inputs: DataInputs,
    make_values: MakeValues,
    source_of: Callable[..., str],
) -> None:
    own = tab.view.editor
    source = source_of(GOOD)
    fields = make_values(source=source)

    def event(number: int, edits: dict[str, Any], opened: str = "") -> Values:
        return fields | {own.number: number, own.edits: edits, own.opened: opened}

    def opened(number: int, edits: dict[str, Any] = editor.NO_EDITS) -> Values:
        key = editor.open_row(ctx, own, inputs, event(number, edits))[own.opened]
        return event(number, edits, key)

    def kept(number: int, edits: dict[str, Any], *texts: str) -> dict[str, Any]:
        typed = dict.fromkeys(own.texts, "") | dict(zip(own.texts, texts, strict=False))
        return editor.keep_row(ctx, own, inputs, opened(number, edits) | typed)

    again = editor.open_row(ctx, own, inputs, opened(3))
    assert again == gr.skip(), "a row that is open keeps what is typed in it"
    edits = kept(3, editor.NO_EDITS, "Why?", "Because.")
    shown = editor.open_row(ctx, own, inputs, event(3, edits))
    assert [shown[box]["value"] for box in own.texts[:2]] == ["Why?", "Because."]
    edits = kept(0, edits, "New?", "Yes.")
    edits = editor.delete_row(own, inputs, opened(4, edits))
    typed = dict.fromkeys(own.texts, "Why?")
    with pytest.raises(DataError, match="still show another row"):  # of other data, by now
        editor.keep_row(ctx, own, inputs, opened(3, edits) | typed | make_values())
    summary = editor.describe_edits(edits)
    assert "1 row changed, 1 row deleted, 1 row added. Not saved yet." in summary
    chosen, after = editor.save_as_dataset(ctx, own, inputs, event(3, edits))
    assert after == editor.NO_EDITS and chosen["value"] != source
    new = ctx.load_dataset(chosen["value"])
    assert new.parent == source and new.rows == 20
    assert {"prompt": "New?", "completion": "Yes."} in list(new.read_rows())
    prepared = ctx.prepare(DataSpec(source=source))
    with pytest.raises(DataError, match="no row 99"):
        editor.current_row(prepared, 99, editor.NO_EDITS)
    with pytest.raises(DataError, match="is deleted"):
        editor.current_row(prepared, 4, edits)
    with pytest.raises(DataError, match="nothing to save"):
        editor.save_as_dataset(ctx, own, inputs, event(3, editor.NO_EDITS))


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_rows_are_taken_as_a_file_and_come_back_the_same(
    ctx: Context, inputs: DataInputs, make_values: MakeValues, intake: IntakeWidgets, kind: str
) -> None:
    path = file_of(ctx, editor.write_rows_file(ctx, inputs, kind, make_values()))
    ctx.uploads.note("", path)
    *_, last = add.add_files(ctx, intake, None, [str(path)])
    source = last[intake.source]["value"]
    assert ctx.load_dataset(source).shape == Shape.CHAT
    prepared, before = ctx.prepare(DataSpec(source=source, held_out=0.0)), ctx.prepare(DataSpec())
    assert list(prepared.train_rows()) == [*before.train_rows(), *before.held_out_rows()]
