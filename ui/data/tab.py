"""The Data tab: add data, see what the model will see of it, fix it, hold some of it out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from ui import form
from ui.context import Context
from ui.data.add import AddWidgets, wire_adding
from ui.data.columns import wire_columns
from ui.data.editor import wire_editor
from ui.data.findings import toggle_fix
from ui.data.intake import IntakeWidgets, sample_choices
from ui.data.look import DataView, show_data
from ui.data.pager import wire_pager
from ui.data.questions import wire_questions
from ui.data.reading import ReadingWidgets, wire_reading
from ui.data.removal import RemovalWidgets, wire_removal
from ui.form import DataInputs
from ui.handlers import LATEST, QUIET, Values, bind
from ui.theme import build_hint, build_intro, make_button


class DataTab:
    """The tab. What concerns it alone is wired here, the rest once all tabs are built."""

    def __init__(self, ctx: Context) -> None:
        self.fields: dict[str, Component] = {}  # by path; the seed is on the Train tab
        with gr.Tab("Data", id="data") as self.tab:
            text = "Choose a sample or add your own data, check the rows, then go on."
            build_intro("What should it learn?", text)
            with gr.Row(equal_height=False, elem_classes="page data"):
                with gr.Column(scale=0, min_width=340, elem_classes="side"):
                    # Filled for each visitor when the page is loaded, as is what can be held out.
                    self._add_fields("data.source", choices=sample_choices())
                    self.source = self.fields["data.source"]
                    adding = AddWidgets(ctx)
                    reading = ReadingWidgets()
                    with gr.Accordion("What it learns from", open=False, elem_id="learning"):
                        self._add_fields("data.learn", "data.max_length")
                        self._add_fields("data.system", "data.template")
                    with gr.Accordion("What is held out", open=False, elem_id="splitting"):
                        self._add_fields("data.held_out")
                        self._add_fields("data.held_out_source", value="")
                    removal = RemovalWidgets(self.source, self.fields["data.held_out_source"])
                    text = "Look at the rows: this is what it learns from. Then press Next."
                    build_hint("data", 1, text)
                    self.next = make_button("Next: choose a model", "data-next", variant="primary")
                with gr.Column(scale=1, min_width=320):
                    self.view = DataView(reading)
            self.settled = gr.State("")  # the dataset chosen last, once the fields fit it
            self.chosen = gr.State("")  # another mark each time that data is chosen
        view = self.view
        self.fields |= {"data.shape": view.columns.shape, "data.roles": view.columns.roles}
        self.fields |= {"data.goal": view.goal.goal, "data.fixes": view.findings.applied}
        self.fields["data.left_out"] = view.questions.left_out
        intake = IntakeWidgets(self.source, adding.problem, self.view.pager.rows)
        wire_adding(ctx, adding, intake)
        wire_reading(ctx, reading, intake)
        wire_removal(ctx, removal)
        applied = view.findings.applied
        for kind, box in view.findings.fixes.items():
            box.button.click(bind(toggle_fix, kind), applied, applied, **QUIET)
        wire_questions(view.questions)
        wire_columns(ctx, view.columns, self.source)

    def _add_fields(self, *paths: str, **more: Any) -> None:
        for path in paths:
            self.fields[path] = form.make_widget(path, **more)


def wire_data(
    ctx: Context, tab: DataTab, inputs: DataInputs, restored: gr.Number, moments: list[Any]
) -> Dependency:
    """The rows are shown as the chosen model sees them, anew after each of the ``moments``.

    ``restored``: whether the page shows what was chosen. Returns the event after which the rows are
    counted.
    """
    view = tab.view
    wire_pager(ctx, view.pager, inputs)
    wire_editor(ctx, view.editor, inputs)
    values = inputs.widgets | view.columns.asked | {view.source, view.pager.form}
    values |= {restored, tab.settled}
    show = bind(show_once_settled, ctx, tab, inputs, restored)
    events = [*moments, tab.chosen.change, view.columns.opened.change]
    return gr.on(events, show, values, view.shown, **LATEST)


def show_once_settled(
    ctx: Context, tab: DataTab, inputs: DataInputs, restored: gr.Number, values: Values
) -> Iterator[Any]:
    """Show the data, unless its fields are about to change: this is asked again once they have.

    Until a page shows what was chosen they hold its defaults, and then some come before others.
    """
    settled = values[tab.settled]
    if values[restored] and settled in ("", values[tab.source]):
        yield from show_data(ctx, tab.view, inputs, values)
    else:
        yield gr.skip()  # Gradio empties what a handler shows that yields nothing
