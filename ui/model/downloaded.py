"""The models that were downloaded: the list of them, and the question before one is removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.errors import ModelError
from engine.model import hub
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.model import lists
from ui.model.choose import model_choices
from ui.model.download import downloaded_list
from ui.text import line
from ui.theme import raw_html


@dataclass(frozen=True)
class DownloadedWidgets:
    """The list, and the box that asks before a model is removed."""

    listed: gr.HTML
    sure: gr.Column
    question: gr.HTML
    folder: gr.State  # of the model that is asked about
    yes: gr.Button
    no: gr.Button


def build_downloaded(ctx: Context) -> DownloadedWidgets:
    """Lay the widgets out."""
    with gr.Accordion("Downloaded models", open=False, elem_id="here-box"):
        listed = lists.build_list(downloaded_list(ctx), "here-models")
        folder = gr.State("")
        with gr.Column(visible=False, elem_id="model-sure", elem_classes="boxed") as sure:
            question = raw_html()
            with gr.Row(elem_classes="run-acts"):
                yes = gr.Button(
                    "Remove it", variant="stop", size="md", min_width=100, elem_id="remove-yes"
                )
                no = gr.Button("Keep it", size="md", min_width=100)
    return DownloadedWidgets(listed, sure, question, folder, yes, no)


def wire_removal(ctx: Context, own: DownloadedWidgets, source: gr.Dropdown) -> None:
    """Ask, then remove the model or keep it."""
    asked = [own.sure, own.question, own.folder]
    own.listed.discard(bind(ask_removal, ctx), None, asked, **QUIET)
    own.no.click(bind(keep_model), None, own.sure, **QUIET)
    left = [own.sure, own.listed, source]
    own.yes.click(bind(remove_downloaded, ctx), [own.folder, source], left, **QUIET)


def ask_removal(ctx: Context, event: gr.EventData) -> tuple[Any, str, str]:
    """Ask before removing a model, and say what that frees; returns its folder, too."""
    ctx.policy.require_download()
    name = str(event.name)
    found = {one.name: one for one in hub.list_downloaded(ctx.engine.store)}
    if name not in found:
        raise ModelError(f"'{name[:100]}' is not on this machine any more.")
    one = found[name]
    runs = len(hub.runs_using(ctx.engine.store, one.folder)) if one.whole else 0
    return gr.update(visible=True), line(lists.removal_question(one, runs)), one.folder


def keep_model() -> Any:
    """The model is not removed."""
    return gr.update(visible=False)


def remove_downloaded(ctx: Context, folder: str, source: str) -> tuple[Any, str, Any]:
    """Delete a model's files; where it was chosen, the pocket model is chosen instead."""
    ctx.policy.require_download()
    removed = str((ctx.engine.store.models / folder).resolve())
    hub.remove_model(ctx.engine.store, folder)
    ctx.forget_model(removed)
    ctx.downloads.forget(folder.replace("--", "/"))
    choices = model_choices(ctx, source)
    chosen = gr.update(choices=choices)
    if source == removed:
        chosen = gr.update(choices=choices, value="pocket")
    return gr.update(visible=False), downloaded_list(ctx), chosen
