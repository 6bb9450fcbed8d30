"""The Data tab's handlers as plain functions: data is added, shown, fixed, mapped."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from engine.data.quality.token_report import PreviewRow, RefusedRows, TokenReport
from engine.errors import DataError, RunError, SpecError
from engine.spec.run import DataSpec, RunSpec, Shape
from tests.ui.data.conftest import GOOD, MakeValues, Upload
from tests.ui.fakes import FakeDesk, shown
from ui import form
from ui.context import Context
from ui.data import add, columns, findings, intake, look, pager, preview
from ui.data.intake import IntakeWidgets
from ui.data.tab import DataTab, show_once_settled
from ui.form import DataInputs
from ui.handlers import Values
from ui.train import start_card
from ui.train import tab as train_tab

NASTY = "<img src=x onerror=alert(1)> ${alert(2)} {{value}}"
Show = Callable[..., list[Values]]


@pytest.fixture
def show(ctx: Context, tab: DataTab, inputs: DataInputs, make_values: MakeValues) -> Show:
    """What the tab shows of a dataset, one step after another."""

    def steps(form: str = pager.TALK, on_show: str = "", **changes: Any) -> list[Values]:
        values = make_values(**changes) | {tab.view.pager.form: form, tab.view.source: on_show}
        return list(look.show_data(ctx, tab.view, inputs, values))

    return steps


def text_of(shown: Values) -> str:
    values = [one.get("value", "") if isinstance(one, dict) else one for one in shown.values()]
    return "\n".join(map(str, values))


# --- looking at data ---


def test_every_field_of_the_data_is_on_a_tab(inputs: DataInputs) -> None:
    assert inputs.fields.keys() == set(form.DATA_PATHS)


def test_look_shows_what_is_noticed_before_the_tokens(tab: DataTab, show: Show) -> None:
    facts, rows = tab.view.facts, tab.view.pager.rows
    first, last = show()
    assert "counting…" in first[facts] and "In order: 1 to 3 of 700" in first[rows]
    assert 'data-kind="assistant" data-learned="true"' in first[rows], "without any tokenizer"
    assert "counting…" not in last[facts] and rows not in last
    assert "700" in last[facts] and "never trained on" in last[facts]
    shown = set(tab.view.shown)
    assert first.keys() <= shown and last.keys() <= shown


def test_nothing_is_shown_while_the_fields_are_about_to_change(
    ctx: Context, tab: DataTab, inputs: DataInputs, make_values: MakeValues
) -> None:
    restored = gr.Number(0)

    def steps(is_restored: int, settled: str) -> list[Any]:
        now = make_values() | {restored: is_restored, tab.settled: settled}
        return list(show_once_settled(ctx, tab, inputs, restored, now))

    assert steps(0, "") == [gr.skip()], "the page holds its defaults still"
    assert steps(1, "sample:json") == [gr.skip()], "the fields are those of the data before"
    assert tab.view.facts in steps(1, "")[0] and tab.view.facts in steps(1, "sample:pirate")[0]


def test_rows_of_other_data_go_while_the_chosen_are_read(
    ctx: Context, tab: DataTab, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "STILL_SECONDS", 0.001)
    prepare = Context.prepare

    def slow(*given: Any) -> Any:
        time.sleep(0.2)
        return prepare(*given)

    monkeypatch.setattr(Context, "prepare", slow)
    waiting, *_ = show()
    assert waiting[tab.view.pager.rows] == "" and "Reading the rows" in waiting[tab.view.facts]
    waiting, *_ = show(on_show="sample:pirate")
    assert waiting.keys() == {tab.view.facts}, "the rows are the same"


def test_tokens_are_shown_once_their_tokenizer_is_open(
    ctx: Context, tab: DataTab, inputs: DataInputs, make_values: MakeValues
) -> None:
    own = tab.view.pager
    values = make_values() | {
        own.form: pager.TOKENS,
        own.index: 3,
        own.order: "order",
        own.worst: {},
    }
    opening, shown, counted = look.show_data(ctx, tab.view, inputs, values)
    assert "ten seconds" in opening[own.rows] and "<mark>" in shown[own.rows]
    assert own.rows not in counted
    opening, shown = pager.change_form(ctx, own, inputs, values)
    assert "ten seconds" in opening[own.rows] and "4 to 6 of 700" in shown[own.rows]
    (talk,) = pager.change_form(ctx, own, inputs, values | {own.form: pager.TALK})
    assert "4 to 6 of 700" in talk[own.rows] and "<mark>learned</mark>" in talk[own.rows]


def test_a_model_that_is_not_here_borrows_a_tokenizer_and_says_so(
    ctx: Context, tab: DataTab, inputs: DataInputs, make_values: MakeValues
) -> None:
    values = make_values() | {inputs.model: "hub:some/model"}
    first, last = look.show_data(ctx, tab.view, inputs, values)
    assert "Arr" in first[tab.view.pager.rows], "a conversation needs no tokenizer"
    facts = last[tab.view.facts]
    assert "since some/model is not downloaded" in facts and "about" in facts
    assert "by the pocket model" in last[tab.view.lengths]["value"]
    prepared, spec = ctx.prepare(DataSpec()), DataSpec(max_length=192)
    assert ctx.known_lengths("hub:some/model", prepared, spec) is None, "these are not its own"
    assert ctx.known_lengths("pocket", prepared, spec)
    (again,) = look.show_data(ctx, tab.view, inputs, values | {tab.view.pager.form: pager.TOKENS})
    assert "Shown with the pocket model" in again[tab.view.pager.rows]
    assert [order for _, order in again[tab.view.pager.order]["choices"]] == [
        "order", "longest", "held",
    ]  # fmt: skip


def test_turn_stays_within_the_rows_and_finds_the_worst(
    ctx: Context, tab: DataTab, inputs: DataInputs, make_values: MakeValues
) -> None:
    own = tab.view.pager

    def at(index: int, order: str = "order", worst: dict[str, list[int]] | None = None) -> Values:
        where = {own.index: index, own.order: order, own.worst: worst or {}}
        return make_values() | {own.form: pager.TOKENS} | where

    def turned(step: int, *where: Any) -> int:
        return pager.turn_page(ctx, own, inputs, step, at(*where))[own.index]

    def first_rows(*where: Any) -> str:
        return pager.change_order(ctx, own, inputs, at(0, *where))[own.rows]

    assert turned(-1, 0) == 0 and turned(1, 0) == 3
    assert turned(1, 699) == 699 and turned(1, 2, "held") == 5
    assert 0 <= turned(0, 0) < 700
    worst = {"longest": [5, 9], "cut": []}
    shown = first_rows("longest", worst)
    assert "Longest first: 1 to 2 of 2" in shown and "Row 6:" in shown
    assert "no such rows" in first_rows("cut", worst)
    assert turned(1, 0, "cut", worst) == 0


def test_preview_marks_what_is_learned_special_and_cut_and_escapes_the_rest() -> None:
    row = PreviewRow(
        tokens=["<|user|>", "Hi ", NASTY, "Arr", "!", " more"],
        learned=[False, False, False, True, True, True],
        special=[True, False, False, False, False, False],
        kept=5,
        length=6,
    )
    shown = preview.preview_card([row], [7], "In order.")
    assert "<mark>Arr!</mark>" in shown and '<s class="cut"> more</s>' in shown
    assert '<i class="special">&lt;|user|&gt;</i>' in shown
    assert "<img" not in shown and "Row 7: 5 tokens, 2 learned, 1 cut off" in shown
    refused = PreviewRow(tokens=[], learned=[], length=0, problem=f"No {NASTY}")
    shown = preview.preview_card([refused], [1], "")
    assert "cannot be learned" in shown and "<img" not in shown


# --- adding data ---


def test_a_file_comes_in_and_its_upload_goes(
    ctx: Context, tmp_path: Path, tab: DataTab, intake: IntakeWidgets, upload: Upload
) -> None:
    steps = upload(GOOD)
    assert "Reading 1 file" in steps[0][intake.problem]["value"]
    chosen = steps[-1][tab.source]
    assert chosen["value"] in dict(map(reversed, chosen["choices"]))
    assert not (tmp_path / "mine.jsonl").exists()
    assert ctx.load_dataset(chosen["value"]).rows == 20
    assert list(add.add_files(ctx, intake, None, None)) == [gr.skip()]


def test_a_file_that_is_none_is_refused_on_the_page(intake: IntakeWidgets, upload: Upload) -> None:
    refused = upload(["{"] * 3)[-1][intake.problem]
    assert refused["visible"] and "none of its 3 rows can be read" in refused["value"]


def test_pasted_rows_come_in(ctx: Context, tab: DataTab, intake: IntakeWidgets) -> None:
    rows = "".join(f"{row['prompt']}\t{row['completion']}\n" for row in GOOD)
    box = gr.Textbox()
    *_, last = add.add_pasted(ctx, intake, box, "prompt\tcompletion\n" + rows)
    dataset = ctx.load_dataset(last[tab.source]["value"])
    assert dataset.shape == Shape.COMPLETION and dataset.rows == 20 and last[box] is None
    with pytest.raises(DataError, match="The box is empty"):
        list(add.add_pasted(ctx, intake, box, "  "))


# --- fixing data ---


def test_a_fix_is_applied_and_undone(
    ctx: Context, tab: DataTab, show: Show, source_of: Callable[..., str]
) -> None:
    source = source_of([*GOOD, GOOD[0], "{"])
    boxes = tab.view.findings.fixes
    shown = show(source=source)[-1]
    unusable = boxes["unusable"]
    assert shown[unusable.group]["visible"] and "cannot be used" in shown[unusable.text]
    assert shown[unusable.button]["value"] == "Leave it out"
    assert shown[boxes["duplicates"].group]["visible"]
    assert not shown[boxes["personal"].group]["visible"]
    fixes = findings.toggle_fix("duplicates", findings.toggle_fix("unusable", []))
    shown = show(source=source, fixes=tuple(fixes))[-1]
    duplicates = boxes["duplicates"]
    assert "Fixed" in shown[duplicates.text] and shown[duplicates.button]["value"] == "Undo"
    assert ctx.prepare(DataSpec(source=source, fixes=tuple(fixes))).train == 18
    assert findings.toggle_fix("duplicates", fixes) == ["unusable"]


def test_columns_are_mapped_by_hand(
    ctx: Context, tab: DataTab, show: Show, source_of: Callable[..., str]
) -> None:
    own = tab.view.columns
    source = source_of([{"one": row["prompt"], "two": row["completion"]} for row in GOOD])
    asked = show(source=source)[0]
    assert "Which column is which?" in asked[own.head] and asked[own.body]["visible"]
    assert 'data-tone="bad"' in asked[own.head] and not asked[own.change]["visible"]
    found = {"prompt": "one", "completion": "two"}
    opened, shape, roles = columns.choose_column(ctx, 0, source, "", {}, "two")
    swapped = {"prompt": "two", "completion": "one"}
    assert (opened, shape, roles) == (source, Shape.COMPLETION.value, swapped)
    shown = show(source=source, shape=Shape(shape), roles=roles)[0]
    assert not shown[own.body]["visible"] and "<b>two</b>" in shown[own.head]
    assert "As you chose" in shown[tab.view.facts]
    chosen = columns.choose_shape(ctx, source, Shape.LABEL.value, {})
    assert chosen == (source, Shape.LABEL.value, {"text": "one", "label": "two"})
    assert columns.confirm_columns(ctx, source, "", {}) == ("", Shape.COMPLETION.value, found)
    wrong = show(source=source, shape=Shape.LABEL, roles={"text": "one"})[-1]
    assert "choose the column for: Label" in wrong[own.head] and wrong[own.body]["visible"]


def test_a_busy_desk_is_said_on_the_page(
    tab: DataTab, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise RunError("Another run is using this machine.")

    monkeypatch.setattr(FakeDesk, "count_tokens", busy)
    monkeypatch.setattr(FakeDesk, "preview_rows", busy)
    rows, last = show()
    assert "not counted" in last[tab.view.facts]
    assert "Another run is using" in last[tab.view.facts]
    assert "Arr" in rows[tab.view.pager.rows]
    _, tokens, _ = show(form=pager.TOKENS)
    assert "Another run is using" in tokens[tab.view.pager.rows]


def test_rows_are_counted_once_for_all_pages(
    tab: DataTab, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = show()[-1][tab.view.facts]
    monkeypatch.setattr(FakeDesk, "count_tokens", lambda *_: pytest.fail("they were counted again"))
    (again,) = show(form=pager.TOKENS)
    assert again[tab.view.facts] == facts and "learned" in again[tab.view.pager.rows]


def test_names_and_rows_cannot_bring_html(show: Show, source_of: Callable[..., str]) -> None:
    rows = [{"prompt": f"{NASTY} {n}", "completion": "Fine."} for n in range(9)]
    name = "<img src=x onerror=alert(1)>.jsonl"
    source = source_of([*rows, rows[0], f'{{"{NASTY}"'], name)
    for one in show(source=source):
        assert "<img" not in text_of(one)


def test_rows_that_the_model_cannot_learn_stop_the_start(
    ctx: Context, tab: DataTab, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = FakeDesk.count_tokens

    def refuse(self: FakeDesk, model: str, rows: Any, data: DataSpec) -> TokenReport:
        refused = RefusedRows(rows=5, first=2, reason="Its template shows no tools.")
        return measure(self, model, rows, data).model_copy(update={"refused": refused})

    monkeypatch.setattr(FakeDesk, "count_tokens", refuse)
    full = form.widget_values(RunSpec(data=DataSpec(max_length=192)), None)
    last = show()[-1]
    assert "695" in last[tab.view.facts] and "Leave these 5 out" in str(last)
    assert "shows no tools" in next(start_card.show_plan(ctx, **full))["facts"]
    with pytest.raises(SpecError, match="5 of the rows cannot be learned"):
        train_tab.start_run(ctx, *shown(full), **full)
    assert not list(ctx.engine.store.all_runs())
