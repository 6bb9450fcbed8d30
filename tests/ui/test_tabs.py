"""What each tab decides and shows, called as plain functions."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from engine.data.rows import read_rows
from engine.errors import HoneError, RunError
from engine.process.fake import FakeBackend
from engine.store import events as ev
from engine.store.run_dir import RunDir
from tests.conftest import idle, wait_for
from tests.ui.fakes import FakeDesk
from ui import compare, export
from ui.context import DEMO, Context
from ui.handlers import bind
from ui.model import choose, find, tab
from ui.runs import tab as runs_tab
from ui.train import tab as train_tab

NASTY = "<img src=x onerror=alert(1)> ${alert(2)} {{value}}"


# --- model ---


def test_a_model_is_read_once_and_then_described(ctx: Context) -> None:
    reading, about = tab.describe_model(ctx, "pocket")
    assert "ten seconds" in reading and "5,000,000 weights" in about
    assert list(tab.describe_model(ctx, "pocket")) == [about]


def test_a_folder_that_is_no_model_is_refused(ctx: Context, tmp_path: Path) -> None:
    for path, words in (
        (str(tmp_path), "no config.json"),
        ("/nowhere", "not a folder on this machine"),
        (" ", "first"),
    ):
        chosen, refused = find.open_folder(ctx, path)
        assert chosen == gr.skip() and refused["visible"] and words in refused["value"]


def test_folders_that_were_opened_stay_on_offer(ctx: Context, tmp_path: Path) -> None:
    ctx.load_model("pocket")
    for source in (str(tmp_path), "hub:owner/name", str(tmp_path / "gone")):
        ctx._models[source] = ctx.load_model("pocket")
    offered = [source for _, source in choose.refresh_models(ctx, "pocket")["choices"]]
    assert offered == ["pocket", str(tmp_path)]


def test_folders_are_closed_in_the_demo(
    ctx: Context, tmp_path: Path, values: dict[str, Any]
) -> None:
    ctx.policy = DEMO
    with pytest.raises(RunError, match="closed"):
        find.open_folder(ctx, str(tmp_path))
    values["model.source"] = str(tmp_path)  # as a client that skips the page would send it
    with pytest.raises(RunError, match="closed"):
        train_tab.start_run(ctx, **values)


# --- compare ---


def test_both_replies_grow_and_the_buttons_come_back(ctx: Context, finished: RunDir) -> None:
    steps = list(compare.send_message(ctx, finished.id, "Hello", [], [], 0.0, 64))
    assert steps[0][0] == "" and steps[0][4]["visible"]
    _, base, tuned, *_ = steps[-2]
    assert base[-1]["content"].startswith("I am") and tuned[-1]["content"].startswith("Arr!")
    assert base[0] == {"role": "user", "content": "Hello"}
    assert steps[-1][3]["visible"] and not steps[-1][4]["visible"]


def test_closing_the_conversation_stops_the_model(ctx: Context, finished: RunDir) -> None:
    talking = compare.send_message(ctx, finished.id, "Hello", [], [], 0.0, 64)
    next(talking), next(talking)
    talking.close()
    assert ctx.engine.desk.stopped == 1  # type: ignore[attr-defined]


def test_a_refused_message_is_given_back(
    ctx: Context, finished: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise RunError("Another run is using this machine.")

    monkeypatch.setattr(FakeDesk, "chat", busy)
    talking = compare.send_message(ctx, finished.id, "Hello", [], [], 0.0, 64)
    next(talking)
    assert next(talking)[:3] == ("Hello", [], [])
    with pytest.raises(RunError):
        next(talking)


def test_gradio_s_parts_become_text() -> None:
    turn = {
        "role": "user",
        "content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}],
    }
    assert compare.as_messages([turn]) == [{"role": "user", "content": "Hello"}]


def test_suggestions_come_from_what_was_held_out(ctx: Context, finished: RunDir) -> None:
    shown = compare.suggest_messages(ctx, finished.id)
    first = compare.question_of(read_rows(finished.held_out_file)[0])
    assert first in shown.replace("&#x27;", "'")
    assert "nothing to compare" in compare.suggest_messages(ctx, None)


def test_a_score_is_asked_for_waited_for_and_shown(
    ctx: Context, finished: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = ev.Perplexity(what="the answers", base=61.2, tuned=9.4, tokens=4200, rows=60, of=60)

    def work(_: object, run: RunDir, job: str) -> int:
        with run.lock.acquire(timeout=5):
            run.queue_mark.unlink()
            assert job == "score"
            time.sleep(0.2)
            run.emit(done if not run.view().scored else ev.Warned(text=NASTY))
        return 1 if run.view().score_problem else 0

    monkeypatch.setattr(FakeBackend, "work", work)
    before, button, timer = compare.show_score(ctx, finished.id)
    assert "Not scored yet" in before and button["interactive"] and not timer["active"]
    shown, button, timer = compare.start_score(ctx, finished.id)
    assert "Scoring" in shown and not button["interactive"] and timer["active"]
    wait_for(finished, idle, 10)
    shown, button, timer = compare.show_score(ctx, finished.id)
    assert (
        "base 61.2, tuned 9.4" in shown and button["value"] == "Score again" and not timer["active"]
    )
    compare.start_score(ctx, finished.id)
    wait_for(finished, idle, 10)
    shown = compare.show_score(ctx, finished.id)[0]
    assert "did not work" in shown and "<img" not in shown and "base 61.2" in shown, (
        "the last good one stays"
    )
    finished.emit(ev.Scoring())  # as of a worker that was killed
    assert "without a result" in compare.show_score(ctx, finished.id)[0]


def test_without_a_run_there_is_no_score(ctx: Context) -> None:
    assert compare.show_score(ctx, None)[0] == ""
    with pytest.raises(RunError, match="no run to score"):
        compare.start_score(ctx, None)


# --- export ---


def test_merging_ends_with_figures_and_a_zip(ctx: Context, finished: RunDir) -> None:
    about, merged, code, _, _, take, timer = export.show_export(ctx, finished.id, "bf16")
    assert "LoRA rank" in about and "Not merged yet" in merged and "PeftModel" in code
    assert not take["visible"] and not timer["active"]
    export.start_merge(ctx, finished.id, "bf16")
    while export.merge_state(finished, "bf16").working:
        pass
    _, merged, code, _, _, take, _ = export.show_export(ctx, finished.id, "bf16")
    assert "8 of 8 replies" in merged and take["visible"] and "merged" in code
    assert Path(export.zip_merged(ctx, finished.id, "bf16")).suffix == ".zip"
    assert Path(export.zip_adapter(ctx, finished.id)).stat().st_size > 0


def test_what_was_merged_before_the_run_went_on_is_not_offered(
    ctx: Context, finished: RunDir
) -> None:
    export.start_merge(ctx, finished.id, "bf16")
    while not export.merge_state(finished, "bf16").ready:
        pass
    finished.emit(ev.Saved(step=21, best=True))
    assert not export.merge_state(finished, "bf16").ready
    with pytest.raises(RunError, match="Press Merge first"):
        export.zip_merged(ctx, finished.id, "bf16")


def test_a_base_model_that_has_gone_locks_nothing(ctx: Context, finished: RunDir) -> None:
    text = finished.spec_file.read_text()
    finished.spec_file.write_text(text.replace("source: pocket", "source: /gone/model"))
    assert "/gone/model" in export.show_export(ctx, finished.id, "bf16")[2]
    assert Path(export.zip_adapter(ctx, finished.id)).is_file()


def test_nothing_to_export_is_said(ctx: Context) -> None:
    words, _, _, adapter, *_ = export.show_export(ctx, None, "bf16")
    assert "nothing to export" in words and not adapter["interactive"]
    with pytest.raises(RunError):
        export.start_merge(ctx, None, "bf16")


# --- runs ---


def test_runs_are_named_noted_and_deleted(ctx: Context, finished: RunDir) -> None:
    assert finished.id in runs_tab.refresh_table(ctx, "")
    shown = runs_tab.save_meta(ctx, finished.id, NASTY[:80], "a note")
    assert "<img" not in shown and "a note" in shown
    visible, question = runs_tab.ask_deletion(ctx, finished.id)
    assert visible["visible"] and "This frees" in question
    (ctx.engine.store.runs / "broken-run").mkdir()
    (ctx.engine.store.runs / "broken-run" / "spec.yaml").write_text("old: 1")
    shown = runs_tab.refresh_table(ctx, "")
    assert finished.id in shown and "cannot be read" in shown and "broken-run" in shown
    runs_tab.delete_run(ctx, finished.id)
    assert "No runs yet" in runs_tab.refresh_table(ctx, "")


def test_a_run_that_is_not_there_is_a_message(ctx: Context) -> None:
    with pytest.raises(HoneError):
        runs_tab.ask_deletion(ctx, "../../etc")


# --- errors ---


def test_expected_errors_are_words(ctx: Context) -> None:
    with pytest.raises(gr.Error) as caught:
        bind(runs_tab.ask_deletion, ctx)("no-such-run")
    assert "There is no run" in caught.value.message and caught.value.print_exception is False


def test_a_bug_is_logged_with_an_id(ctx: Context, caplog: pytest.LogCaptureFixture) -> None:
    def broken(ctx: Context) -> None:
        raise ZeroDivisionError("secret detail")

    with pytest.raises(gr.Error) as caught:
        bind(broken, ctx)()
    assert "secret detail" not in caught.value.message and "app.log" in caught.value.message
    assert caplog.records[-1].message.split()[-1] in caught.value.message
