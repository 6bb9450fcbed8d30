"""What only the user can say: what to learn from these rows, and what a column decides."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
from gradio.components import Component

from engine.data.goal import possible_goals
from engine.data.prepared import Prepared
from engine.data.quality.deciding_columns import EMPTY
from engine.data.quality.findings import Finding
from engine.errors import DataError
from engine.spec.objective import ObjectiveKind, Task
from engine.spec.run import DataSpec, Shape
from engine.text import count_of, format_count
from ui import form
from ui.data.findings import LEVEL_TONES
from ui.handlers import HIDDEN, QUIET, Updates, bind, set_value
from ui.text import escape_html, line
from ui.theme import make_button, raw_html

LeftOutValues = dict[str, list[str]]  # column -> values whose rows are left out
# What rows of a format can teach: its name, and what it means in a sentence. The first line of a
# choice is its name.
GOAL_WORDS: dict[str, dict[ObjectiveKind, str]] = {
    "labels": {
        "classify": "Choose one of {labels} labels (classifier)\nAnswers only with one of your "
        "labels, and says how likely each is. Quick.",
        "multilabel": "Choose any of {each} labels (classifier)\nAnswers only with your labels, "
        "as many as fit, and says how likely each is. Quick.",
        "regress": "Give a number\nAnswers with a number, for labels whose distances matter: 4 is "
        "closer to 5 than 1 is.",
        "write": "Write the label as text\nAnswers in words like a chat. Slower, and it may write "
        "something that is not one of your labels.",
    },
    "preferences": {
        "prefer": "Prefer the better answer\nLearns from both answers: to write like the better "
        "ones and unlike the worse ones.",
        "write": "Write the better answer\nLearns from the better answers alone, as from any "
        "question and answer.",
    },
    "other": {"write": "Write answers or text\nAll that these rows can teach."},
}
CANNOT_CHOOSE = "The chosen model cannot be a classifier, so it learns to write the label."
NO_CLASSES = "{} in {} to learn from: these cannot be told apart by a classifier."


class GoalWidgets:
    """The choice of what to learn; hidden where the rows leave none."""

    def __init__(self) -> None:
        self.goal = form.make_widget("data.goal")
        with gr.Column(visible=False, elem_classes="goal", elem_id="goal") as self.group:
            self.choice = gr.Radio(
                [],
                label="What should the model do?",
                info="Only you change this: recipes and settings leave it as it is.",
                elem_id="goal-choice",
            )
            self.note = raw_html(visible=False)
        self.shown: list[Component] = [self.group, self.choice, self.note]
        self.choice.input(bind(choose_goal), self.choice, self.goal, **QUIET)


class QuestionWidgets:
    """What a column decides; hidden where there is nothing to ask."""

    def __init__(self) -> None:
        # Column -> values whose rows are left out.
        self.left_out = form.make_widget("data.left_out")
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
        self.shown: list[Component] = [
            self.asks, self.asked, self.question, self.values, self.leave_out
        ]  # fmt: skip

    def build_again(self) -> None:
        """Lay out the button that takes the answers about columns back."""
        self.again = make_button("Ask again about columns", "column-again", visible=False)
        self.shown.append(self.again)


def wire_questions(questions: QuestionWidgets) -> None:
    """An answer is kept in the settings of the data as values left out."""
    left_out = questions.left_out
    asked = [questions.asked, questions.values, left_out]
    questions.leave_out.click(bind(leave_rows_out), asked, left_out, **QUIET)
    questions.no_matter.click(bind(ignore_column), asked, left_out, **QUIET)
    questions.again.click(bind(set_value, {}), None, left_out, **QUIET)


# --- handlers ---


def choose_goal(goal: str) -> str:
    """What to learn, as the user chose it."""
    return goal


def leave_rows_out(column: str, ticked: list[str], left_out: LeftOutValues) -> LeftOutValues:
    """Leave out the rows in which a column has one of the ticked values."""
    if not ticked:
        raise DataError("Tick what to leave out, or press “It does not matter”.")
    return {**left_out, column: ticked}


def ignore_column(column: str, _: list[str], left_out: LeftOutValues) -> LeftOutValues:
    """A column does not matter: no row is left out because of it."""
    return {**left_out, column: []}


# --- what is shown ---


def goal_updates(
    own: GoalWidgets, prepared: Prepared, data: DataSpec, tasks: tuple[Task, ...]
) -> Updates:
    """The choices for these rows and this model; ``data`` says which of them it is now."""
    goals = possible_goals(prepared, tasks)
    labelled = prepared.shape == Shape.LABEL
    fits = data.goal == "auto" or data.goal in goals
    note = _why_no_classifier(prepared, tasks) if labelled and goals == ["write"] else ""
    if len(goals) < 2 and fits and not note:
        return {own.group: HIDDEN}
    # Rows with better and worse answers are compared unless something else is chosen.
    value = data.goal if data.goal != "auto" else goals[0]
    return {
        own.group: gr.update(visible=True),
        own.choice: gr.update(
            choices=_goal_choices(goals, prepared), value=value if fits else None
        ),
        own.note: gr.update(value=line(note), visible=bool(note)),
    }


def _why_no_classifier(prepared: Prepared, tasks: tuple[Task, ...]) -> str:
    """Why labels can only be written: the model, or too many or too few of them."""
    if "classify" not in tasks:
        return CANNOT_CHOOSE
    labels = count_of(len(prepared.labels), "different label", "different labels")
    return NO_CLASSES.format(labels, count_of(prepared.train, "row"))


def _goal_choices(
    goals: Sequence[ObjectiveKind], prepared: Prepared
) -> list[tuple[str, ObjectiveKind]]:
    kind = "other"
    if prepared.shape == Shape.LABEL:
        kind = "labels"
    elif "prefer" in goals:
        kind = "preferences"
    counts = {"labels": format_count(len(prepared.labels))}
    counts["each"] = format_count(len(prepared.each_label or prepared.labels))
    return [(GOAL_WORDS[kind][goal].format(**counts), goal) for goal in goals]


def question_updates(questions: QuestionWidgets, found: list[Finding], spec: DataSpec) -> Updates:
    """The first question that is open; ``asked_column`` tells which column that is."""
    one = asked_column(found)
    updates: Updates = {
        questions.asks: gr.update(visible=one is not None),
        questions.again: gr.update(visible=bool(spec.left_out)),
    }
    if one:
        choices = [(f"{value or EMPTY} ({format_count(rows)})", value)
                   for value, rows in one.choices.items()]  # fmt: skip
        updates |= {
            questions.asked: one.column,
            questions.question: question_head(one.title, one.text, LEVEL_TONES[one.level]),
            questions.values: gr.update(
                choices=choices, value=one.suggested, visible=bool(choices)
            ),
            questions.leave_out: gr.update(visible=bool(choices)),
        }
    return updates


def question_head(title: str, text: str, tone: str) -> str:
    """A question as HTML; its buttons stand below."""
    body = f"<h3>{escape_html(title)}</h3><p>{escape_html(text)}</p>"
    return f'<section class="question-head" data-tone="{tone}">{body}</section>'


def asked_column(found: list[Finding]) -> Finding | None:
    """The first finding that asks about a column, those that stop a training before others.

    None until it is said which column is which.
    """
    if any(one.kind == "unsure" for one in found):
        return None
    asked = [one for one in found if one.column and not one.done]
    return min(asked, key=lambda one: one.level != "stop", default=None)


def without_asked(found: list[Finding]) -> list[Finding]:
    """The findings but for those that a card of their own asks about."""
    asked = asked_column(found)
    return [one for one in found if one is not asked and one.kind != "unsure"]
