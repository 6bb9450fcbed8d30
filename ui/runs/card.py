"""The card of the picked run: what can be done with it, its name, note and tags, its report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.errors import SpecError
from engine.runs import report as reports
from engine.store.run_dir import MOST_TAGS, RunDir, clean_tags
from engine.store.run_view import RunState
from ui.access import downloads
from ui.access.event_body import STRANGE
from ui.confirm import Confirmation
from ui.context import Context
from ui.handlers import Updates, bind, download_on_click, event_text
from ui.runs import report as report_view
from ui.runs.rows import run_version
from ui.theme import make_button, raw_html

LONGEST_NAME, LONGEST_NOTE = 80, 2000  # characters
MORE_EPOCHS = (
    "Training continues from the newest checkpoint on a longer learning rate schedule: with cosine "
    "or linear the rate first jumps up, then falls again."
)


class RunCard:
    """What can be done with a run, its name, note and tags, and its report."""

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_id="run-card", elem_classes="boxed") as self.box:
            with gr.Row(elem_classes="run-acts"):
                self.open = make_button("Open", "open-run", 90, variant="primary")
                self.again = make_button("Use its settings", "use-settings", 140)
                self.train_on = make_button("Train on from here", "train-on", 150)
                self.take_report = make_button("Download the report", "take-report", 160)
                self.delete = make_button("Delete…", "delete-run", 90, variant="stop")
            self.sure = Confirmation("delete-run", "Delete for good")
            self.meta = raw_html(
                html_template='<div class="run-meta"></div>',
                js_on_load="HoneRunMeta(element, props, trigger, watch); ['save_meta']",
                elem_id="run-meta",
            )
            # For a finished run.
            self.extension = gr.Accordion(
                "Train for more epochs", open=False, visible=False, elem_id="run-more"
            )
            with self.extension, gr.Row(elem_classes="run-acts more-epochs"):
                self.epochs = gr.Number(
                    1, label="More epochs", info=MORE_EPOCHS, minimum=0, elem_id="more-epochs"
                )
                self.extend = make_button("Train for more epochs", "extend-run", 170)
            self.report = raw_html(
                html_template='<div class="report-host"></div>',
                js_on_load="HoneReport(element, props, watch)",
                elem_id="run-report",
            )
        # What follows the run while it works.
        self.following: list[Component | gr.blocks.BlockContext] = [
            self.open, self.train_on, self.extension, self.report,
        ]  # fmt: skip
        self.shown = [self.box, self.sure.box, self.meta, *self.following]


def wire_card(ctx: Context, card: RunCard, picked: gr.State) -> None:
    """What the card does by itself."""
    download_on_click(card.take_report, bind(download_report, ctx), picked)


# --- handlers ---


def card_of(card: RunCard, run: RunDir, known_tags: list[str]) -> Updates:
    """The whole card of a run that has just been picked."""
    shown: Updates = {card.box: gr.update(visible=True), card.sure.box: gr.update(visible=False)}
    return shown | {card.meta: meta_value(run, known_tags)} | what_follows(card, run)


def what_follows(card: RunCard, run: RunDir) -> Updates:
    """What of the card changes while the run works; not what somebody may be typing."""
    state, report = run.state(), report_view.report_page(reports.make_report(run))
    return {
        card.open: gr.update(visible=state != RunState.IMPORTED),
        card.train_on: gr.update(visible=run.has_result),
        card.extension: gr.update(visible=state == RunState.FINISHED),
        card.report: json.dumps({"id": run.id, "html": report}),
    }


def meta_value(run: RunDir, known_tags: list[str], saved: bool = False) -> str:
    """Name, note and tags as the page's script takes them, and the tags that runs have."""
    meta = run.meta
    value = {
        "id": run.id,
        "name": meta["name"],
        "note": meta["note"],
        "tags": run.tags,
        "known": known_tags,
        "most": MOST_TAGS,
        "saved": saved,
        "version": run_version(run),  # so that the same words are told again
    }
    return json.dumps(value)


def save_meta(ctx: Context, event: gr.EventData) -> RunDir:
    """Save what the event says of the run that it names: its name, its note, a tag more or less."""
    run = ctx.engine.store.run(event_text(event, "id"))
    changes: dict[str, str | tuple[str, ...]] = {}
    if has_field(event, "name"):
        name = " ".join(event_text(event, "name").split())[:LONGEST_NAME]
        changes["name"] = name or run.meta["name"]
    if has_field(event, "note"):
        changes["note"] = event_text(event, "note").strip()[:LONGEST_NOTE]
    if has_field(event, "add_tag"):
        changes["tags"] = clean_tags([*run.tags, event_text(event, "add_tag")])
    if has_field(event, "remove_tag"):
        gone = event_text(event, "remove_tag")
        changes["tags"] = tuple(tag for tag in run.tags if tag != gone)
    run.set_meta(**changes)
    return run


def has_field(event: gr.EventData, name: str) -> bool:
    """Whether an event says anything under this name."""
    return getattr(event, name, None) is not None


def add_tag(runs: Iterable[RunDir], tag: str) -> None:
    """Mark several runs with one more tag; raises SpecError where one has as many as it may."""
    found = list(runs)
    for run in found:
        if len(clean_tags([*run.tags, tag])) == len(run.tags) == MOST_TAGS:
            raise SpecError(f"'{run.name}' has {MOST_TAGS} tags already. Remove one of them first.")
    for run in found:
        run.set_meta(tags=clean_tags([*run.tags, tag]))


def download_report(ctx: Context, picked: str) -> str:
    """The link to the run's report as one file that needs nothing else."""
    run = ctx.engine.store.run(picked)
    return downloads.run_link(run, report_view.write_report_file(run))


def event_texts(event: gr.EventData, name: str) -> list[str]:
    """A list of texts of an event; raises SpecError where it is something else."""
    values: Any = getattr(event, name, None)
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise SpecError(STRANGE)
    return values
