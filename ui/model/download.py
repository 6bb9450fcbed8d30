"""Models of the Hub: what a download would bring, how far it is, what is here and how it goes.

Downloads belong to the app (engine.process.downloads), not to the page: a page that is opened anew
shows them again.
"""

from __future__ import annotations

import shutil
from typing import Any, Literal

import gradio as gr
from gradio.components import Component

from engine.errors import ModelError
from engine.model import catalog, hub, local
from engine.text import count_of, format_hub_bytes
from ui.confirm import Confirmation
from ui.context import Context
from ui.handlers import QUIET, Updates, bind, event_text
from ui.model import lists
from ui.model.choose import model_choices
from ui.text import escape_html, line
from ui.theme import make_button, raw_html

TERMS = (
    "It is gated: its owner has terms. Accept them on its page, {}, then give Hone your token: "
    "set HF_TOKEN, or run 'hf auth login', and start Hone again."
)
HUB_PAGE = "https://huggingface.co/{}"
DEMO_NOTE = "The public demo downloads no models. Run Hone on your own machine to use this one."
DownloadAct = Literal["start", "stop"]
NO_SPACE = "There is not enough disk space for it. Free some, or choose a smaller model."


class DownloadedWidgets:
    """The list of downloaded models, and the question before one is removed."""

    def __init__(self, ctx: Context) -> None:
        with gr.Accordion("Downloaded models", open=False, elem_id="here-box"):
            self.listed = lists.build_list(downloaded_list(ctx), "here-models")
            self.sure = Confirmation("remove-model", "Remove it")


class DownloadWidgets:
    """The panel of a model that is only looked at, and the clock that keeps it up to date."""

    def __init__(self, downloaded: DownloadedWidgets) -> None:
        with gr.Column(visible=False, elem_id="get-model", elem_classes="boxed") as self.panel:
            self.about = raw_html(elem_id="get-about")
            with gr.Row(elem_classes="run-acts"):
                self.start = make_button("Download", "get-it", 140, variant="primary")
                self.stop = make_button("Stop", "get-stop", 100, variant="stop", visible=False)
        # Within the tab: beside the tabs it would count as one. Outside the panel, which may hide.
        self.timer = gr.Timer(1.0, active=False)
        self.downloaded, self.listed = downloaded, downloaded.listed
        self.shown: list[Component] = [
            self.panel, self.about, self.start, self.stop, self.timer, self.listed,
        ]  # fmt: skip


def wire_downloads(ctx: Context, own: DownloadWidgets, source: gr.Dropdown, load: Any) -> None:
    """The panel follows the chosen model; a model that has arrived is chosen."""
    gr.on([load, source.change], bind(show_downloads, ctx, own), source, own.shown, **QUIET)
    own.start.click(bind(change_chosen, ctx, own, "start"), source, own.shown, **QUIET)
    own.stop.click(bind(change_chosen, ctx, own, "stop"), source, own.shown, **QUIET)
    followed = bind(follow_download, ctx, own, source)
    own.timer.tick(followed, source, [*own.shown, source], **QUIET)
    own.listed.resume(bind(change_listed, ctx, own, "start"), source, own.shown, **QUIET)
    own.listed.halt(bind(change_listed, ctx, own, "stop"), source, own.shown, **QUIET)
    sure = own.downloaded.sure
    own.listed.discard(bind(ask_to_remove, ctx, own.downloaded), None, sure.shown, **QUIET)
    removed = [sure.box, own.listed, source]
    sure.yes.click(bind(remove_downloaded, ctx), [sure.about, source], removed, **QUIET)


# --- handlers ---


def show_downloads(ctx: Context, own: DownloadWidgets, source: str) -> Updates:
    """The panel of the chosen model, and the list as it is now."""
    name = local.hub_name(source)
    download = ctx.downloads.state_of(name)
    live = bool(download and download.live)
    may_download = ctx.policy.may_download
    updates: Updates = {
        own.panel: gr.update(visible=bool(name)),
        own.stop: gr.update(visible=may_download and live),
        own.timer: gr.Timer(active=ctx.downloads.live),
        own.listed: downloaded_list(ctx),
    }
    label = "Download"
    if name:
        updates[own.about] = panel_html(ctx, name)
        if bytes_here(ctx, name):
            label = "Resume the download"
    updates[own.start] = gr.update(visible=may_download and not live, value=label)
    return updates


def change_chosen(ctx: Context, own: DownloadWidgets, act: DownloadAct, source: str) -> Updates:
    """Start, resume or stop the download of the chosen model."""
    return change_download(ctx, own, act, source, local.hub_name(source))


def change_listed(
    ctx: Context, own: DownloadWidgets, act: DownloadAct, source: str, event: gr.EventData
) -> Updates:
    """Resume or stop a download of the list."""
    return change_download(ctx, own, act, source, event_text(event, "name"))


def change_download(
    ctx: Context, own: DownloadWidgets, act: DownloadAct, source: str, name: str
) -> Updates:
    """Start or stop a download; what has arrived is kept."""
    ctx.policy.require_download()
    if act == "stop":
        ctx.downloads.stop(name)
    else:
        page = ctx.known_hub_page(name)
        ctx.downloads.start(name, page.model.revision if page else "")
    return show_downloads(ctx, own, source)


def follow_download(
    ctx: Context, own: DownloadWidgets, choice: gr.Dropdown, source: str
) -> Updates:
    """Show how far it is; a model that has arrived replaces the one that was only looked at."""
    name = local.hub_name(source)
    download = ctx.downloads.state_of(name)
    if name and download and download.path:
        path = catalog.source_of(ctx.engine.store, name)
        chosen = gr.update(choices=model_choices(ctx), value=path)
        return show_downloads(ctx, own, path) | {choice: chosen}
    return show_downloads(ctx, own, source)


def ask_to_remove(ctx: Context, own: DownloadedWidgets, event: gr.EventData) -> Updates:
    """Ask before removing a model, and say what that frees."""
    ctx.policy.require_download()
    name = event_text(event, "name")
    found = hub.list_downloaded(ctx.engine.store)
    one = next((one for one in found if one.name == name), None)
    if one is None:
        raise ModelError(f"'{name[:100]}' is not on this machine any more.")
    text = f"Remove “{name}” from this machine? This frees {format_hub_bytes(one.bytes)}."
    runs = len(hub.runs_using(ctx.engine.store, one.folder)) if one.whole else 0
    if runs:
        text += f" {count_of(runs, 'run')} made with it can then neither continue nor answer."
    return own.sure.ask(line(f"{text} It can be downloaded again."), one.folder)


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


# --- what is shown ---


def bytes_here(ctx: Context, name: str) -> int:
    """Bytes of an unfinished download that are here."""
    found = hub.list_downloaded(ctx.engine.store)
    return next((one.bytes for one in found if one.name == name and not one.whole), 0)


def downloaded_list(ctx: Context) -> str:
    """The list of what came from the Hub."""
    found = hub.list_downloaded(ctx.engine.store)
    names = {one.name for one in found} | {one.name for one in ctx.downloads.all_states()}
    states = {name: state for name in names if (state := ctx.downloads.state_of(name))}
    return lists.downloaded_models(found, states, ctx.policy.may_download)


def panel_html(ctx: Context, name: str) -> str:
    """What a download brings and needs; while it runs, how far it is."""
    page, known = ctx.known_hub_page(name), catalog.known_model(name)
    about: Any = page.model if page else known
    size = about.bytes if about else None
    licence = about.licence if about else "not stated"
    free = shutil.disk_usage(ctx.engine.store.models).free
    facts = f"Licence: {licence}. All below is based on its description alone."
    if size:
        space = f"{format_hub_bytes(free)} of disk space is free"
        facts = f"{format_hub_bytes(size)} to download; {space}. {facts}"
    body = line(facts)
    download = ctx.downloads.state_of(name)
    if not ctx.policy.may_download:
        body += line(DEMO_NOTE, "warn")
    elif download and download.live:
        body += lists.progress_bar(download.percent or 0, name)
        body += f'<p class="line" role="status">{escape_html(download.status)}</p>'
    else:
        body += _terms_line(name, page, bool(known and known.gated))
        body += _space_lines(size, bytes_here(ctx, name), free)
        body += line(download.problem, "bad") if download and download.problem else ""
    return f"<h3>{escape_html(name)} is not on this machine yet</h3>{body}"


def _terms_line(name: str, page: hub.HubPage | None, gated: bool) -> str:
    """What its owner demands before a download."""
    if page and page.todo:
        return line(page.todo, "warn", links=True)
    if page and page.model.gated:
        return line("Its owner has terms, and you have accepted them.")
    if gated:
        return line(TERMS.format(HUB_PAGE.format(name)), "warn", links=True)
    return ""


def _space_lines(size: int | None, here: int, free: int) -> str:
    """Whether the disk has room for what is missing, and how much is not."""
    found = ""
    if size and size - here > free:
        found += line(NO_SPACE, "bad")
    if here:
        size_here = format_hub_bytes(here)
        found += line(f"{size_here} of it are here already; the download continues from there.")
    return found
