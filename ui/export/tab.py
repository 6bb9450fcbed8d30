"""The Export tab: download the adapter, or a merged model that was checked against it."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.errors import RunError
from engine.runs.export import zips
from ui.access import downloads
from ui.compare.nothing_yet import NothingYet
from ui.compare.run_list import (
    build_run_list,
    describe_chosen,
    newer_note,
    refresh_runs,
    take_newer,
    take_run,
)
from ui.context import Context
from ui.export.cards import adapter_card, merge_state, merged_card, python_cards
from ui.handlers import LATEST, QUIET, Updates, bind, download_on_click
from ui.theme import build_intro, button_list, make_button, raw_html

PRECISIONS = [
    ("bf16: half the size, for most uses", "bf16"),
    ("fp32: exact, twice the size", "fp32"),
]
MERGE = "Merge and check"
COPY_SCRIPT = """element.addEventListener('click', async (e) => {
    const button = e.target.closest('.copy');
    if (!button) return;
    const lines = button.closest('.python').querySelector('pre');
    try {
        await navigator.clipboard.writeText(lines.textContent);
        button.textContent = 'Copied';
    } catch { // not allowed, or not there: as on a page of another machine without https
        getSelection().selectAllChildren(lines);
        button.textContent = 'Press Ctrl+C';
    }
    button.setAttribute('aria-label', button.textContent);
})"""


class ExportWidgets:
    """The run, and what can be taken from it."""

    def __init__(self) -> None:
        self.run = build_run_list("export-run")
        self.about = raw_html(elem_id="export-about")
        self.newer = button_list("export-newer", ["take"])
        self.empty = NothingYet("export", "export")
        with gr.Row(equal_height=False, visible=False) as self.offers:
            with gr.Column(min_width=320):
                self.adapter = raw_html(elem_id="export-adapter")
                self.take_adapter = make_button("Download the adapter (zip)", "take-adapter")
            with gr.Column(min_width=320):
                self.precision = gr.Radio(
                    PRECISIONS,
                    value="bf16",
                    label="Merged model",
                    info="How exactly its weights are stored (precision).",
                    elem_id="precision",
                )
                self.merged = raw_html(elem_id="export-merged")
                self.merge = make_button(MERGE, "merge", interactive=False)
                label = "Download the merged model (zip)"
                self.take_merged = make_button(label, "take-merged", visible=False)
        # Not gr.Code, which keeps the height that it had while the tab was hidden.
        self.code = raw_html(elem_id="code", js_on_load=COPY_SCRIPT)
        self.shown: list[Component] = [self.run, self.about, self.newer, *self.empty.shown]
        self.shown += [self.offers, self.adapter, self.merged, self.code, self.merge]
        self.shown.append(self.take_merged)


class ExportTab:
    """The tab; ``train`` is the button that leads on from an empty one."""

    def __init__(self, ctx: Context) -> None:
        with gr.Tab("Export", id="export") as tab:
            build_intro(
                "Use it elsewhere",
                "Choose a run. Download the small adapter, or merge it into a model that works on "
                "its own.",
            )
            own = ExportWidgets()
        self.train = own.empty.train
        self.own, self.chosen = own, [own.run, own.precision]
        chosen, self.show = self.chosen, bind(show_export, ctx, own)
        own.run.input(bind(take_run, ctx), own.run, None, **QUIET)
        own.newer.take(bind(take_newer, ctx), None, own.run, **QUIET)
        self.follow(ctx, tab.select)
        changes = [own.run.change, own.precision.change]
        gr.on(changes, self.show, chosen, own.shown, **QUIET)
        own.merge.click(bind(start_merge, ctx, own), chosen, own.shown, api_visibility="private")
        download_on_click(own.take_adapter, bind(zip_adapter, ctx), own.run)
        download_on_click(own.take_merged, bind(zip_merged, ctx), chosen)

    def follow(self, ctx: Context, moment: Callable[..., Dependency]) -> None:
        """Show what has changed whenever ``moment``, an event of the page, happens."""
        listed = moment(bind(refresh_runs, ctx), None, self.own.run, **LATEST)
        listed.then(self.show, self.chosen, self.own.shown, **QUIET)


# --- handlers ---


def show_export(ctx: Context, own: ExportWidgets, run_id: str | None, precision: str) -> Updates:
    """All that can be taken from a run."""
    shown = own.empty.show(ctx, run_id)
    if not run_id:
        texts = dict.fromkeys((own.about, own.newer, own.adapter, own.merged, own.code), "")
        hidden = dict.fromkeys((own.run, own.offers, own.take_merged), gr.update(visible=False))
        return shown | texts | hidden | {own.merge: gr.update(interactive=False)}
    run = ctx.engine.store.run(run_id)
    state = merge_state(run, precision)
    label = "Merge again and check" if state.result else MERGE
    return shown | {
        own.run: gr.update(visible=True),
        own.about: describe_chosen(run),
        own.newer: newer_note(ctx, run_id),
        own.offers: gr.update(visible=True),
        own.adapter: adapter_card(run),
        own.merged: merged_card(run, precision, state),
        own.code: python_cards(run, precision, state),
        own.merge: gr.update(interactive=not state.working, value=label),
        own.take_merged: gr.update(visible=state.ready),
    }


def start_merge(ctx: Context, own: ExportWidgets, run_id: str | None, precision: str) -> Updates:
    """Put the merge in the queue."""
    if not run_id:
        raise RunError("There is no run to merge yet. Start one on the Train tab.")
    ctx.engine.merge(run_id, precision)
    return show_export(ctx, own, run_id, precision)


def zip_adapter(ctx: Context, run_id: str | None) -> str:
    """The link to the adapter as a file."""
    run = ctx.engine.store.run(run_id or "")
    return downloads.run_link(run, zips.adapter_zip(run))


def zip_merged(ctx: Context, run_id: str | None, precision: str) -> str:
    """The link to the merged model as a file."""
    run = ctx.engine.store.run(run_id or "")
    return downloads.run_link(run, zips.merged_zip(run, precision))
