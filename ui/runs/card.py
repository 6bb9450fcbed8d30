"""The card of one run, below the table: what can be done with it, its name and note, its report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.theme import raw_html

LONGEST_NAME, LONGEST_NOTE = 80, 2000  # characters
MORE_EPOCHS = (
    "Training continues from the newest checkpoint on a longer learning rate schedule: with cosine "
    "or linear the rate first jumps up, then falls again."
)


@dataclass(frozen=True)
class RunCard:
    """The widgets of the card."""

    box: gr.Column
    open: gr.Button
    again: gr.Button
    train_on: gr.Button
    take_report: gr.Button
    report_file: gr.DownloadButton
    extension: gr.Row  # more epochs for a finished run
    epochs: gr.Number
    extend: gr.Button
    name: gr.Textbox
    note: gr.Textbox
    save: gr.Button
    delete: gr.Button
    report: gr.HTML


def build_card() -> RunCard:
    """Lay the card out."""
    with gr.Column(visible=False, elem_id="run-card", elem_classes="boxed") as box:
        with gr.Row(elem_classes="run-acts"):
            open_run = _card_button("Open", "open-run", 100, variant="primary")
            again = _card_button("Use its settings", "use-settings", 150)
            train_on = _card_button("Train on from here", "train-on", 150)
            take_report = _card_button("Download the report", "take-report", 160)
        report_file = gr.DownloadButton("Report", visible="hidden", elem_id="report-file")
        with gr.Accordion("More", open=False, elem_id="run-more"):
            with gr.Row(visible=False, elem_classes="run-acts more-epochs") as extension:
                epochs = gr.Number(
                    1, label="More epochs", info=MORE_EPOCHS, minimum=0, elem_id="more-epochs"
                )
                extend = _card_button("Train for more epochs", "extend-run", 170)
            with gr.Row():
                name = gr.Textbox(
                    label="Name",
                    info="What this run is called in every list.",
                    max_length=LONGEST_NAME,
                    elem_id="run-name",
                )
                note = gr.Textbox(
                    label="Note",
                    info="For yourself: what you tried and what came out.",
                    max_length=LONGEST_NOTE,
                    lines=1,
                    elem_id="run-note",
                )
            with gr.Row(elem_classes="run-acts"):
                save = _card_button("Save name and note", None, 160)
                delete = _card_button("Delete…", "delete-run", 100, variant="stop")
        report = raw_html(elem_id="run-report")
    return RunCard(
        box, open_run, again, train_on, take_report, report_file, extension, epochs, extend, name,
        note, save, delete, report,
    )  # fmt: skip


def _card_button(label: str, elem_id: str | None, width: int, **more: Any) -> gr.Button:
    return gr.Button(label, size="md", min_width=width, elem_id=elem_id, **more)
