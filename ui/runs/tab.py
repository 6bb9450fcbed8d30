"""The Runs tab: every run in a table, to sort, search, pick, tag or delete; below it the picked.

It follows what happens: the page's channel triggers ``refresh_table`` (see ``RunsTab.follow``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from engine.errors import RunError
from ui.confirm import Confirmation
from ui.context import Context
from ui.handlers import EACH_CHANGE, HIDDEN, LATEST, QUIET, Updates, bind, event_text
from ui.runs import card as run_card
from ui.runs import removal
from ui.runs.add_adapter import AdapterWidgets, Picking, offer_choices, wire_adapters
from ui.runs.card import RunCard, event_texts
from ui.runs.queue import QueueList
from ui.runs.rows import run_version
from ui.runs.table import RunsTable, picking_table, runs_table
from ui.theme import build_intro, make_button, raw_html

RELOAD = "() => location.reload()"  # nothing that the page still shows is there any more
# Two changes of one run must not overwrite each other.
ONE_BY_ONE: dict[str, Any] = {"concurrency_id": "run-meta", "concurrency_limit": 1}
EVENTS = ["pick", "ask_deletion", "tag_runs", "lead"]  # of the table's script


class Seen(NamedTuple):
    """What the page shows already: the version of the table, and of the report with its run."""

    table: str = ""
    report: str = ""


class RunsTab:
    """The table, the card of the run picked in it, and the questions before anything is deleted."""

    def __init__(self, ctx: Context) -> None:
        with gr.Tab("Runs", id="runs") as self.tab:
            text = "Pick a run to see how it went, and to train again from it."
            build_intro("What did I try?", text)
            self.queue = QueueList()
            self.sure = Confirmation("delete-chosen", removal.FOR_GOOD)  # beside the table's bar
            self.table = raw_html(
                html_template='<div class="runs-host"></div>',
                js_on_load=f"HoneRuns(element, props, trigger, watch); {EVENTS}",
                elem_id="runs-table",
            )
            self.picked = gr.State("")  # the run's id
            self.seen = gr.State(Seen())
            self.card = RunCard()
            self.adding = AdapterWidgets()
            with gr.Row():
                self.all = make_button("Delete everything of mine…", "delete-all", 240, scale=0)
            self.all_sure = Confirmation("delete-all", "Delete everything")
        self.shown = [self.table, self.picked, self.seen, self.sure.box, *self.card.shown]
        _wire_table(ctx, self)
        _wire_deletion(ctx, self)
        run_card.wire_card(ctx, self.card, self.picked)

    def follow(self, ctx: Context, moment: Callable[..., Any]) -> None:
        """Show what has changed whenever ``moment``, an event of the page, happens."""
        outputs = [self.table, self.picked, self.seen, self.card.box, *self.card.following]
        moment(bind(refresh_table, ctx, self), [self.picked, self.seen], outputs, **LATEST)


def _wire_table(ctx: Context, own: RunsTab) -> None:
    table: Any = own.table  # its events are those of its script
    meta: Any = own.card.meta
    own.follow(ctx, own.tab.select)
    table.pick(bind(choose_run, ctx, own), own.seen, own.shown, **LATEST)
    saved = [own.card.meta, own.table, own.seen]
    meta.save_meta(bind(save_meta, ctx, own), own.seen, saved, **EACH_CHANGE, **ONE_BY_ONE)
    inputs = [own.picked, own.seen]
    table.tag_runs(bind(tag_runs, ctx, own), inputs, saved, **EACH_CHANGE, **ONE_BY_ONE)


def _wire_deletion(ctx: Context, own: RunsTab) -> None:
    table: Any = own.table
    card = own.card
    card.delete.click(bind(ask_picked, ctx, own), own.picked, card.sure.shown, **QUIET)
    table.ask_deletion(bind(ask_chosen, ctx, own), None, own.sure.shown, **QUIET)
    for sure in (card.sure, own.sure):
        handler = bind(removal.delete_asked, ctx, sure)
        own.follow(ctx, sure.yes.click(handler, sure.about, sure.shown, **QUIET).then)
    ask_all = bind(removal.ask_deletion_of_all, ctx, own.all_sure)
    own.all.click(ask_all, None, own.all_sure.shown, **QUIET)
    deleted = own.all_sure.yes.click(bind(removal.delete_belongings, ctx), None, None, **QUIET)
    deleted.success(None, js=RELOAD, api_visibility="private")


def wire_adapter_adding(ctx: Context, own: RunsTab, fields: Mapping[str, Component]) -> None:
    """An adapter that is added is picked in the table; ``fields``: the form's."""
    adding = own.adding
    picking = Picking(lambda visitor, run_id: show_run(visitor, own, run_id), own.shown)
    wire_adapters(ctx, adding, fields, picking)
    own.tab.select(bind(offer_choices, ctx), adding.base, [adding.base, adding.folder], **QUIET)


# --- handlers ---


def refresh_table(ctx: Context, own: RunsTab, picked: str, seen: Seen) -> Any:
    """The table and the picked run's report as they are now; what has not changed is left alone."""
    shown = what_changed(own, seen, table_of(ctx))
    if picked:
        shown |= _follow_picked(ctx, own, picked, shown.get(own.seen, seen))
    return shown or gr.skip()


def table_of(ctx: Context) -> RunsTable:
    """All runs of a visitor."""
    return runs_table(ctx.engine.store.all_runs())


def what_changed(own: RunsTab, seen: Seen, table: RunsTable) -> Updates:
    """The table where the page shows another one, else nothing."""
    if table.version == seen.table:
        return {}
    return {own.table: table.text, own.seen: seen._replace(table=table.version)}


def _follow_picked(ctx: Context, own: RunsTab, picked: str, seen: Seen) -> Updates:
    try:
        run = ctx.engine.store.run(picked)
        version = run_version(run)
        if version == seen.report:
            return {}
        follows = run_card.what_follows(own.card, run)
    except RunError:  # deleted by another page
        return {own.picked: "", own.card.box: HIDDEN, own.seen: seen._replace(report="")}
    return follows | {own.seen: seen._replace(report=version)}


def choose_run(ctx: Context, own: RunsTab, seen: Seen, event: gr.EventData) -> Updates:
    """Pick a run of the table."""
    run, table = ctx.engine.store.run(event_text(event, "name")), table_of(ctx)
    shown = what_changed(own, seen, table)
    seen = shown.get(own.seen, seen)._replace(report=run_version(run))
    shown |= {own.picked: run.id, own.seen: seen}
    return shown | run_card.card_of(own.card, run, table.tags)


def show_run(ctx: Context, own: RunsTab, run_id: str) -> Updates:
    """Pick a run that nobody has clicked on: one that was just added."""
    run, table = ctx.engine.store.run(run_id), table_of(ctx)
    return {
        own.table: picking_table(table, run.id),
        own.picked: run.id,
        own.seen: Seen(table.version, run_version(run)),
        **run_card.card_of(own.card, run, table.tags),
    }


def save_meta(ctx: Context, own: RunsTab, seen: Seen, event: gr.EventData) -> Updates:
    """Save the name, note and tags that were typed on the card."""
    run, table = run_card.save_meta(ctx, event), table_of(ctx)
    value = run_card.meta_value(run, table.tags, saved=True)
    return {own.card.meta: value} | what_changed(own, seen, table)


def tag_runs(ctx: Context, own: RunsTab, picked: str, seen: Seen, event: gr.EventData) -> Updates:
    """Mark the ticked runs with one more tag."""
    runs = [ctx.engine.store.run(one) for one in event_texts(event, "ids")]
    run_card.add_tag(runs, event_text(event, "tag"))
    table = table_of(ctx)
    shown = what_changed(own, seen, table)
    if found := next((run for run in runs if run.id == picked), None):
        shown[own.card.meta] = run_card.meta_value(found, table.tags)
    return shown


def ask_picked(ctx: Context, own: RunsTab, picked: str) -> Updates:
    """Ask before the picked run is deleted."""
    return removal.ask_deletion(ctx, own.card.sure, [picked])


def ask_chosen(ctx: Context, own: RunsTab, event: gr.EventData) -> Updates:
    """Ask before the ticked runs are deleted."""
    return removal.ask_deletion(ctx, own.sure, event_texts(event, "ids"))
