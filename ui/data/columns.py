"""Which column is which: menus above the first rows of the file, and what the first row becomes.

The card asks where the schema is uncertain. Otherwise it says which column is which in one line,
with a button that opens the same menus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from engine.data.datasets import Dataset
from engine.data.normalize import normalize_row
from engine.data.schema import (
    REQUIRED_ROLES,
    ROLES,
    SHAPE_NAMES,
    Schema,
    first_roles,
    with_column,
)
from engine.errors import DataError
from engine.spec.run import DataSpec, Shape
from ui import form
from ui.context import Context
from ui.data import conversation
from ui.data.file_table import NumberedRow, file_table, first_rows, with_sample
from ui.handlers import HIDDEN, QUIET, Updates, Values, bind
from ui.text import escape_html, line
from ui.theme import make_button, raw_html

MOST_ROLES = max(map(len, ROLES.values()))
ROLES_IN_SIGHT = 2  # menus that are not behind "Other parts"
READINGS = ("first", "second")  # values of the choice between two
Roles = dict[str, str]  # part of an example -> column


class ColumnWidgets:
    """The line or the question, and below it the menus, the table and the first row."""

    def __init__(self) -> None:
        # Part of an example -> column, as the user chose it; empty: as detected.
        self.roles = form.make_widget("data.roles")
        self.opened = gr.State("")  # the data whose columns the user is changing
        self.filled = gr.State([])  # data, shape and columns that the menus show
        with gr.Column(elem_classes="columns", elem_id="columns"):
            with gr.Row(equal_height=False, elem_classes="columns-head"):
                self.head = raw_html()
                self.change = make_button(
                    "Change the columns", "columns-change", 190, scale=0, visible=False
                )
            with gr.Column(visible=False, elem_id="columns-body") as self.body:
                self._build_menus()
                self.table = raw_html(elem_id="columns-table")
                self.example = raw_html(elem_id="columns-example")
                with gr.Row(elem_classes="pager"):
                    self.confirm = make_button("These are right", "agree", 170, variant="primary")
                    self.reset = make_button("Back to what was found", "columns-reset", 190)
                self._build_more_menus()
        self.asked = {self.opened, self.filled}  # what is asked for each time the card is shown
        shown = [self.head, self.change, self.body, self.reading, self.shape, *self.menus]
        shown += [self.more, self.table, self.example, self.reset, self.filled]
        self.shown: list[Component] = shown

    def _build_menus(self) -> None:
        self.reading = gr.Radio(
            [],
            label="This file can be read in two ways",
            info="Choose the right one, or the columns one by one.",
            visible=False,
            elem_id="readings",
        )
        with gr.Row(equal_height=False):
            self.shape = form.make_widget(
                "data.shape", label="Each row is", info="What it is an example of.", min_width=200
            )
            self.menus = [_build_menu(at) for at in range(ROLES_IN_SIGHT)]

    def _build_more_menus(self) -> None:
        """The parts that most rows do not have."""
        with gr.Accordion("Other parts", open=False, elem_id="other-parts") as self.more:
            numbers = range(ROLES_IN_SIGHT, MOST_ROLES)
            self.menus += [_build_menu(at) for at in numbers]


def _build_menu(at: int) -> gr.Dropdown:
    about: dict[str, Any] = {"label": "Column", "info": "The column that holds it."}
    return gr.Dropdown([], visible=False, min_width=180, elem_id=f"role-{at}", **about)


def wire_columns(ctx: Context, own: ColumnWidgets, source: Component) -> None:
    """Each choice is kept in the settings at once; the card stays open until it is confirmed."""
    chosen = [own.opened, own.shape, own.roles]
    own.reading.input(bind(choose_reading, ctx), [source, own.reading], chosen, **QUIET)
    before = [source, own.shape, own.roles]
    own.shape.input(bind(choose_shape, ctx), before, chosen, **QUIET)
    for at, menu in enumerate(own.menus):
        menu.input(bind(choose_column, ctx, at), [*before, menu], chosen, **QUIET)
    own.confirm.click(bind(confirm_columns, ctx), before, chosen, **QUIET)
    own.reset.click(bind(reset_columns), source, chosen, **QUIET)
    own.change.click(bind(open_menus), source, own.opened, **QUIET)


# --- handlers; most return what is opened, the shape and the columns ---

Chosen = tuple[str, str, Roles]


def open_menus(source: str) -> str:
    """Open the menus of this data."""
    return source


def choose_reading(ctx: Context, source: str, reading: str) -> Chosen:
    """The shape and the columns of the reading that was chosen."""
    schema = ctx.load_dataset(source).schema_for(DataSpec())
    chosen = schema.alternative if reading == READINGS[1] else schema
    if chosen is None:
        raise DataError("This data is read in one way. Choose the columns one by one.")
    return source, chosen.shape.value, chosen.roles


def choose_shape(ctx: Context, source: str, shape: str, roles: Roles) -> Chosen:
    """Columns for another shape: those that were used before, in their order."""
    if not shape:
        return source, "", {}
    dataset = ctx.load_dataset(source)
    if shape == dataset.shape:
        return source, shape, dataset.roles
    used = list((roles or dataset.roles).values())
    return source, shape, first_roles(Shape(shape), used, dataset.columns)


def choose_column(  # noqa: PLR0913  which menu, what it says, and what was chosen before
    ctx: Context, at: int, source: str, shape: str, roles: Roles, column: str
) -> Chosen:
    """The shape and the columns after another column was chosen in one of the menus."""
    dataset = ctx.load_dataset(source)
    chosen = Shape(shape) if shape else dataset.shape
    before = roles or (dataset.roles if chosen == dataset.shape else {})
    return source, chosen.value, with_column(chosen, before, at, column)


def confirm_columns(ctx: Context, source: str, shape: str, roles: Roles) -> Chosen:
    """What the menus say, as the user's choice."""
    schema = ctx.load_dataset(source).schema_for(
        DataSpec(shape=Shape(shape) if shape else None, roles=roles)
    )
    return "", schema.shape.value, schema.roles


def reset_columns(source: str) -> Chosen:
    """The shape and the columns as they were detected."""
    return source, "", {}


# --- what is shown ---


class Read(NamedTuple):
    """How the rows are read now: the shape, its columns, and what is wrong with them, if so."""

    shape: Shape
    roles: Mapping[str, str]
    problem: str = ""


def column_updates(
    own: ColumnWidgets, dataset: Dataset, spec: DataSpec, read: Read, values: Values
) -> Updates:
    """The card as a question, as menus that were opened, or as one line.

    Menus that show it already are left alone: the user may be about to choose from one.
    """
    schema = dataset.schema_for(DataSpec())
    asks = not (schema.certain or spec.shape or spec.roles)
    is_open = asks or bool(read.problem) or values[own.opened] == dataset.source
    rows, filled = first_rows(dataset), [dataset.source, read.shape.value, dict(read.roles)]
    menus = {} if values[own.filled] == filled else _menu_updates(own, dataset, rows, read)
    return {
        own.head: _head(schema, read, asks, is_open),
        own.change: gr.update(visible=not is_open),
        own.body: gr.update(visible=is_open),
        own.reading: _reading_choice(schema, read),
        **menus,
        own.filled: filled,
        own.table: file_table(dataset.columns, rows, _named_parts(read)) if is_open else "",
        own.example: _example(dataset, rows, spec, read) if is_open else "",
        own.reset: gr.update(visible=bool(spec.shape or spec.roles)),
    }


def _head(schema: Schema, read: Read, asks: bool, is_open: bool) -> str:
    if not is_open:
        return f'<p class="columns-line">{describe_columns(read.shape, read.roles)}</p>'
    text = schema.reason if asks else "Choose what each column is. The rows below follow at once."
    problem = line(read.problem, "bad") if read.problem else ""
    tone = "bad" if asks or read.problem else "idle"
    return (
        f'<section class="question-head" data-tone="{tone}"><h3>Which column is which?</h3>'
        f"<p>{escape_html(text)}</p>{problem}</section>"
    )


def describe_columns(shape: Shape, roles: Mapping[str, str]) -> str:
    """Which column is which, in one line of HTML."""
    parts = (
        f"{escape_html(ROLES[shape][role])}: <b>{escape_html(column)}</b>"
        for role, column in roles.items()
    )
    return " · ".join(parts)


def _reading_choice(schema: Schema, read: Read) -> Any:
    """The two ways to read a file; hidden where there is one."""
    if schema.alternative is None:
        return HIDDEN
    readings = dict(zip(READINGS, (schema, schema.alternative), strict=True))
    alike = schema.shape == schema.alternative.shape
    choices = [(_reading_words(one, alike), name) for name, one in readings.items()]
    now = (name for name, one in readings.items() if (one.shape, one.roles) == read[:2])
    return gr.update(choices=choices, value=next(now, None), visible=True)


def _reading_words(schema: Schema, alike: bool) -> str:
    """Which column is which, and what a row is unless both readings say the same."""
    named = (f"{ROLES[schema.shape][role]}: {path}" for role, path in schema.roles.items())
    parts, words = ", ".join(named), SHAPE_NAMES[schema.shape]
    return parts if alike else f"{words[0].upper()}{words[1:]} ({parts})"


def _shape_choices(found: Shape) -> list[tuple[str, str]]:
    named = [(words, shape.value) for shape, words in SHAPE_NAMES.items()]
    return [(f"As found: {SHAPE_NAMES[found]}", ""), *named]


def _menu_updates(
    own: ColumnWidgets, dataset: Dataset, rows: Sequence[NumberedRow], read: Read
) -> Updates:
    """A menu for each part of the shape, with all columns and a sample of each."""
    names = [*dataset.columns, *(path for path in dataset.nested if path not in dataset.columns)]
    choices = [("–", ""), *((with_sample(name, rows), name) for name in names)]
    updates: Updates = dict.fromkeys(own.menus, HIDDEN)
    updates[own.shape] = gr.update(choices=_shape_choices(dataset.shape))
    parts = list(ROLES[read.shape].items())
    for at, (menu, (role, label)) in enumerate(zip(own.menus, parts, strict=False)):
        if at >= REQUIRED_ROLES[read.shape]:
            label = f"{label} (optional)"
        value = read.roles.get(role, "")
        updates[menu] = gr.update(label=label, choices=choices, value=value, visible=True)
    hidden = [role for role, _ in parts[ROLES_IN_SIGHT:]]
    in_use = any(role in read.roles for role in hidden)
    updates[own.more] = gr.update(visible=bool(hidden), open=in_use)
    return updates


def _named_parts(read: Read) -> dict[str, str]:
    """The parts of an example in words, and the column of each."""
    return {ROLES[read.shape][role]: path for role, path in read.roles.items()}


def _example(dataset: Dataset, rows: Sequence[NumberedRow], spec: DataSpec, read: Read) -> str:
    """The first row as a conversation, as it is read now."""
    if read.problem:
        return ""
    schema, why = Schema(read.shape, "", dict(read.roles)), ""
    for row, number in rows:
        try:
            made = next(iter(normalize_row(row, schema, dataset.labels)), None)
        except DataError as error:
            why = why or f" Row {number}: {error}"
            continue
        if made:
            shown = conversation.row_card(made, number, read.shape, spec)
            return f"<h4>What the model gets from it</h4>{shown}"
    return line(f"None of the first rows can be read in this way.{why}", "warn")
