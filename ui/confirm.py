"""The question before something is deleted, as every tab asks it."""

from __future__ import annotations

import gradio as gr
from gradio.components import Component

from ui.handlers import HIDDEN, QUIET, Updates, bind, set_value
from ui.theme import make_button, raw_html


class Confirmation:
    """A box with the question and two buttons, hidden until it is asked.

    ``name`` begins the ids of box and buttons; ``choices`` stand between question and buttons and
    are made with ``render=False``. What is deleted after a yes is ``about``: another thing may be
    picked by the time that the question is on the page.
    """

    def __init__(self, name: str, yes: str, *choices: Component) -> None:
        with gr.Column(visible=False, elem_id=f"{name}-sure", elem_classes="boxed") as self.box:
            self.question = raw_html()
            self.about = gr.State("")  # the id of what the question names
            for one in choices:
                one.render()
            with gr.Row(elem_classes="run-acts"):
                self.yes = make_button(yes, f"{name}-yes", variant="stop")
                self.no = make_button("Keep it", f"{name}-no")
        self.shown = [self.box, self.question, self.about]
        self.no.click(bind(set_value, HIDDEN), None, self.box, **QUIET)

    def ask(self, question: str, about: str = "") -> Updates:
        """Show the question, which is HTML, about the thing with this id."""
        shown = gr.update(visible=True)
        return {self.box: shown, self.question: question, self.about: about}
