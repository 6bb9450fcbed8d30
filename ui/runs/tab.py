"""The Runs tab: every run, to open, use again, extend, rename, annotate or delete; or all of it."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr
from gradio.components import Component

from engine.runs import deletion
from engine.runs import report as reports
from engine.store.run_view import RunState
from engine.text import count_of, format_bytes
from ui.access import downloads
from ui.confirm import Confirmation
from ui.context import Context
from ui.handlers import HIDDEN, QUIET, Updates, bind, download_on_click, event_text
from ui.runs import report as report_view
from ui.runs.add_adapter import AdapterWidgets, Picking, offer_choices, wire_adapters
from ui.runs.queue import QueueList
from ui.runs.table import runs_table
from ui.text import line
from ui.theme import build_intro, button_list, make_button, raw_html

LONGEST_NAME, LONGEST_NOTE = 80, 2000  # characters
MORE_EPOCHS = (
    "Training continues from the newest checkpoint on a longer learning rate schedule: with cosine "
    "or linear the rate first jumps up, then falls again."
)
RELOAD = "() => location.reload()"  # nothing that the page still shows is there any more


class RunCard:
    """What can be done with a run, its name and note, and its report."""

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_id="run-card", elem_classes="boxed") as self.box:
            with gr.Row(elem_classes="run-acts"):
                self.open = make_button("Open", "open-run", 100, variant="primary")
                self.again = make_button("Use its settings", "use-settings", 150)
                self.train_on = make_button("Train on from here", "train-on", 150)
                self.take_report = make_button("Download the report", "take-report", 160)
            with gr.Accordion("More", open=False, elem_id="run-more"):
                # More epochs for a finished run.
                with gr.Row(visible=False, elem_classes="run-acts more-epochs") as self.extension:
                    self.epochs = gr.Number(
                        1, label="More epochs", info=MORE_EPOCHS, minimum=0, elem_id="more-epochs"
                    )
                    self.extend = make_button("Train for more epochs", "extend-run", 170)
                with gr.Row():
                    self.name = gr.Textbox(
                        label="Name",
                        info="What this run is called in every list.",
                        max_length=LONGEST_NAME,
                        elem_id="run-name",
                    )
                    self.note = gr.Textbox(
                        label="Note",
                        info="For yourself: what you tried and what came out.",
                        max_length=LONGEST_NOTE,
                        lines=1,
                        elem_id="run-note",
                    )
                with gr.Row(elem_classes="run-acts"):
                    self.save = make_button("Save name and note", None, 160)
                    self.delete = make_button("Delete…", "delete-run", 100, variant="stop")
            self.report = raw_html(elem_id="run-report")


class RunsTab:
    """The table, the card of the run picked in it, and the questions before anything is deleted."""

    def __init__(self, ctx: Context) -> None:
        with gr.Tab("Runs", id="runs") as self.tab:
            text = "Choose a run to open it, to train again from it, or to rename or delete it."
            build_intro("What did I try?", text)
            self.queue = QueueList()
            self.table = button_list("runs-table", ["pick"])
            self.picked = gr.State("")  # the run's id
            self.card = card = RunCard()
            self.sure = Confirmation("delete-run", "Delete for good")
            self.adding = AdapterWidgets()
            with gr.Row():
                self.all = make_button("Delete everything of mine…", "delete-all", 240, scale=0)
            self.all_sure = Confirmation("delete-all", "Delete everything")
        parts = [card.box, card.name, card.note, card.open, card.extension, card.train_on]
        self.shown = [self.table, self.picked, self.sure.box, *parts, card.report]
        _wire_run_card(ctx, self)


def _wire_run_card(ctx: Context, own: RunsTab) -> None:
    card, picked = own.card, own.picked
    own.tab.select(bind(refresh_table, ctx), picked, own.table, **QUIET)
    own.table.pick(bind(choose_run, ctx, own), None, own.shown, **QUIET)
    card.save.click(bind(save_meta, ctx), [picked, card.name, card.note], own.table, **QUIET)
    download_on_click(card.take_report, bind(download_report, ctx), picked)
    card.delete.click(bind(ask_deletion, ctx, own), picked, own.sure.shown, **QUIET)
    own.sure.yes.click(bind(delete_picked, ctx, own), own.sure.about, own.shown, **QUIET)
    own.all.click(bind(ask_deletion_of_all, ctx, own), None, own.all_sure.shown, **QUIET)
    deleted = own.all_sure.yes.click(bind(delete_belongings, ctx), None, None, **QUIET)
    deleted.success(None, js=RELOAD, api_visibility="private")


def wire_adapter_adding(ctx: Context, own: RunsTab, fields: Mapping[str, Component]) -> None:
    """An adapter that is added is picked in the table; ``fields``: the form's."""
    adding = own.adding
    picking = Picking(lambda visitor, run_id: show_card(visitor, own, run_id), own.shown)
    wire_adapters(ctx, adding, fields, picking)
    own.tab.select(bind(offer_choices, ctx), adding.base, [adding.base, adding.folder], **QUIET)


# --- handlers ---


def refresh_table(ctx: Context, picked: str) -> str:
    """The table as it is now, newest run first."""
    return runs_table(list(ctx.engine.store.all_runs()), picked)


def choose_run(ctx: Context, own: RunsTab, event: gr.EventData) -> Updates:
    """Pick a run of the table."""
    return show_card(ctx, own, event_text(event, "name"))


def show_card(ctx: Context, own: RunsTab, run_id: str) -> Updates:
    """Pick a run; its card stands below the table."""
    run, card = ctx.engine.store.run(run_id), own.card
    return {
        own.table: refresh_table(ctx, run.id),
        own.picked: run.id,
        own.sure.box: HIDDEN,
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


def ask_deletion(ctx: Context, own: RunsTab, picked: str) -> Updates:
    """Ask before deleting, and say what that frees."""
    run = ctx.engine.store.run(picked)
    question = f"Delete “{run.meta['name']}” with its adapter and checkpoints?"
    frees = f"This frees {format_bytes(run.size)} and cannot be undone."
    return own.sure.ask(line(f"{question} {frees}"), run.id)


def delete_picked(ctx: Context, own: RunsTab, run_id: str) -> Updates:
    """Delete the run that the question named, and its files."""
    ctx.engine.delete(run_id)
    return {
        own.picked: "",
        own.table: refresh_table(ctx, ""),
        own.card.box: HIDDEN,
        own.sure.box: HIDDEN,
    }


def ask_deletion_of_all(ctx: Context, own: RunsTab) -> Updates:
    """Say how much would be deleted, and what stays."""
    found = deletion.count_belongings(ctx.engine.store)
    kinds = {"run": found.runs, "dataset": found.datasets, "recipe": found.recipes}
    named = [count_of(number, one) for one, number in kinds.items() if number]
    what = " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
    text = (
        f"Delete {what or 'what is left'} ({format_bytes(found.bytes)} with all copies)? Runs that "
        "still work are stopped first. Models stay. This is for good."
    )
    return own.all_sure.ask(line(text))


def delete_belongings(ctx: Context) -> None:
    """Delete all that is the visitor's; the page is then loaded anew."""
    deletion.delete_everything(ctx.engine)
    ctx.uploads.discard_all(ctx.visitor.owner)
