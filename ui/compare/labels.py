"""One text to a run that chooses labels or gives a number: a field, a button, the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.data.normalize import last_answer, row_labels
from engine.data.rows import Row, labelled_text, read_rows
from engine.errors import HoneError, RunError
from engine.spec.objective import ObjectiveKind
from engine.store.head_labels import HeadLabels
from engine.store.run_dir import RunDir
from ui.compare.chat import suggestion_buttons
from ui.compare.label_answer import Truth, answer_card
from ui.context import Context
from ui.handlers import QUIET, Updates, bind, event_text
from ui.text import line
from ui.theme import button_list, make_button, raw_html

EXAMPLES, LOOKED_AT, SHOWN_OF_EXAMPLE = 6, 500, 120  # rows; rows; characters on a button
CHOOSE: dict[ObjectiveKind, str] = {
    "classify": "Choose a label",
    "multilabel": "Choose labels",
    "regress": "Give a number",
}


class LabelWidgets:
    """A text, examples to take, and what the run says of it."""

    def __init__(self, run: gr.Dropdown) -> None:
        self.run = run
        with gr.Column(visible=False, elem_id="label-box") as self.box:
            with gr.Row(elem_classes="ask", equal_height=True):
                self.text = gr.Textbox(
                    label="Text",
                    info="A text of the kind that it was trained on.",
                    placeholder="Write or paste a text",
                    lines=3,
                    max_lines=12,
                    scale=6,
                    min_width=180,
                    elem_id="label-text",
                )
                self.choose = make_button(
                    CHOOSE["classify"], "choose-label", 152, variant="primary", scale=0
                )
            self.examples = button_list("label-examples", ["pick"])
            self.answer = raw_html(elem_id="label-answer")
        # The run and the place of the held-out row that the text was taken from.
        self.taken = gr.State("")
        self.shown: list[Component] = [self.box, self.choose, self.examples]


def wire_labels(ctx: Context, own: LabelWidgets) -> Dependency:
    """Asking, and taking an example; returns the event of an answer that is being made."""
    asked, inputs = bind(choose_label, ctx, own), [own.run, own.text, own.taken]
    outputs = [own.answer, own.choose]
    events = [own.choose.click, own.text.submit]
    answering = gr.on(events, asked, inputs, outputs, concurrency_limit=4, **QUIET)
    filled = [own.text, own.taken]
    picked = own.examples.pick(bind(take_example, ctx), own.run, filled, **QUIET)
    picked.success(asked, inputs, outputs, concurrency_limit=4, **QUIET)
    return answering


class Example(NamedTuple):
    """A held-out row as it is asked."""

    text: str
    truth: Truth


# --- handlers ---


def show_labels(own: LabelWidgets, run: RunDir | None, head: HeadLabels | None) -> Updates:
    """The field and the examples of a run that chooses labels; hidden for any other."""
    if run is None or head is None:
        return {own.box: gr.update(visible=False)}
    return {
        own.box: gr.update(visible=True),
        own.choose: gr.update(value=CHOOSE[head.kind], interactive=True),
        own.examples: suggestion_buttons(example_buttons(run)),
    }


def choose_label(
    ctx: Context, own: LabelWidgets, run_id: str, text: str, taken: str
) -> Iterator[Updates]:
    """What the run says of a text; of a held-out example also whether that is right."""
    if not run_id:
        raise RunError("There is no run to ask yet. Start one on the Train tab.")
    if not text.strip():
        raise RunError("Write a text first, or take a held-out example.")
    run = ctx.engine.store.run(run_id)
    example = example_of(run, taken, text)
    yield {own.answer: line("Reading the text", "wait"), own.choose: gr.update(interactive=False)}
    free = {own.choose: gr.update(interactive=True)}
    try:
        answer = ctx.engine.desk.classify(run, example.text if example else text)
    except HoneError:
        yield {own.answer: "", **free}
        raise
    column = run.spec.data.roles.get("label", "")
    yield {own.answer: answer_card(answer, column, example.truth if example else None), **free}


def take_example(ctx: Context, run_id: str, event: gr.EventData) -> tuple[str, str]:
    """A held-out row's text for the field, and where it was taken from."""
    run, place = ctx.engine.store.run(run_id), event_text(event, "name")
    row = _held_out_row(run, place)
    if row is None:
        raise RunError("This example is not there any more. Open the tab again.")
    return labelled_text(row), f"{run.id} {place}"


# --- held-out rows ---


def example_buttons(run: RunDir) -> list[tuple[str, str]]:
    """Place and text of a few held-out rows, of every label where possible."""
    first: dict[str, int] = {}
    rows = read_rows(run.held_out_file)[:LOOKED_AT]
    for place, row in enumerate(rows):
        first.setdefault(last_answer(row), place)
    of_labels = list(first.values())[:EXAMPLES]
    others = [place for place in range(len(rows)) if place not in of_labels]
    places = sorted([*of_labels, *others[: EXAMPLES - len(of_labels)]])
    return [(str(place), _shortened(labelled_text(rows[place]))) for place in places]


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= SHOWN_OF_EXAMPLE else f"{words[:SHOWN_OF_EXAMPLE].rstrip()} …"


def example_of(run: RunDir, taken: str, text: str) -> Example | None:
    """The held-out row that a text was taken from; None where it was changed since, or the run.

    The text is the row's own: a browser gives line ends back in another form.
    """
    run_id, _, place = taken.partition(" ")
    row = _held_out_row(run, place) if run_id == run.id else None
    if row is None or labelled_text(row).splitlines() != text.splitlines():
        return None
    return Example(labelled_text(row), Truth(last_answer(row), frozenset(row_labels(row))))


def _held_out_row(run: RunDir, place: str) -> Row | None:
    rows = read_rows(run.held_out_file)
    if not place.isascii() or not place.isdigit() or len(place) > 9 or int(place) >= len(rows):
        return None
    return rows[int(place)]
