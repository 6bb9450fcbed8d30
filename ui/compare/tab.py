"""The Compare tab: what a run has learned, tried on words of one's own and on held-out examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.store.head_labels import read_head_labels
from ui.compare.chat import ChatWidgets, Turn, send_or_stop, show_chat, wire_chat
from ui.compare.labels import LabelWidgets, show_labels, wire_labels
from ui.compare.nothing_yet import NothingYet
from ui.compare.run_list import (
    build_run_list,
    describe_chosen,
    newer_note,
    refresh_runs,
    take_newer,
    take_run,
)
from ui.compare.score import ScoreWidgets, show_score, wire_score
from ui.context import Context
from ui.handlers import LATEST, QUIET, Updates, bind
from ui.theme import build_intro, button_list, raw_html


class CompareWidgets:
    """Everything on the tab; what is shown depends on what the chosen run has learned."""

    def __init__(self) -> None:
        self.run = build_run_list("compare-run")
        self.about = raw_html(elem_id="compare-about")
        self.newer = button_list("compare-newer", ["take"])
        self.empty = NothingYet("compare", "compare")
        self.chat, self.labels = ChatWidgets(self.run), LabelWidgets(self.run)
        self.score = ScoreWidgets()
        self.of = gr.State("")  # the run on show
        self.left = gr.State("")  # the run that was on show before
        chat = [*self.chat.parts, self.chat.message, self.chat.send]
        self.shown: list[Component] = [self.run, self.about, self.newer, *self.empty.shown, *chat]
        self.shown += [*self.labels.shown, self.of, self.left]
        self.said: list[Component] = [self.chat.base, self.chat.tuned, self.labels.answer]
        self.said += [self.chat.send, self.chat.stop]


class CompareTab:
    """The tab; ``run`` is the list of runs to compare, ``train`` the button of an empty tab."""

    def __init__(self, ctx: Context) -> None:
        with gr.Tab("Compare", id="compare") as tab:
            build_intro(
                "Is it better?",
                "Try what a run has learned, on words of your own or on examples that it has never "
                "seen.",
            )
            own = CompareWidgets()
        self.run, self.train = own.run, own.empty.train
        working = [*wire_chat(ctx, own.chat), wire_labels(ctx, own.labels)]
        wire_score(ctx, own.score, own.run)
        show = bind(show_compare, ctx, own)
        own.run.change(show, [own.run, own.of], own.shown, **QUIET)
        # What was asked of one run is no answer of another. A list also reports a change when its
        # tab is opened for the first time: what is asked in that moment must not be stopped.
        own.left.change(bind(forget_said), None, own.said, cancels=working, **QUIET)
        own.run.input(bind(take_run, ctx), own.run, None, **QUIET)
        own.newer.take(bind(take_newer, ctx), None, own.run, **QUIET)
        self.own, self.show = own, show
        self._show_after(ctx, tab.select(bind(refresh_runs, ctx), None, own.run, **QUIET))

    def _show_after(self, ctx: Context, listed: Dependency) -> None:
        own = self.own
        listed.then(self.show, [own.run, own.of], own.shown, **QUIET)
        listed.then(bind(show_score, ctx, own.score), own.run, own.score.shown, **QUIET)

    def follow(self, ctx: Context, moment: Callable[..., Dependency]) -> None:
        """Show what has changed whenever ``moment``, an event of the page, happens."""
        own = self.own
        told = [own.run, own.chat.tuned, own.labels.answer]
        self._show_after(ctx, moment(bind(follow_runs, ctx), told, own.run, **LATEST))


def follow_runs(ctx: Context, run_id: str | None, talk: list[Turn], answer: str) -> Any:
    """A new run is shown, unless another was chosen, or the one shown has been asked something."""
    updates = refresh_runs(ctx)
    asked = run_id and (talk or answer)
    return gr.update(choices=updates["choices"], value=run_id) if asked else updates


def forget_said() -> tuple[Any, ...]:
    """No conversation, no answer, and Send again."""
    return [], [], "", *send_or_stop(False)


def show_compare(ctx: Context, own: CompareWidgets, run_id: str | None, of: str) -> Updates:
    """A conversation, a text to judge, or what to do first; the run in one line above.

    ``of``: the run that is on show.
    """
    run = ctx.engine.store.run(run_id) if run_id else None
    head = read_head_labels(run.adapter) if run else None
    return {
        own.run: gr.update(visible=run is not None),
        own.about: describe_chosen(run) if run else "",
        own.newer: newer_note(ctx, run_id),
        **own.empty.show(ctx, run_id),
        **show_chat(own.chat, run, writes=head is None),
        **show_labels(own.labels, run, head),
        own.of: run_id or "",
        **({own.left: of} if of and of != run_id else {}),
    }
