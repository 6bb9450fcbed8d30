"""The Data tab's handlers as plain functions: data comes in, is looked at, mended, mapped and edited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.quality.token_report import PreviewRow, RefusedRows, TokenReport
from engine.errors import DataError, RunError
from engine.spec.run import DataSpec, RunSpec, Shape
from tests.ui.fakes import FakeDesk
from ui import form
from ui.context import Context
from ui.data import add, editor, preview, tab
from ui.data import look as data_look
from ui.train import plan
from ui.train import tab as train_tab

NASTY = "<img src=x onerror=alert(1)> ${alert(2)} {{value}}"
COUNT = 3 + 3 * len(data_look.FIX_KINDS)  # facts, notes, a button, and the findings with a button


def values(**changes: Any) -> list[Any]:
    """The data's fields as the form holds them."""
    spec = DataSpec(max_length=192).model_copy(update=changes)
    full = form.widget_values(RunSpec(data=spec), None)
    return [full[path] for path in form.DATA_PATHS]


def look(ctx: Context, **changes: Any) -> list[list[Any]]:
    return list(data_look.show_data(ctx, "pocket", *values(**changes)))


def text_of(shown: list[Any]) -> str:
    parts = [
        one if isinstance(one, str) else str(one.get("value", ""))
        for one in shown
        if isinstance(one, str | dict)
    ]
    return "\n".join(parts)


def upload(
    ctx: Context, tmp_path: Path, rows: list[Any], name: str = "mine.jsonl"
) -> list[tuple[Any, ...]]:
    file = tmp_path / name
    file.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows))
    return list(add.add_files(ctx, [str(file)]))


def source_of(steps: list[tuple[Any, ...]]) -> str:
    return steps[-1][0]["value"]


GOOD = [
    {"prompt": f"What is number {n} called?", "completion": f"It is called {n * 37}, of course."}
    for n in range(20)
]


def test_look_shows_what_is_noticed_before_the_tokens(ctx: Context) -> None:
    first, second, third = look(ctx)
    assert "counting…" in first[0] and "ten seconds" in first[COUNT]
    assert "In order: 1 to 3 of 700" in second[COUNT]
    assert "counting…" not in third[0] and "700" in third[0] and "never trained on" in third[0]
    outputs = len(first)
    assert outputs == data_look.outputs_count() and {len(second), len(third)} == {outputs}


def test_turn_stays_within_the_rows_and_finds_the_worst(ctx: Context) -> None:
    def turn(
        step: int, index: int, order: str = "order", worst: dict | None = None
    ) -> tuple[str, int]:
        return data_look.turn_page(ctx, step, index, order, worst or {}, "pocket", *values())

    assert turn(-1, 0)[1] == 0 and turn(1, 0)[1] == 3
    assert turn(1, 699)[1] == 699 and turn(1, 2, "held")[1] == 5
    assert 0 <= turn(0, 0)[1] < 700
    worst = {"longest": [5, 9], "cut": []}
    shown, index = data_look.change_order(ctx, "longest", worst, "pocket", *values())
    assert index == 0 and "Longest first: 1 to 2 of 2" in shown and "Row 6:" in shown
    assert "no such rows" in data_look.change_order(ctx, "cut", worst, "pocket", *values())[0]


def test_preview_marks_what_is_learned_special_and_cut_and_escapes_the_rest() -> None:
    row = PreviewRow(
        tokens=["<|user|>", "Hi ", NASTY, "Arr", "!", " more"],
        learned=[False, False, False, True, True, True],
        special=[True, False, False, False, False, False],
        kept=5,
        length=6,
    )
    shown = preview.preview_card([row], [7], "In order.", "")
    assert "<mark>Arr!</mark>" in shown and '<s class="cut"> more</s>' in shown
    assert '<i class="special">&lt;|user|&gt;</i>' in shown
    assert "<img" not in shown and "Row 7: 5 tokens, 2 learned, 1 cut off" in shown
    refused = preview.preview_card(
        [PreviewRow(tokens=[], learned=[], length=0, problem=f"No {NASTY}")], [1], "", ""
    )
    assert "cannot be learned" in refused and "<img" not in refused


def test_a_file_comes_in_and_its_upload_goes(ctx: Context, tmp_path: Path) -> None:
    steps = upload(ctx, tmp_path, GOOD)
    assert "Reading 1 file" in steps[0][2]["value"]
    source = source_of(steps)
    assert (
        source in dict(map(reversed, steps[-1][0]["choices"]))
        and not (tmp_path / "mine.jsonl").exists()
    )
    assert ctx.load_dataset(source).rows == 20


def test_a_file_that_is_none_is_refused_on_the_page(ctx: Context, tmp_path: Path) -> None:
    *_, last = upload(ctx, tmp_path, ["{"] * 3)
    assert last[2]["visible"] and "none of its 3 rows can be read" in last[2]["value"]


def test_pasted_rows_come_in(ctx: Context) -> None:
    text = "prompt\tcompletion\n" + "".join(
        f"{row['prompt']}\t{row['completion']}\n" for row in GOOD
    )
    source = source_of(list(add.add_pasted(ctx, text)))
    assert (
        ctx.load_dataset(source).shape == Shape.COMPLETION and ctx.load_dataset(source).rows == 20
    )
    with pytest.raises(DataError, match="Nothing is pasted"):
        list(add.add_pasted(ctx, "  "))


def test_a_fix_is_applied_and_undone(ctx: Context, tmp_path: Path) -> None:
    source = source_of(upload(ctx, tmp_path, [*GOOD, GOOD[0], "{"]))
    kinds = {kind: 3 + 3 * at for at, kind in enumerate(data_look.FIX_KINDS)}
    shown = look(ctx, source=source)[-1]
    box, words, button = shown[kinds["unusable"] : kinds["unusable"] + 3]
    assert box["visible"] and "cannot be used" in words and button["value"] == "Leave it out"
    assert shown[kinds["duplicates"]]["visible"] and not shown[kinds["personal"]]["visible"]
    fixes = tab.toggle_fix("duplicates", tab.toggle_fix("unusable", []))
    shown = look(ctx, source=source, fixes=tuple(fixes))[-1]
    assert (
        "Mended" in shown[kinds["duplicates"] + 1]
        and shown[kinds["duplicates"] + 2]["value"] == "Undo"
    )
    assert ctx.prepare(DataSpec(source=source, fixes=tuple(fixes))).train == 18
    assert tab.toggle_fix("duplicates", fixes) == ["unusable"]


def test_columns_are_mapped_by_hand(ctx: Context, tmp_path: Path) -> None:
    rows = [{"frage": row["prompt"], "antwort": row["completion"]} for row in GOOD]
    source = source_of(upload(ctx, tmp_path, rows))
    shown = look(ctx, source=source)[-1]
    assert "Which column is which?" in shown[1]
    shape, roles = tab.choose_roles(ctx, source, "", "antwort", "frage", None, None)
    assert (shape, roles) == (Shape.COMPLETION.value, {"prompt": "antwort", "completion": "frage"})
    shown = look(ctx, source=source, shape=Shape(shape), roles=roles)[-1]
    assert "Which column" not in shown[1] and "As you chose" in shown[0]
    assert tab.choose_shape(ctx, source, Shape.LABEL.value, {}) == {
        "text": "frage",
        "label": "antwort",
    }
    assert tab.confirm_columns(ctx, source) == (
        Shape.COMPLETION.value,
        {"prompt": "frage", "completion": "antwort"},
    )
    wrong = look(ctx, source=source, shape=Shape.LABEL, roles={"text": "frage"})[-1]
    assert "choose the column for: Label" in wrong[0]


def test_a_busy_desk_is_said_on_the_page(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise RunError("Another run is using this machine.")

    monkeypatch.setattr(FakeDesk, "measure", busy)
    monkeypatch.setattr(FakeDesk, "preview", busy)
    rows, last = look(ctx)[-2:]
    assert (
        "not counted" in last[0]
        and "Another run is using" in last[0]
        and "Another run is using" in rows[COUNT]
    )


def test_names_and_rows_cannot_bring_html(ctx: Context, tmp_path: Path) -> None:
    rows = [{"prompt": f"{NASTY} {n}", "completion": "Fine."} for n in range(9)]
    source = source_of(
        upload(
            ctx, tmp_path, [*rows, rows[0], f'{{"{NASTY}"'], "<img src=x onerror=alert(1)>.jsonl"
        )
    )
    for shown in look(ctx, source=source):
        assert "<img" not in text_of(shown)


def test_a_row_is_changed_deleted_and_added_and_saved_as_new_data(
    ctx: Context, tmp_path: Path
) -> None:
    source = source_of(upload(ctx, tmp_path, GOOD))
    fields = values(source=source)

    def opened(number: int, edited: dict[str, Any] = editor.NO_EDITS) -> str:
        return editor.open_row(ctx, "", number, edited, *fields)[0]

    again = editor.open_row(ctx, opened(3), 3, editor.NO_EDITS, *fields)
    assert again == [{"__type__": "update"}] * len(again), (
        "a row that is open keeps what is typed in it"
    )
    edited = editor.keep_row(
        ctx, len(fields), opened(3), 3, editor.NO_EDITS, *fields, "Why?", "Because."
    )
    shown = editor.open_row(ctx, opened(3), 3, edited, *fields)
    assert [box["value"] for box in shown[2:4]] == ["Why?", "Because."]
    edited = editor.keep_row(
        ctx, len(fields), opened(0, edited), 0, edited, *fields, "New?", "Yes."
    )
    edited = editor.delete_row(opened(4, edited), 4, edited, *fields)
    with pytest.raises(
        DataError, match="still hold another row"
    ):  # the data was changed beneath the boxes
        editor.keep_row(
            ctx, len(fields), opened(3, edited), 3, edited, *values(), "Why?", "Because."
        )
    assert "1 row changed, 1 row deleted, 1 row added. Not saved yet." in editor.describe_edits(
        edited
    )
    chosen, after = editor.save_edits(ctx, edited, *fields)
    assert after == editor.NO_EDITS and chosen["value"] != source
    new = ctx.load_dataset(chosen["value"])
    assert (
        new.parent == source
        and new.rows == 20
        and {"prompt": "New?", "completion": "Yes."} in list(new.read())
    )
    with pytest.raises(DataError, match="no row 99"):
        editor.current_row(ctx.prepare(DataSpec(source=source)), 99, editor.NO_EDITS)
    with pytest.raises(DataError, match="is deleted"):
        editor.current_row(ctx.prepare(DataSpec(source=source)), 4, edited)
    with pytest.raises(DataError, match="Nothing is changed"):
        editor.save_edits(ctx, editor.NO_EDITS, *fields)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_rows_are_taken_as_a_file_and_come_back_the_same(
    ctx: Context, tmp_path: Path, kind: str
) -> None:
    path = editor.write_rows_file(ctx, kind, *values())
    source = source_of(list(add.add_files(ctx, [path])))
    assert ctx.load_dataset(source).shape == Shape.CHAT
    prepared, before = ctx.prepare(DataSpec(source=source, held_out=0.0)), ctx.prepare(DataSpec())
    assert list(prepared.train_rows()) == [*before.train_rows(), *before.held_out_rows()]


def test_rows_that_the_model_cannot_learn_stop_the_start(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = FakeDesk.measure

    def refuse(self: FakeDesk, model: str, rows: Any, data: DataSpec) -> TokenReport:
        refused = RefusedRows(rows=5, first=2, reason="Its template shows no tools.")
        return measure(self, model, rows, data).model_copy(update={"refused": refused})

    monkeypatch.setattr(FakeDesk, "measure", refuse)
    full = form.widget_values(RunSpec(data=DataSpec(max_length=192)), None)
    last = look(ctx)[-1]
    assert "695" in last[0] and "Leave these 5 out" in str(last)
    assert "shows no tools" in next(plan.show_plan(ctx, **full))["facts"]
    with pytest.raises(DataError, match="5 of the rows cannot be learned"):
        train_tab.start_run(ctx, **full)
    assert not list(ctx.engine.store.all_runs())
