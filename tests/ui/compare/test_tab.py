"""The Compare tab's handlers as plain functions: both models reply, and both are scored."""

from __future__ import annotations

import time

import gradio as gr
import pytest

from engine.data.rows import read_rows
from engine.errors import RunError
from engine.store import events as ev
from engine.store.run_dir import RunDir
from tests.conftest import idle, wait_for
from tests.fake_backend import FakeBackend
from tests.ui.fakes import FakeDesk, lay_out
from ui.compare import chat as talk
from ui.compare import score, tab
from ui.compare.chat import ChatWidgets
from ui.compare.nothing_yet import TRAIN_FIRST, WATCH
from ui.compare.run_list import build_run_list, describe_chosen
from ui.compare.score import ScoreWidgets
from ui.compare.tab import CompareWidgets
from ui.context import Context
from ui.handlers import Values

NASTY = "<img src=x onerror=alert(1)> ${alert(2)} {{value}}"


@pytest.fixture(scope="module")
def chat() -> ChatWidgets:
    return lay_out(lambda: ChatWidgets(build_run_list("compare-run")))


@pytest.fixture(scope="module")
def whole() -> CompareWidgets:
    return lay_out(CompareWidgets)


@pytest.fixture(scope="module")
def own() -> ScoreWidgets:
    return lay_out(ScoreWidgets)


@pytest.fixture
def said(chat: ChatWidgets, finished: RunDir) -> Values:
    """What a person says to a run."""
    how = {chat.temperature: 0.0, chat.longest: 64}
    return {chat.run: finished.id, chat.message: "Hello", chat.base: [], chat.tuned: [], **how}


# --- conversations ---


@pytest.mark.slow
def test_both_replies_grow_and_the_buttons_come_back(
    ctx: Context, chat: ChatWidgets, said: Values
) -> None:
    first, *_, replied, last = talk.send_message(ctx, chat, said)
    assert said.keys() == chat.inputs and first.keys() == set(chat.shown)
    assert first[chat.message] == "" and first[chat.stop]["visible"]
    base, tuned = replied[chat.base], replied[chat.tuned]
    assert base[-1]["content"].startswith("I am") and tuned[-1]["content"].startswith("Arr!")
    assert base[0] == {"role": "user", "content": "Hello"}
    assert last[chat.send]["visible"] and not last[chat.stop]["visible"]


def test_closing_the_conversation_stops_the_model(
    ctx: Context, chat: ChatWidgets, said: Values
) -> None:
    talking = talk.send_message(ctx, chat, said)
    next(talking), next(talking)
    talking.close()
    assert ctx.engine.desk.stopped == 1  # type: ignore[attr-defined]


def test_a_refused_message_is_given_back(
    ctx: Context, chat: ChatWidgets, said: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise RunError("Another run is using this machine.")

    monkeypatch.setattr(FakeDesk, "chat", busy)
    talking = talk.send_message(ctx, chat, said)
    next(talking)
    refused = next(talking)
    assert [refused[one] for one in (chat.message, chat.base, chat.tuned)] == ["Hello", [], []]
    with pytest.raises(RunError):
        next(talking)


def test_gradio_s_parts_become_text() -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    turn = {"role": "user", "content": parts}
    assert talk.as_messages([turn]) == [{"role": "user", "content": "Hello"}]


def test_suggestions_come_from_what_was_held_out(ctx: Context, finished: RunDir) -> None:
    shown = talk.suggest_messages(finished)
    first = talk.question_of(read_rows(finished.held_out_file)[0])
    assert first in shown.replace("&#x27;", "'")


# --- what the tab shows ---


def test_a_run_that_writes_gets_a_conversation(
    ctx: Context, whole: CompareWidgets, finished: RunDir
) -> None:
    shown = tab.show_compare(ctx, whole, finished.id, "")
    assert shown[whole.chat.box]["visible"] and not shown[whole.labels.box]["visible"]
    assert shown[whole.chat.send]["interactive"] and not shown[whole.empty.box]["visible"]
    assert "data-do" in shown[whole.chat.suggestions]


def test_without_a_run_nothing_can_be_sent_and_a_button_leads_on(
    ctx: Context, whole: CompareWidgets
) -> None:
    shown = tab.show_compare(ctx, whole, None, "")
    assert shown[whole.empty.box]["visible"] and shown[whole.empty.train]["value"] == TRAIN_FIRST
    assert "nothing to compare" in shown[whole.empty.text]
    assert not shown[whole.chat.send]["interactive"]
    assert shown[whole.chat.message]["placeholder"] == talk.NO_RUN
    assert not shown[whole.chat.panes]["visible"], "two empty boxes would say nothing"


def test_a_run_that_has_saved_nothing_yet_is_named(
    ctx: Context, whole: CompareWidgets, finished: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished.set_meta(name=NASTY)
    monkeypatch.setattr(ctx.engine, "live", lambda: [finished])
    shown = tab.show_compare(ctx, whole, None, "")
    assert "after its first check" in shown[whole.empty.text]
    assert "<img" not in shown[whole.empty.text] and shown[whole.empty.train]["value"] == WATCH


def test_what_is_compared_is_named_in_one_line(finished: RunDir) -> None:
    finished.set_meta(name=NASTY)
    told = describe_chosen(finished)
    assert "<img" not in told and "&lt;img" in told
    assert f"data: {finished.meta['data']}" in told and "base model: Pocket model" in told


# --- scores ---


@pytest.mark.slow
def test_a_score_is_asked_for_waited_for_and_shown(
    ctx: Context, own: ScoreWidgets, finished: RunDir, monkeypatch: pytest.MonkeyPatch
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
    shown = score.show_score(ctx, own, finished.id)
    assert "Not scored yet" in shown[own.card]
    assert shown[own.button]["interactive"]
    shown = score.start_score(ctx, own, finished.id)
    assert "Scoring" in shown[own.card]
    assert not shown[own.button]["interactive"]
    wait_for(finished, idle, 10)
    shown = score.show_score(ctx, own, finished.id)
    assert "base 61.2, tuned 9.4" in shown[own.card]
    assert shown[own.button]["value"] == "Score again"
    score.start_score(ctx, own, finished.id)
    wait_for(finished, idle, 10)
    card = score.show_score(ctx, own, finished.id)[own.card]
    assert "did not work" in card and "<img" not in card
    assert "base 61.2" in card, "the last good one stays"
    finished.emit(ev.Scoring())  # as of a worker that was killed
    assert "without a result" in score.show_score(ctx, own, finished.id)[own.card]


def test_without_a_run_there_is_no_score(ctx: Context, own: ScoreWidgets) -> None:
    assert score.show_score(ctx, own, None)[own.card] == ""
    with pytest.raises(RunError, match="no run to score"):
        score.start_score(ctx, own, None)


def test_only_another_run_ends_what_was_asked(
    ctx: Context, whole: CompareWidgets, finished: RunDir
) -> None:
    shown = [tab.show_compare(ctx, whole, finished.id, of) for of in ("", finished.id, "another")]
    assert [one.get(whole.left) for one in shown] == [None, None, "another"]
    assert {one[whole.of] for one in shown} == {finished.id}


def test_a_list_that_is_opened_stops_no_reply(ctx: Context) -> None:
    with gr.Blocks() as blocks:
        own = tab.CompareTab(ctx).own
    stops = [fn for fn in blocks.fns.values() if fn.cancels and own.left._id == fn.targets[0][0]]
    told = [fn for fn in blocks.fns.values() if (own.run._id, "change") in fn.targets]
    assert len(stops) == 1 and told and not any(fn.cancels for fn in told)
