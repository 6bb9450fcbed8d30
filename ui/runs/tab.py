"""The Runs tab: every run, to open, use again, extend, rename, annotate or delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.runs import report as reports
from engine.store.run_view import RunState
from engine.text import format_bytes
from ui.access import downloads
from ui.context import Context
from ui.handlers import QUIET, Updates, bind, download_on_click, event_text, hide_widget
from ui.runs import report as report_view
from ui.runs.add_adapter import AdapterWidgets, Picking, offer_choices, wire_adapters
from ui.runs.card import LONGEST_NAME, LONGEST_NOTE, RunCard
from ui.runs.queue import QueueList
from ui.runs.removal import RemovalWidgets
from ui.runs.table import runs_table
from ui.text import line
from ui.theme import build_intro, make_button, raw_html

PICK_SCRIPT = (
    "element.addEventListener('click', (e) => { const row = e.target.closest('[data-run]');"
    " if (row) trigger('pick', { run: row.dataset.run }); })"
)


class RunsTab:
    """The table, the card of the run picked in it, and the question before a run is deleted."""

    def __init__(self, ctx: Context) -> None:
        with gr.Tab("Runs", id="runs") as self.tab:
            text = "Choose a run to open it, to train again from it, or to rename or delete it."
            build_intro("What did I try?", text)
            self.queue = QueueList()
            self.table = raw_html(elem_id="runs-table", js_on_load=PICK_SCRIPT)
            self.picked = gr.State("")  # the run's id
            self.card = card = RunCard()
            with gr.Column(visible=False, elem_id="sure", elem_classes="boxed") as self.sure:
                self.question = raw_html()
                with gr.Row(elem_classes="run-acts"):
                    self.yes = make_button("Delete for good", "delete-yes", variant="stop")
                    self.no = make_button("Keep it")
            self.adding = AdapterWidgets()
            RemovalWidgets(ctx)
        parts = [card.box, card.name, card.note, card.open, card.extension, card.train_on]
        # The widgets that another run changes.
        self.shown = [self.table, self.picked, self.sure, *parts, card.report]
        _wire_run_card(ctx, self)


def _wire_run_card(ctx: Context, own: RunsTab) -> None:
    card, picked = own.card, own.picked
    own.tab.select(bind(refresh_table, ctx), picked, own.table, **QUIET)
    own.table.pick(bind(choose_run, ctx, own), None, own.shown, **QUIET)
    card.save.click(bind(save_meta, ctx), [picked, card.name, card.note], own.table, **QUIET)
    download_on_click(card.take_report, bind(download_report, ctx), picked)
    card.delete.click(bind(ask_deletion, ctx), picked, [own.sure, own.question], **QUIET)
    own.no.click(bind(hide_widget), None, own.sure, **QUIET)
    own.yes.click(bind(delete_run, ctx, own), picked, own.shown, **QUIET)


def wire_adding(ctx: Context, own: RunsTab, fields: Mapping[str, Component]) -> None:
    """An adapter that is added is picked in the table; ``fields``: the form's."""

    adding = own.adding
    picking = Picking(lambda visitor, run_id: show_run(visitor, own, run_id), own.shown)
    wire_adapters(ctx, adding, fields, picking)
    own.tab.select(bind(offer_choices, ctx), adding.base, [adding.base, adding.folder], **QUIET)


# --- handlers ---


def refresh_table(ctx: Context, picked: str) -> str:
    """The table as it is now, newest run first."""
    return runs_table(list(ctx.engine.store.all_runs()), picked)


def choose_run(ctx: Context, own: RunsTab, event: gr.EventData) -> Updates:
    """Pick a run of the table."""
    return show_run(ctx, own, event_text(event, "run"))


def show_run(ctx: Context, own: RunsTab, run_id: str) -> Updates:
    """Pick a run; its card stands below the table."""
    run, card = ctx.engine.store.run(run_id), own.card
    return {
        own.table: refresh_table(ctx, run.id),
        own.picked: run.id,
        own.sure: gr.update(visible=False),
        card.open: gr.update(visible=run.state() != RunState.IMPORTED),
        card.box: gr.update(visible=True),
        card.name: run.meta["name"],
        card.note: run.meta["note"],
        card.extension: gr.update(visible=run.state() == RunState.FINISHED),
        card.train_on: gr.update(visible=run.has_result),
        card.report: report_view.report_page(reports.make_report(run)),
    }


def save_meta(ctx: Context, picked: str, name: str, note: str) -> str:
    """Save the run's name and note."""
    run = ctx.engine.store.run(picked)
    name = name.strip()[:LONGEST_NAME] or run.meta["name"]
    run.set_meta(name=name, note=note.strip()[:LONGEST_NOTE])
    return refresh_table(ctx, picked)


def download_report(ctx: Context, picked: str) -> str:
    """The link to the run's report as one file that needs nothing else."""
    run = ctx.engine.store.run(picked)
    return downloads.run_link(run, report_view.write_report_file(run))


def ask_deletion(ctx: Context, picked: str) -> tuple[Any, str]:
    """Ask before deleting, and say what that frees."""
    run = ctx.engine.store.run(picked)
    question = f"Delete “{run.meta['name']}” with its adapter and checkpoints?"
    frees = f"This frees {format_bytes(run.size)} and cannot be undone."
    return gr.update(visible=True), line(f"{question} {frees}")


def delete_run(ctx: Context, own: RunsTab, picked: str) -> Updates:
    """Delete the run and its files."""
    ctx.engine.delete(picked)
    return {
        own.picked: "",
        own.card.box: gr.update(visible=False),
        own.sure: gr.update(visible=False),
        own.table: refresh_table(ctx, ""),
    }
