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
            script = f"HoneQuestion(element, watch, '{name}')"  # it takes the focus
            self.question = raw_html(js_on_load=script)
            self.about = gr.State("")  # what the question names: its id, or what ``ask`` is given
            for one in choices:
                one.render()
            with gr.Row(elem_classes="run-acts"):
                self.yes = make_button(yes, f"{name}-yes", variant="stop")
                self.no = make_button("Keep it", f"{name}-no")
        self.shown = [self.box, self.question, self.about, self.yes, self.no]
        self.no.click(bind(set_value, HIDDEN), None, self.box, **QUIET)

    def ask(self, question: str, about: object = "", yes: str = "", no: str = "") -> Updates:
        """Show the question, which is HTML, about the thing with this id.

        ``yes``, ``no``: what the buttons say, where that differs from time to time.
        """
        shown: Updates = {self.box: gr.update(visible=True), self.question: question}
        said = {self.yes: yes, self.no: no}
        words = {button: gr.update(value=text) for button, text in said.items() if text}
        return shown | {self.about: about} | words
