"""The models that were downloaded: the list of them, and the question before one is removed."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engine.errors import ModelError
from engine.model import hub
from ui.context import Context
from ui.handlers import QUIET, bind, event_text, hide_widget
from ui.model import lists
from ui.model.choose import model_choices
from ui.model.download import downloaded_list
from ui.text import line
from ui.theme import make_button, raw_html


class DownloadedWidgets:
    """The list, and the box that asks before a model is removed."""

    def __init__(self, ctx: Context) -> None:
        with gr.Accordion("Downloaded models", open=False, elem_id="here-box"):
            self.listed = lists.build_list(downloaded_list(ctx), "here-models")
            self.folder = gr.State("")  # of the model that is asked about
            with gr.Column(visible=False, elem_id="model-sure", elem_classes="boxed") as self.sure:
                self.question = raw_html()
                with gr.Row(elem_classes="run-acts"):
                    self.yes = make_button("Remove it", "remove-yes", 100, variant="stop")
                    self.no = make_button("Keep it", width=100)


def wire_removal(ctx: Context, own: DownloadedWidgets, source: gr.Dropdown) -> None:
    """Ask, then remove the model or keep it."""
    asked = [own.sure, own.question, own.folder]
    own.listed.discard(bind(ask_removal, ctx), None, asked, **QUIET)
    own.no.click(bind(hide_widget), None, own.sure, **QUIET)
    left = [own.sure, own.listed, source]
    own.yes.click(bind(remove_downloaded, ctx), [own.folder, source], left, **QUIET)


def ask_removal(ctx: Context, event: gr.EventData) -> tuple[Any, str, str]:
    """Ask before removing a model, and say what that frees; returns its folder, too."""
    ctx.policy.require_download()
    name = event_text(event, "name")
    found = {one.name: one for one in hub.list_downloaded(ctx.engine.store)}
    if name not in found:
        raise ModelError(f"'{name[:100]}' is not on this machine any more.")
    one = found[name]
    runs = len(hub.runs_using(ctx.engine.store, one.folder)) if one.whole else 0
    return gr.update(visible=True), line(lists.removal_question(one, runs)), one.folder


def remove_downloaded(ctx: Context, folder: str, source: str) -> tuple[Any, str, Any]:
    """Delete a model's files; where it was chosen, the pocket model is chosen instead."""
    ctx.policy.require_download()
    removed = str((ctx.engine.store.models / folder).resolve())
    hub.remove_model(ctx.engine.store, folder)
    ctx.forget_model(removed)
    ctx.downloads.forget(folder.replace("--", "/"))
    chosen = gr.update(choices=model_choices(ctx, source))
    if source == removed:
        chosen["value"] = "pocket"
    return gr.update(visible=False), downloaded_list(ctx), chosen
