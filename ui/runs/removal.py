"""Deleting everything that is one's own: the button below the runs, and the question before it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engine.runs import deletion
from engine.runs.deletion import Belongings
from engine.text import count_of, format_bytes
from ui.context import Context
from ui.handlers import QUIET, bind, hide_widget
from ui.text import line
from ui.theme import make_button, raw_html

AGAIN = "() => location.reload()"  # nothing that the page still shows is there any more


class RemovalWidgets:
    """The button, and the question before anything is deleted."""

    def __init__(self, ctx: Context) -> None:
        with gr.Row():
            self.ask = make_button("Delete everything of mine…", "delete-all", 240, scale=0)
        with gr.Column(visible=False, elem_id="all-sure", elem_classes="boxed") as self.sure:
            self.question = raw_html()
            with gr.Row(elem_classes="run-acts"):
                self.yes = make_button("Delete everything", "delete-all-yes", variant="stop")
                self.no = make_button("Keep it", "delete-all-no")
        shown = [self.sure, self.question]
        self.ask.click(bind(ask_removal, ctx), None, shown, **QUIET)
        self.no.click(bind(hide_widget), None, self.sure, **QUIET)
        removed = self.yes.click(bind(remove_all, ctx), None, shown, **QUIET)
        removed.success(None, js=AGAIN, api_visibility="private")


# --- handlers ---


def ask_removal(ctx: Context) -> tuple[Any, str]:
    """Say how much would be deleted, and what stays."""
    return gr.update(visible=True), removal_question(deletion.count_belongings(ctx.engine.store))


def remove_all(ctx: Context) -> tuple[Any, str]:
    """Delete it; the page is then loaded anew."""
    deletion.delete_everything(ctx.engine)
    return gr.update(visible=False), ""


# --- what is shown ---


def removal_question(found: Belongings) -> str:
    """How much there is."""
    kinds = {"run": found.runs, "dataset": found.datasets, "recipe": found.recipes}
    named = [count_of(number, one) for one, number in kinds.items() if number]
    what = " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
    size = format_bytes(found.bytes)
    return line(
        f"Delete {what or 'what is left'} ({size} with all copies)? Runs that still work are "
        "stopped first. Models stay. This is for good."
    )
