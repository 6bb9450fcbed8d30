"""The question before something is deleted, as every tab asks it."""

from __future__ import annotations

import gradio as gr
from gradio.components import Component

from ui.handlers import HIDDEN, QUIET, Updates, bind, set_value
from ui.theme import make_button, raw_html


class Confirmation:
    """A box with the question and two buttons, hidden until it is asked.

    ``name`` begins the ids of box and buttons; ``choices`` stand between question and buttons and
    are made with ``render=False``.
    """

    def __init__(self, name: str, yes: str, *choices: Component) -> None:
        with gr.Column(visible=False, elem_id=f"{name}-sure", elem_classes="boxed") as self.box:
            self.question = raw_html()
            for one in choices:
                one.render()
            with gr.Row(elem_classes="run-acts"):
                self.yes = make_button(yes, f"{name}-yes", variant="stop")
                self.no = make_button("Keep it", f"{name}-no")
        self.shown = [self.box, self.question]
        self.no.click(bind(set_value, HIDDEN), None, self.box, **QUIET)

    def ask(self, question: str) -> Updates:
        """Show the question, which is HTML."""
        return {self.box: gr.update(visible=True), self.question: question}
