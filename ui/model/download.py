"""A model that is only looked at: what a download would bring, how far it is; and models that are here, removed again.

Downloads belong to the app (engine.process.downloads), not to the page: a page that is opened anew shows them again.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.errors import ModelError
from engine.model import catalog, hub, local
from engine.text import format_hub_bytes
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.model import lists
from ui.model.find import model_choices
from ui.text import escape_html, line
from ui.theme import raw_html

POLL_SECONDS = 1.0
TERMS = (
    "It is gated: its owner has terms. Accept them on its page, {}, then give Hone your token: set HF_TOKEN, "
    "or run 'hf auth login', and start Hone again."
)
HUB_PAGE = "https://huggingface.co/{}"
DEMO_NOTE = "The public demo downloads no models. Run Hone on your own machine to use this one."


@dataclass(frozen=True)
class DownloadWidgets:
    """The widgets of the panel and of the list of downloaded models."""

    panel: gr.Column
    about: gr.HTML
    get: gr.Button
    stop: gr.Button
    timer: gr.Timer
    listed: gr.HTML
    sure: gr.Column
    question: gr.HTML
    doomed: gr.State
    yes: gr.Button
    no: gr.Button

    def outputs(self) -> list[Any]:
        """What ``show`` gives, in its order."""
        return [self.panel, self.about, self.get, self.stop, self.timer, self.listed]


def build_panel() -> tuple[gr.Column, gr.HTML, gr.Button, gr.Button]:
    """What stands above a model that is not here."""
    with gr.Column(visible=False, elem_id="get-model", elem_classes="boxed") as panel_html:
        about = raw_html(elem_id="get-about")
        with gr.Row(elem_classes="run-acts"):
            start_download = gr.Button(
                "Download", variant="primary", size="md", min_width=140, elem_id="get-it"
            )
            stop_download = gr.Button(
                "Stop", variant="stop", size="md", min_width=100, visible=False, elem_id="get-stop"
            )
    return panel_html, about, start_download, stop_download


def build_list(ctx: Context) -> tuple[gr.HTML, gr.Column, gr.HTML, gr.State, gr.Button, gr.Button]:
    """The downloaded models, and the question before one is removed."""
    with gr.Accordion("Downloaded models", open=False, elem_id="here-box"):
        listed = raw_html(
            downloaded_list(ctx),
            js_on_load=lists.LIST_SCRIPT,
            elem_id="here-models",
            elem_classes="model-list",
        )
        doomed = gr.State("")
        with gr.Column(visible=False, elem_id="model-sure", elem_classes="boxed") as sure:
            question = raw_html()
            with gr.Row(elem_classes="run-acts"):
                yes = gr.Button(
                    "Remove it", variant="stop", size="md", min_width=100, elem_id="remove-yes"
                )
                no = gr.Button("Keep it", size="md", min_width=100)
    return listed, sure, question, doomed, yes, no


def wire_downloads(ctx: Context, got: DownloadWidgets, source: gr.Dropdown, load: Any) -> None:
    """From the chosen model to its panel, and through a download to the model itself."""
    shown = got.outputs()
    gr.on([load, source.change], bind(show_panel, ctx), source, shown, **QUIET)
    got.get.click(bind(start_download, ctx), source, shown, **QUIET)
    got.stop.click(bind(stop_download, ctx), source, shown, **QUIET)
    got.timer.tick(bind(follow_download, ctx), source, [*shown, source], **QUIET)
    got.listed.resume(bind(resume_listed, ctx), source, shown, **QUIET)
    got.listed.halt(bind(stop_listed, ctx), source, shown, **QUIET)
    got.listed.discard(bind(ask_removal, ctx), None, [got.sure, got.question, got.doomed], **QUIET)
    got.no.click(bind(keep_model), None, got.sure, **QUIET)
    got.yes.click(
        bind(remove_model, ctx), [got.doomed, source], [got.sure, got.listed, source], **QUIET
    )


# --- handlers ---


def show_panel(ctx: Context, source: str) -> list[Any]:
    """The panel of the chosen model, and the list as it is now."""
    name = local.hub_name(source)
    now = ctx.downloads.of(name)
    live = bool(now and now.live)
    words = panel_html(ctx, name) if name else gr.skip()
    may = ctx.policy.may_download
    label = "Go on with the download" if name and bytes_here(ctx, name) else "Download"
    return [
        gr.update(visible=bool(name)),
        words,
        gr.update(visible=may and not live, value=label),
        gr.update(visible=may and live),
        gr.Timer(active=ctx.downloads.live),
        downloaded_list(ctx),
    ]


def start_download(ctx: Context, source: str) -> list[Any]:
    """Begin or go on."""
    ctx.policy.require_download()
    name, page = local.hub_name(source), ctx.known_hub_page(local.hub_name(source))
    ctx.downloads.start(name, page.model.revision if page else "")
    return show_panel(ctx, source)


def stop_download(ctx: Context, source: str) -> list[Any]:
    """End it; what came is kept."""
    ctx.policy.require_download()
    ctx.downloads.stop(local.hub_name(source))
    return show_panel(ctx, source)


def resume_listed(ctx: Context, source: str, event: gr.EventData) -> list[Any]:
    """Go on with one of the list."""
    ctx.policy.require_download()
    ctx.downloads.start(str(event.name))
    return show_panel(ctx, source)


def stop_listed(ctx: Context, source: str, event: gr.EventData) -> list[Any]:
    """End one of the list."""
    ctx.policy.require_download()
    ctx.downloads.stop(str(event.name))
    return show_panel(ctx, source)


def follow_download(ctx: Context, source: str) -> list[Any]:
    """How far it is; a model that has come whole takes the place of the one that was only looked at."""
    name = local.hub_name(source)
    now = ctx.downloads.of(name)
    if name and now and now.path:
        path = catalog.source_of(ctx.engine.store, name)
        return [*show_panel(ctx, path), gr.update(choices=model_choices(ctx), value=path)]
    return [*show_panel(ctx, source), gr.skip()]


def ask_removal(ctx: Context, event: gr.EventData) -> tuple[Any, str, str]:
    """Ask before removing, and say what it frees."""
    ctx.policy.require_download()
    one = next(
        (one for one in hub.list_downloaded(ctx.engine.store) if one.name == str(event.name)), None
    )
    if one is None:
        raise ModelError(f"'{str(event.name)[:100]}' is not here any more.")
    runs = len(hub.runs_using(ctx.engine.store, one.folder)) if one.whole else 0
    return gr.update(visible=True), line(lists.removal_question(one, runs)), one.folder


def keep_model() -> Any:
    """Not removed after all."""
    return gr.update(visible=False)


def remove_model(ctx: Context, folder: str, source: str) -> tuple[Any, str, Any]:
    """Delete its files; where it was chosen, the pocket model takes its place."""
    ctx.policy.require_download()
    gone = str((ctx.engine.store.models / folder).resolve())
    hub.remove_model(ctx.engine.store, folder)
    ctx.forget_model(gone)
    ctx.downloads.forget(folder.replace("--", "/"))
    found = model_choices(ctx, source)
    update = (
        gr.update(choices=found, value="pocket") if source == gone else gr.update(choices=found)
    )
    return gr.update(visible=False), downloaded_list(ctx), update


# --- what is shown ---


def bytes_here(ctx: Context, name: str) -> int:
    """Bytes of a model that came already."""
    return next(
        (
            one.bytes
            for one in hub.list_downloaded(ctx.engine.store)
            if one.name == name and not one.whole
        ),
        0,
    )


def downloaded_list(ctx: Context) -> str:
    """The list of what came from the Hub."""
    found = hub.list_downloaded(ctx.engine.store)
    names = {one.name for one in found} | {one.name for one in ctx.downloads.all()}
    states = {name: now for name in names if (now := ctx.downloads.of(name))}
    return lists.downloaded_models(found, states, ctx.policy.may_download)


def panel_html(ctx: Context, name: str) -> str:
    """What a download would bring and needs; while it goes on, how far it is."""
    now, page, one = ctx.downloads.of(name), ctx.known_hub_page(name), catalog.known_model(name)
    size = page.model.bytes if page else one.bytes if one else None
    licence = page.model.licence if page else one.licence if one else "not stated"
    free = shutil.disk_usage(ctx.engine.store.models).free
    had = bytes_here(ctx, name)
    facts = (
        f"{format_hub_bytes(size)} to download; {format_hub_bytes(free)} of disk are free."
        if size
        else ""
    )
    facts = f"{facts} Licence: {licence}. All below is told from its description alone.".strip()
    body = [line(facts)]
    if not ctx.policy.may_download:
        body.append(line(DEMO_NOTE, "warn"))
    elif now and now.live:
        body += [
            lists.progress_bar(now.percent or 0, name),
            f'<p class="line" role="status">{escape_html(now.told)}</p>',
        ]
    else:
        body += [
            line(text, tone, links=True)
            for text, tone in _download_notes(name, page, one, size, had, free)
        ]
        body += [line(now.problem, "bad")] if now and now.problem else []
    return f"<h3>{escape_html(f'{name} is not on this machine yet')}</h3>" + "".join(body)


def _download_notes(
    name: str, page: Any, one: Any, size: int | None, had: int, free: int
) -> list[tuple[str, str]]:
    """What is to be known before it begins."""
    found = []
    if page and page.todo:
        found.append((page.todo, "warn"))
    elif page and page.model.gated:
        found.append(("Its owner has terms, and you have accepted them.", ""))
    elif one and one.gated:
        found.append((TERMS.format(HUB_PAGE.format(name)), "warn"))
    if size and size - had > free:
        found.append(("The disk has no room for it. Make room, or choose a smaller model.", "bad"))
    if had:
        found.append(
            (f"{format_hub_bytes(had)} of it came already; the download goes on from there.", "")
        )
    return found
