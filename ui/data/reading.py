"""How a file is read: which column is which, and its encoding, header and unit of text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import gradio as gr
from gradio.components import Component

from engine.data.datasets import Dataset
from engine.data.readers.encoding import ENCODINGS
from engine.data.readers.table import ReadOptions
from engine.data.schema import ROLES
from engine.process import oneshot
from engine.spec.run import Shape
from ui import form
from ui.context import Context
from ui.data.intake import IntakeWidgets, take_in
from ui.handlers import QUIET, Updates, Values, bind

MOST_ROLES = max(map(len, ROLES.values()))
HEADER_CHOICES = [("Detect automatically", ""), ("Yes", "yes"), ("No", "no")]
HEADER_VALUES = {"yes": True, "no": False}
TEXT_UNITS = [
    ("Detect automatically", ""),
    ("Paragraph", "paragraph"),
    ("Line", "line"),
    ("About 1,000 characters", "length"),
]
ENCODING_CHOICES = [
    ("Detect automatically", ""),
    *((label, key) for key, label in ENCODINGS.items()),
]
# Of files that hold text.
ENCODED_KINDS = ("jsonl", "json", "csv", "txt", "labelled", "whatsapp", "subtitles")


class ReadingWidgets:
    """The shape of the rows, a column for each part of it, and how the file is decoded."""

    def __init__(self) -> None:
        self.shape = form.make_widget("data.shape")
        # Part of an example -> column, as the user chose it; empty: as detected.
        self.roles = form.make_widget("data.roles")
        self.fixes = form.make_widget("data.fixes")
        # Column -> values whose rows are left out.
        self.left_out = form.make_widget("data.left_out")
        column = {"label": "Column", "info": "The column that holds it.", "visible": False}
        # In the order of the shape's parts.
        self.columns = [
            gr.Dropdown([], elem_id=f"role-{number}", **column) for number in range(MOST_ROLES)
        ]
        again = {"value": "", "info": "The file is read again when you change this."}
        self.encoding = gr.Dropdown(
            ENCODING_CHOICES, label="Text encoding", elem_id="encoding", **again
        )
        self.header = gr.Dropdown(
            HEADER_CHOICES, label="The first line names the columns", elem_id="header", **again
        )
        # Of a text file: what one example is.
        self.unit = gr.Dropdown(TEXT_UNITS, label="One example is a", elem_id="parts", **again)
        self.options = [self.encoding, self.header, self.unit]
        self.shown: list[Component] = [*self.columns, *self.options]


def wire_reading(ctx: Context, reading: ReadingWidgets, shown: IntakeWidgets) -> None:
    """Columns are noted as chosen; another encoding, header or unit reads the file again."""
    source, shape, roles = shown.source, reading.shape, reading.roles
    again = bind(reread_dataset, ctx, reading, shown)
    for option in reading.options:
        option.input(again, {source, *reading.options}, [source, shown.problem], **QUIET)
    shape.input(bind(choose_shape, ctx), [source, shape, roles], roles, **QUIET)
    for column in reading.columns:
        chosen = [source, shape, *reading.columns]
        column.input(bind(choose_columns, ctx), chosen, [shape, roles], **QUIET)


# --- handlers ---


def choose_shape(ctx: Context, source: str, shape: str, roles: dict[str, str]) -> dict[str, str]:
    """Columns for another shape: those that were used before, in their order."""
    if not shape:
        return {}
    dataset = ctx.load_dataset(source)
    if shape == dataset.shape:
        return dataset.roles
    used = list((roles or dataset.roles).values())
    columns = [*used, *(column for column in dataset.columns if column not in used)]
    return dict(zip(list(ROLES[Shape(shape)])[:2], columns, strict=False))


def choose_columns(
    ctx: Context, source: str, shape: str, *columns: str | None
) -> tuple[str, dict[str, str]]:
    """The shape and the columns as the user has chosen them one by one."""
    chosen = Shape(shape) if shape else ctx.load_dataset(source).shape
    pairs = zip(ROLES[chosen], columns, strict=False)
    return chosen.value, {role: column for role, column in pairs if column}


def confirm_columns(ctx: Context, source: str) -> tuple[str, dict[str, str]]:
    """The detected shape and columns, as the user's choice."""
    dataset = ctx.load_dataset(source)
    return dataset.shape.value, dataset.roles


def reread_dataset(
    ctx: Context, reading: ReadingWidgets, shown: IntakeWidgets, values: Values
) -> Iterator[Updates]:
    """Read the files of a dataset with other options."""
    options = ReadOptions(
        encoding=values[reading.encoding],
        header=HEADER_VALUES.get(values[reading.header]),
        parts=values[reading.unit],
    )
    store, source = ctx.engine.store, values[shown.source]
    reread = partial(oneshot.reread_dataset_files, store, source, options)
    yield from take_in(ctx, shown, None, reread)


# --- what is shown ---


def column_updates(
    reading: ReadingWidgets, dataset: Dataset, shape: Shape, roles: dict[str, str]
) -> Updates:
    """A dropdown for each part of the shape, with all columns to choose from."""
    names = [*dataset.columns, *(path for path in dataset.nested if path not in dataset.columns)]
    columns = [("–", ""), *((name, name) for name in names)]
    updates: Updates = dict.fromkeys(reading.columns, gr.update(visible=False))
    for dropdown, (role, label) in zip(reading.columns, ROLES[shape].items(), strict=False):
        updates[dropdown] = gr.update(
            label=label, choices=columns, value=roles.get(role, ""), visible=True
        )
    return updates


def option_updates(reading: ReadingWidgets, dataset: Dataset) -> Updates:
    """How the files were read, where their kind leaves a choice."""
    options = dataset.options
    encoding = str(options.get("encoding") or "")
    if encoding not in ENCODINGS:
        encoding = ""
    unit = str(options.get("parts") or "")
    header = {"True": "yes", "False": "no"}.get(str(options.get("header")), "")
    return {
        reading.encoding: gr.update(visible=dataset.kind in ENCODED_KINDS, value=encoding),
        reading.header: gr.update(visible=dataset.kind in ("csv", "xlsx"), value=header),
        reading.unit: gr.update(visible=dataset.kind in ("txt", "subtitles"), value=unit),
    }
