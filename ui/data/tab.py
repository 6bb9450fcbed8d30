"""The Data tab: add data, see what the model will see of it, fix it, hold some of it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from ui import form
from ui.context import Context
from ui.data.add import AddWidgets, build_adding, wire_adding
from ui.data.editor import Editor, build_editor, wire_editor
from ui.data.findings import build_findings, wire_fixes
from ui.data.inputs import DataInputs
from ui.data.intake import IntakeWidgets, dataset_choices, held_out_choices
from ui.data.look import DataView, show_data
from ui.data.pager import build_pager, wire_pager
from ui.data.reading import ReadingWidgets, build_reading, confirm_columns, wire_reading
from ui.handlers import QUIET, bind
from ui.text import tab_intro
from ui.theme import raw_html


@dataclass(frozen=True)
class DataTab:
    """What the other tabs need, and what is wired once all tabs are built."""

    tab: gr.Tab
    fields: dict[str, Component]  # by path; the seed is on the Train tab
    view: DataView
    editor: Editor
    settled: gr.State  # the dataset that was chosen last, once the fields fit it
    next: gr.Button

    @property
    def source(self) -> Component:
        return self.fields["data.source"]


def build(ctx: Context) -> DataTab:
    """Lay the tab out and wire what concerns it alone."""
    fields: dict[str, Component] = {}

    def add_fields(*paths: str, **more: Any) -> None:
        for path in paths:
            fields[path] = form.make_widget(path, **more)

    with gr.Tab("Data", id="data") as tab:
        raw_html(
            tab_intro(
                "What should it learn?",
                "Choose a sample or add your own data, check the rows, then go on.",
            )
        )
        with gr.Row(equal_height=False, elem_classes="page data"):
            with gr.Column(scale=0, min_width=340, elem_classes="side"):
                add_fields("data.source", choices=dataset_choices(ctx))
                adding = build_adding(ctx)
                with gr.Accordion("How it is read", open=False, elem_id="reading"):
                    reading = build_reading()
                with gr.Accordion("What it learns from", open=False, elem_id="learning"):
                    add_fields("data.goal", "data.learn", "data.max_length")
                    add_fields("data.system", "data.template")
                with gr.Accordion("What is held out", open=False, elem_id="splitting"):
                    add_fields("data.held_out")
                    add_fields("data.held_out_source", choices=held_out_choices(ctx), value="")
                next_tab = gr.Button("Next: choose a model", variant="primary", size="md")
            with gr.Column(scale=1, min_width=320):
                view, editor = _build_view(reading)
        settled = gr.State("")
    fields |= {
        "data.shape": reading.shape,
        "data.roles": reading.roles,
        "data.fixes": reading.fixes,
    }
    _wire_adding_and_fixes(ctx, fields["data.source"], adding, view)
    return DataTab(tab, fields, view, editor, settled, next_tab)


def _build_view(reading: ReadingWidgets) -> tuple[DataView, Editor]:
    facts = raw_html(elem_id="data-facts")
    findings = build_findings()
    pager = build_pager()
    editor = build_editor()
    with gr.Row(equal_height=False):
        lengths = gr.Plot(label="Lengths", visible=False, elem_id="lengths")
        labels = gr.Plot(label="Labels", visible=False, elem_id="labels")
    return DataView(facts, findings, pager, lengths, labels, reading), editor


def _wire_adding_and_fixes(
    ctx: Context, source: Component, adding: AddWidgets, view: DataView
) -> None:
    intake = IntakeWidgets(source, adding.problem, view.pager.rows)
    reading = view.reading
    wire_adding(ctx, adding, intake)
    wire_reading(ctx, reading, intake)
    wire_fixes(view.findings, reading.fixes)
    confirmed = [reading.shape, reading.roles]
    view.findings.confirm.click(bind(confirm_columns, ctx), source, confirmed, **QUIET)


def wire_data(
    ctx: Context, tab: DataTab, inputs: DataInputs, load: Any, moments: Sequence[Any]
) -> Dependency:
    """The rows are shown as the chosen model sees them, anew after each of the ``moments``.

    Returns the event after which they are counted.
    """
    pager, held_out_source = tab.view.pager, tab.fields["data.held_out_source"]
    load(bind(refresh_datasets, ctx), None, [tab.source, held_out_source], **QUIET)
    wire_pager(ctx, pager, inputs)
    wire_editor(ctx, tab.editor, inputs)
    return gr.on(
        list(moments),
        bind(show_data, ctx, tab.view, inputs),
        inputs.widgets,
        tab.view.shown,
        trigger_mode="always_last",
        **QUIET,
    )


def refresh_datasets(ctx: Context) -> tuple[Any, Any]:
    """The lists with the datasets that another page has added."""
    return gr.update(choices=dataset_choices(ctx)), gr.update(choices=held_out_choices(ctx))
