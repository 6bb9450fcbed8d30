"""Deleting the chosen data: what goes with it and what stays, then the question."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components import Component

from engine.runs import deletion
from engine.runs.deletion import DatasetUse
from engine.spec.run import RunSpec
from engine.text import count_of, format_bytes
from ui.confirm import Confirmation
from ui.context import Context
from ui.data.intake import dataset_choices, held_out_choices
from ui.handlers import HIDDEN, QUIET, Updates, bind
from ui.text import line
from ui.theme import make_button

NAMES_QUOTED = 5  # of runs and of edited versions


class RemovalWidgets:
    """The button, and the question before anything is deleted."""

    def __init__(self, source: Component, held_out: Component) -> None:
        self.source, self.held_out = source, held_out
        self.ask = make_button("Delete this data…", "delete-data", visible=False)
        self.with_runs = gr.Checkbox(label="Delete these runs too", visible=False, render=False)
        self.sure = Confirmation("delete-data", "Delete for good", self.with_runs)
        self.shown = [self.ask, *self.sure.shown, self.with_runs]


def wire_removal(ctx: Context, own: RemovalWidgets) -> None:
    """The question is about the data chosen; afterwards a sample is chosen."""
    source: Any = own.source
    source.change(bind(offer_removal, own), source, own.shown, **QUIET)
    own.ask.click(bind(ask_removal, ctx, own), source, own.shown, **QUIET)
    changed = [*own.shown, source, own.held_out]
    asked = [own.sure.about, own.with_runs]
    own.sure.yes.click(bind(remove_data, ctx, own), asked, changed, **QUIET)


# --- handlers ---


def offer_removal(own: RemovalWidgets, source: str) -> Updates:
    """The button for the user's own data, without the question."""
    return {own.ask: gr.update(visible=source.startswith("dataset:")), own.sure.box: HIDDEN}


def ask_removal(ctx: Context, own: RemovalWidgets, source: str) -> Updates:
    """Say what would be deleted and what would stay."""
    use = deletion.find_use(ctx.engine.store, source)
    label = f"Delete {count_of(len(use.runs), 'run')} too"
    if live := len(use.live_runs):  # at most one works, and the others wait
        label += "; it is stopped first" if live == 1 else f"; {live} of them are stopped first"
    with_runs = gr.update(visible=bool(use.runs), value=False, label=label)
    return own.sure.ask(removal_question(use), source) | {own.with_runs: with_runs}


def remove_data(ctx: Context, own: RemovalWidgets, source: str, with_runs: bool) -> Updates:
    """Delete the data that the question named, and choose a sample."""
    deletion.delete_dataset(ctx.engine, source, with_runs is True)
    return {
        own.sure.box: HIDDEN,
        own.ask: HIDDEN,
        own.source: gr.update(choices=dataset_choices(ctx), value=RunSpec().data.source),
        own.held_out: gr.update(choices=held_out_choices(ctx), value=""),
    }


# --- what is shown ---


def removal_question(use: DatasetUse) -> str:
    """The dataset, its size, and the copies of it."""
    size = f"{count_of(use.dataset.rows, 'row')}, {format_bytes(use.bytes)}"
    question = (
        f"Delete “{use.dataset.name}” ({size}) and all that is prepared from it? This is for good."
    )
    copies = {
        "These runs trained on it and hold a copy of its rows": [run.name for run in use.runs],
        "Edited versions of it are data of their own and stay": [edit.name for edit in use.edits],
    }
    warnings = (
        line(f"{what}: {_quoted(names)}.", "warn") for what, names in copies.items() if names
    )
    return line(question) + "".join(warnings)


def _quoted(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - NAMES_QUOTED
    shown = ", ".join(f"“{name}”" for name in names[:NAMES_QUOTED])
    return f"{shown} and {more} more" if more > 0 else shown
