"""What a tab shows while no run has saved anything: why, and a button to the next step."""

from __future__ import annotations

import gradio as gr
from gradio.components import Component

from ui.context import Context
from ui.handlers import Updates
from ui.text import card, line
from ui.theme import make_button, raw_html

TRAIN_FIRST, WATCH = "Train something first", "Watch it on the Train tab"


class NothingYet:
    """The box, hidden until there is no run; ``verb`` is what could be done with one."""

    def __init__(self, name: str, verb: str) -> None:
        self.verb = verb
        with gr.Column(visible=False, elem_id=f"{name}-empty", elem_classes="nothing-yet") as box:
            self.text = raw_html()
            self.train = make_button(TRAIN_FIRST, f"{name}-train", variant="primary", scale=0)
        self.box = box
        self.shown: list[Component] = [self.box, self.text, self.train]

    def show(self, ctx: Context, run_id: str | None) -> Updates:
        """The box where no run is chosen; it names the run that works, if one does."""
        if run_id:
            return {self.box: gr.update(visible=False)}
        live = ctx.engine.live()
        text = (
            f"You can {self.verb} a run once it has saved something, which is at its first check."
        )
        if live:
            state = "is training" if live[0].alive else "is waiting"
            text = f"'{live[0].name}' {state}. You can {self.verb} it after its first check."
        return {
            self.box: gr.update(visible=True),
            self.text: card(f"There is nothing to {self.verb} yet", line(text)),
            self.train: gr.update(value=WATCH if live else TRAIN_FIRST),
        }
