"""The Runs tab's handlers as plain functions: runs are picked, named, tagged, deleted, followed."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
import pytest

from engine.errors import HoneError, RunError, SpecError
from engine.store import events as ev
from engine.store.run_dir import MOST_TAGS, RunDir
from tests.conftest import wait_for
from tests.ui.fakes import lay_out
from ui.confirm import Confirmation
from ui.context import Context
from ui.handlers import Updates
from ui.runs import removal, tab
from ui.runs.removal import DeletionAsked
from ui.runs.tab import RunsTab, Seen
from ui.runs.table import runs_table

pytestmark = pytest.mark.slow

NASTY = "<img src=x onerror=alert(1)> ${alert(2)} {{value}}"


@pytest.fixture
def own(ctx: Context) -> RunsTab:
    return lay_out(lambda: RunsTab(ctx))


def says(**values: Any) -> gr.EventData:
    return gr.EventData(None, values)


def rows_of(shown: Updates, own: RunsTab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(shown[own.table])["rows"]
    return found


def deleted(ctx: Context, sure: Confirmation, about: Any) -> list[Updates]:
    return list(removal.delete_asked(ctx, sure, about))


def test_a_run_is_named_noted_and_tagged(ctx: Context, own: RunsTab, finished: RunDir) -> None:
    picked = tab.choose_run(ctx, own, Seen(), says(name=finished.id))
    assert picked[own.picked] == finished.id and picked.keys() <= set(own.shown)
    assert [row["id"] for row in rows_of(picked, own)] == [finished.id]
    again = tab.choose_run(ctx, own, picked[own.seen], says(name=finished.id))
    assert own.table not in again, "what the page shows already is not sent again"
    seen = picked[own.seen]
    for field, value in (
        ("name", f" {NASTY} "), ("note", "a note"), ("add_tag", "keep"), ("add_tag", " Keep "),
        ("add_tag", "b" * 99),
    ):  # fmt: skip
        saved = tab.save_meta(ctx, own, seen, says(id=finished.id, **{field: value}))
        seen = saved.get(own.seen, seen)
    (row,) = rows_of(saved, own)
    assert (row["name"], row["note"], row["tags"]) == (NASTY, "a note", ["keep", "b" * 24])
    meta = json.loads(saved[own.card.meta])
    assert meta["saved"] and meta["known"] == ["b" * 24, "keep"]
    for field, value in (("name", " "), ("note", ""), ("remove_tag", "keep")):
        tab.save_meta(ctx, own, Seen(), says(id=finished.id, **{field: value}))
    assert finished.meta["name"] == NASTY, "no run is without a name"
    assert finished.meta["note"] == "" and finished.tags == ("b" * 24,)


def test_several_get_a_tag_at_once(ctx: Context, own: RunsTab, finished: RunDir) -> None:
    other = ctx.engine.start(finished.spec)
    asked = says(ids=[finished.id, other.id], tag=" paper ")
    shown = tab.tag_runs(ctx, own, other.id, Seen(), asked)
    assert [row["tags"] for row in rows_of(shown, own)] == [["paper"]] * 2
    assert json.loads(shown[own.card.meta])["id"] == other.id
    other.set_meta(tags=tuple(f"tag {at}" for at in range(MOST_TAGS)))
    with pytest.raises(SpecError, match="8 tags already"):
        tab.tag_runs(ctx, own, "", Seen(), says(ids=[finished.id, other.id], tag="more"))
    assert finished.tags == ("paper",), "none of them, where one has no room"


def test_what_has_not_changed_is_left_alone_and_the_report_follows(
    ctx: Context, own: RunsTab, finished: RunDir
) -> None:
    seen = tab.choose_run(ctx, own, Seen(), says(name=finished.id))[own.seen]
    assert tab.refresh_table(ctx, own, finished.id, seen) == gr.skip()
    finished.emit(ev.Warned(text="<b>careful</b>"))
    shown = tab.refresh_table(ctx, own, finished.id, seen)
    report = json.loads(shown[own.card.report])
    assert report["id"] == finished.id and "&lt;b&gt;careful" in report["html"]
    assert own.card.meta not in shown, "somebody may be typing there"
    assert tab.refresh_table(ctx, own, finished.id, shown[own.seen]) == gr.skip()
    ctx.engine.delete(finished.id)
    gone = tab.refresh_table(ctx, own, finished.id, shown[own.seen])
    assert gone[own.picked] == "" and not gone[own.card.box]["visible"]
    assert rows_of(gone, own) == []


def test_a_run_that_is_added_is_picked_in_the_table(
    ctx: Context, own: RunsTab, finished: RunDir
) -> None:
    shown = tab.show_run(ctx, own, finished.id)
    assert json.loads(shown[own.table])["picked"] == finished.id
    assert tab.refresh_table(ctx, own, finished.id, shown[own.seen]) == gr.skip()


# --- deleting ---


def test_the_question_says_what_is_lost_and_the_run_goes(
    ctx: Context, own: RunsTab, finished: RunDir
) -> None:
    finished.set_meta(name=NASTY[:28])
    asked = tab.ask_picked(ctx, own, finished.id)
    sure = own.card.sure
    assert asked[sure.box]["visible"] and asked.keys() <= set(sure.shown)
    assert "This frees" in asked[sure.question] and "<img" not in asked[sure.question]
    assert asked[sure.yes]["value"] == "Delete for good"
    (done,) = deleted(ctx, sure, asked[sure.about])
    assert not done[sure.box]["visible"] and not finished.path.exists()


def test_a_run_that_trains_is_stopped_where_the_question_said_so(
    ctx: Context, own: RunsTab, finished: RunDir
) -> None:
    ctx.engine.supervisor.backend.seconds = 0.02  # type: ignore[attr-defined]
    ctx.engine.supervisor.backend.steps = 2000  # type: ignore[attr-defined]
    works, waits = ctx.engine.start(finished.spec), ctx.engine.start(finished.spec)
    wait_for(works, lambda run: run.view().step > 1, 20)
    asked = tab.ask_picked(ctx, own, works.id)
    sure = own.card.sure
    assert "It is training now (step" in asked[sure.question]
    assert asked[sure.yes]["value"] == "Stop and delete"
    assert "leaves it" in tab.ask_picked(ctx, own, waits.id)[sure.question]
    both = tab.ask_chosen(ctx, own, says(ids=[finished.id, works.id, waits.id]))
    assert "2 of them are running or waiting" in both[own.sure.question]
    # What was idle when it was asked about is not stopped without a word.
    (refused,) = deleted(ctx, sure, DeletionAsked((works.id,)))
    assert "is working or waiting now" in refused[sure.question] and works.alive
    stopping, done = deleted(ctx, own.sure, both[own.sure.about])
    assert "Stopping" in stopping[own.sure.question] and not done[own.sure.box]["visible"]
    assert not list(ctx.engine.store.all_runs()) and not ctx.engine.live()


@pytest.mark.parametrize("about", ["", None, "../../etc", ["x"], ("x", True)])
def test_nothing_is_deleted_that_no_question_named(
    ctx: Context, own: RunsTab, finished: RunDir, about: Any
) -> None:
    with pytest.raises(RunError, match="Choose the runs"):
        deleted(ctx, own.sure, about)
    assert finished.path.is_dir()


def test_what_a_page_makes_up_is_a_message(ctx: Context, own: RunsTab, finished: RunDir) -> None:
    for ids in (None, "x", [7], {"a": 1}):
        for ask in (tab.ask_chosen, lambda *one: tab.tag_runs(*one[:2], "", Seen(), one[2])):
            with pytest.raises(SpecError):
                ask(ctx, own, says(ids=ids, tag="t"))
    with pytest.raises(RunError, match="Choose the runs"):
        tab.ask_chosen(ctx, own, says(ids=[]))
    for values in (
        {"id": "../../etc", "name": ""},
        {"id": finished.id, "name": 1},
        {"id": finished.id, "name": "a", "note": ["x"]},
        {"id": finished.id, "add_tag": {}},
        {"id": finished.id, "remove_tag": False},
        {},
    ):
        with pytest.raises(HoneError):
            tab.save_meta(ctx, own, Seen(), says(**values))
    for name in ("../../etc", None, 3):
        with pytest.raises(HoneError):
            tab.choose_run(ctx, own, Seen(), says(name=name))
    assert finished.meta["name"] == "Pirate" and not finished.tags


def test_a_folder_that_cannot_be_read_is_named_below(
    ctx: Context, own: RunsTab, finished: RunDir
) -> None:
    broken = ctx.engine.store.runs / "broken-run"
    broken.mkdir()
    (broken / "spec.yaml").write_text("old: 1")
    shown = json.loads(runs_table(ctx.engine.store.all_runs()).text)
    assert [row["id"] for row in shown["rows"]] == [finished.id]
    assert "broken-run" in shown["damaged"]
