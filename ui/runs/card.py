"""The card of one run, below the table: what can be done with it, its name and note, its report."""

from __future__ import annotations

import gradio as gr

from ui.theme import make_button, raw_html

LONGEST_NAME, LONGEST_NOTE = 80, 2000  # characters
MORE_EPOCHS = (
    "Training continues from the newest checkpoint on a longer learning rate schedule: with cosine "
    "or linear the rate first jumps up, then falls again."
)


class RunCard:
    """The widgets of the card."""

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
