"""What only the user can say: which of two readings is right, and what a column decides."""

from __future__ import annotations

import gradio as gr
from gradio.components import Component

from engine.data.quality.deciding_columns import EMPTY
from engine.data.quality.findings import Finding
from engine.data.quality.readings import Reading
from engine.data.quality.token_report import PreviewRow
from engine.errors import DataError, HoneError
from engine.spec.run import DataSpec
from engine.text import format_count
from ui.context import Context
from ui.data import preview
from ui.handlers import QUIET, Updates, bind, set_value
from ui.text import escape_html, line
from ui.theme import make_button, raw_html

READINGS = 2  # between which one question chooses
ORDINALS = ("First", "Second")
LeftOutValues = dict[str, list[str]]  # column -> values whose rows are left out
TWO_READINGS = (
    "Which of the two is right?",
    "This file can be read in two ways. Here is one row in both, as the model would see it.",
)


class QuestionWidgets:
    """The card before all others: hidden where there is nothing to ask."""

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_classes="question", elem_id="readings") as self.group:
            raw_html(question_head(*TWO_READINGS))
            with gr.Row(equal_height=False):
                self.texts, self.buttons = [], []
                for number in range(READINGS):
                    with gr.Column(min_width=260):
                        self.texts.append(raw_html(elem_id=f"reading-text-{number}"))
                        label = f"The {ORDINALS[number].lower()} is right"
                        self.buttons.append(make_button(label, elem_id=f"reading-{number}"))
        with gr.Column(
            visible=False, elem_classes="question", elem_id="column-question"
        ) as self.asks:
            self.asked = gr.State("")  # the column
            self.question = raw_html()
            self.values = gr.CheckboxGroup(
                [],
                label="Leave out the rows where it is",
                info="Ticked rows are not learned and not held out.",
                elem_id="column-values",
            )
            with gr.Row(elem_classes="pager"):
                self.leave_out = make_button("Leave the ticked rows out", "column-leave-out", 190)
                self.no_matter = make_button("It does not matter", "column-no-matter", 150)
        column = [self.asks, self.asked, self.question, self.values, self.leave_out]
        self.shown: list[Component] = [self.group, *self.texts, *self.buttons, *column]

    def build_again(self) -> None:
        """Lay out the button that takes the answers about columns back."""
        self.again = make_button("Ask again about columns", "column-again", visible=False)
        self.shown.append(self.again)


def wire_questions(
    ctx: Context, questions: QuestionWidgets, source: Component, fields: dict[str, Component]
) -> None:
    """An answer is kept in the settings of the data: as columns, or as values left out."""
    chosen, left_out = [fields["data.shape"], fields["data.roles"]], fields["data.left_out"]
    for number, button in enumerate(questions.buttons):
        button.click(bind(choose_reading, ctx, number), source, chosen, **QUIET)
    asked = [questions.asked, questions.values, left_out]
    questions.leave_out.click(bind(leave_rows_out), asked, left_out, **QUIET)
    questions.no_matter.click(bind(ignore_column), asked, left_out, **QUIET)
    questions.again.click(bind(set_value, {}), None, left_out, **QUIET)


# --- handlers ---


def choose_reading(ctx: Context, number: int, source: str) -> tuple[str, dict[str, str]]:
    """The shape and the columns of the reading that was chosen."""
    schema = ctx.load_dataset(source).schema_for(DataSpec())
    chosen = schema.alternative if number else schema
    if chosen is None:
        raise DataError("This data is read in one way. Choose columns under “How it is read”.")
    return chosen.shape.value, chosen.roles


def leave_rows_out(column: str, ticked: list[str], left_out: LeftOutValues) -> LeftOutValues:
    """Leave out the rows in which a column has one of the ticked values."""
    if not ticked:
        raise DataError("Tick what to leave out, or press “It does not matter”.")
    return {**left_out, column: ticked}


def ignore_column(column: str, _: list[str], left_out: LeftOutValues) -> LeftOutValues:
    """A column does not matter: no row is left out because of it."""
    return {**left_out, column: []}


# --- what is shown ---


def question_updates(questions: QuestionWidgets, found: list[Finding], spec: DataSpec) -> Updates:
    """The first question that is open; ``asked_column`` tells which column that is."""
    readings = list_open_readings(found)
    updates: Updates = {questions.group: gr.update(visible=len(readings) == READINGS)}
    one = None if readings else asked_column(found)
    updates |= {
        questions.asks: gr.update(visible=one is not None),
        questions.again: gr.update(visible=bool(spec.left_out)),
    }
    if one:
        choices = [(f"{value or EMPTY} ({format_count(rows)})", value)
                   for value, rows in one.choices.items()]  # fmt: skip
        updates |= {
            questions.asked: one.column,
            questions.question: question_head(one.title, one.text),
            questions.values: gr.update(
                choices=choices, value=one.suggested, visible=bool(choices)
            ),
            questions.leave_out: gr.update(visible=bool(choices)),
        }
    return updates


def question_head(title: str, text: str) -> str:
    """A question as HTML; its buttons stand below."""
    body = f"<h3>{escape_html(title)}</h3><p>{escape_html(text)}</p>"
    return f'<section class="question-head">{body}</section>'


def list_open_readings(found: list[Finding]) -> list[Reading]:
    """The readings between which the user has to choose; none where the data is read in one way."""
    return next((one.readings for one in found if len(one.readings) == READINGS), [])


def asked_column(found: list[Finding]) -> Finding | None:
    """The first finding that asks about a column, those that stop a training before others."""
    asked = [one for one in found if one.column and not one.done]
    return min(asked, key=lambda one: one.level != "stop", default=None)


def without_asked(found: list[Finding]) -> list[Finding]:
    """The findings but for the one that the card about a column shows."""
    asked = None if list_open_readings(found) else asked_column(found)
    return [one for one in found if one is not asked]


def reading_updates(
    ctx: Context, questions: QuestionWidgets, model: str, spec: DataSpec, found: list[Finding]
) -> Updates:
    """The row of each open reading, as the model would see it."""
    updates: Updates = {}
    open_readings = zip(ORDINALS, questions.texts, list_open_readings(found), strict=False)
    for ordinal, text, reading in open_readings:
        row = _reading_row(ctx, model, spec, reading)
        updates[text] = preview.reading_card(f"{ordinal}: {reading.title}", row)
    return updates


def _reading_row(ctx: Context, model: str, spec: DataSpec, reading: Reading) -> str:
    if not reading.row:
        return line("No row can be read in this way.", "warn")
    read = spec.model_copy(update={"shape": reading.shape, "roles": reading.roles})
    try:
        ctx.check_model(model)
        rows: list[PreviewRow] = ctx.engine.desk.preview_rows(model, [reading.row], read)
    except HoneError as error:
        return line(str(error), "warn")
    return preview.row_card(rows[0], reading.number)
