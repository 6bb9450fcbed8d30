"""Deleting the chosen data: what goes with it and what stays, then the question."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components import Component

from engine.runs import deletion
from engine.runs.deletion import DatasetUse
from engine.spec.run import RunSpec
from engine.text import count_of, format_bytes
from ui.context import Context
from ui.data.intake import dataset_choices, held_out_choices
from ui.handlers import QUIET, Updates, bind
from ui.text import line
from ui.theme import make_button, raw_html

NAMES_LISTED = 5


class RemovalWidgets:
    """The button, and the question before anything is deleted."""

    def __init__(self, source: Component, held_out: Component) -> None:
        self.source, self.held_out = source, held_out
        self.ask = make_button("Delete this data…", "delete-data", visible=False)
        with gr.Column(visible=False, elem_id="data-sure", elem_classes="boxed") as self.sure:
            self.question = raw_html()
            self.with_runs = gr.Checkbox(False, label="Delete these runs too", visible=False)
            with gr.Row(elem_classes="run-acts"):
                self.yes = make_button("Delete for good", "delete-data-yes", variant="stop")
                self.no = make_button("Keep it", "delete-data-no")
        self.shown = [self.ask, self.sure, self.question, self.with_runs]


def wire_removal(ctx: Context, own: RemovalWidgets) -> None:
    """The question is about the data chosen; afterwards a sample is chosen."""
    source: Any = own.source
    for event in (source.change, own.no.click):
        event(bind(offer_removal, ctx, own), source, own.shown, **QUIET)
    own.ask.click(bind(ask_removal, ctx, own), source, own.shown, **QUIET)
    changed = [*own.shown, source, own.held_out]
    own.yes.click(bind(remove_data, ctx, own), [source, own.with_runs], changed, **QUIET)


# --- handlers ---


def offer_removal(ctx: Context, own: RemovalWidgets, source: str) -> Updates:
    """The button for the user's own data, without the question."""
    removable = isinstance(source, str) and source.startswith("dataset:")
    return {own.ask: gr.update(visible=removable), own.sure: gr.update(visible=False)}


def ask_removal(ctx: Context, own: RemovalWidgets, source: str) -> Updates:
    """Say what would be deleted and what would stay."""
    use = deletion.find_use(ctx.engine.store, source)
    label = f"Delete {count_of(len(use.runs), 'run')} too"
    if live := len(use.live_runs):  # at most one works, and the others wait
        label += "; it is stopped first" if live == 1 else f"; {live} of them are stopped first"
    return {
        own.sure: gr.update(visible=True),
        own.question: removal_question(use),
        own.with_runs: gr.update(visible=bool(use.runs), value=False, label=label),
    }


def remove_data(ctx: Context, own: RemovalWidgets, source: str, with_runs: bool) -> Updates:
    """Delete the data, and choose a sample."""
    deletion.delete_dataset(ctx.engine, source, with_runs is True)
    default = RunSpec().data.source
    return {
        own.ask: gr.update(visible=False),
        own.sure: gr.update(visible=False),
        own.source: gr.update(choices=dataset_choices(ctx), value=default),
        own.held_out: gr.update(choices=held_out_choices(ctx), value=""),
    }


# --- what is shown ---


def removal_question(use: DatasetUse) -> str:
    """The dataset, its size, and the copies of it."""
    data = use.dataset
    size = f"{count_of(data.rows, 'row')}, {format_bytes(use.bytes)}"
    found = [
        line(f"Delete “{data.name}” ({size}) and all that is prepared from it? This is for good.")
    ]
    if use.runs:
        names = _listed([run.name for run in use.runs])
        text = f"These runs trained on it and hold a copy of its rows: {names}."
        found.append(line(text, "warn"))
    if use.edits:
        names = _listed([edit.name for edit in use.edits])
        found.append(
            line(f"Edited versions of it are data of their own and stay: {names}.", "warn")
        )
    return "".join(found)


def _listed(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - NAMES_LISTED
    shown = ", ".join(f"“{name}”" for name in names[:NAMES_LISTED])
    return f"{shown} and {more} more" if more > 0 else shown
