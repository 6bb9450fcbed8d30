"""How a file is read: which column is which, and its encoding, header and unit of text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
REREAD_INFO = "The file is read again when you change this."
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
ENCODED_KINDS = ("jsonl", "json", "csv", "txt", "labelled")  # of files that hold text


@dataclass(frozen=True)
class ReadingWidgets:
    """The shape of the rows, a column for each part of it, and how the file is decoded."""

    shape: Component
    roles: Component  # part of an example -> column, as the user chose it; empty: as detected
    fixes: Component
    columns: list[gr.Dropdown]  # in the order of the shape's parts
    encoding: gr.Dropdown
    header: gr.Dropdown
    unit: gr.Dropdown  # of a text file, which one example is

    @property
    def shown(self) -> list[Component]:
        """The widgets that another dataset changes."""
        return [*self.columns, self.encoding, self.header, self.unit]


def build_reading() -> ReadingWidgets:
    """Lay the widgets out."""
    shape, roles, fixes = map(form.make_widget, ("data.shape", "data.roles", "data.fixes"))
    columns = [
        gr.Dropdown(
            [],
            label="Column",
            info="The column that holds it.",
            visible=False,
            elem_id=f"role-{number}",
        )
        for number in range(MOST_ROLES)
    ]
    again = {"value": "", "info": REREAD_INFO}
    encoding = gr.Dropdown(ENCODING_CHOICES, label="Text encoding", elem_id="encoding", **again)
    header = gr.Dropdown(
        HEADER_CHOICES, label="The first line names the columns", elem_id="header", **again
    )
    unit = gr.Dropdown(TEXT_UNITS, label="One example is a", elem_id="parts", **again)
    return ReadingWidgets(shape, roles, fixes, columns, encoding, header, unit)


def wire_reading(ctx: Context, reading: ReadingWidgets, shown: IntakeWidgets) -> None:
    """Columns are noted as chosen; another encoding, header or unit reads the file again."""
    options, source = (reading.encoding, reading.header, reading.unit), shown.source
    again = bind(reread_dataset, ctx, reading, shown)
    for option in options:
        option.input(again, {source, *options}, [source, shown.problem], **QUIET)
    shape, roles = reading.shape, reading.roles
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
    source = values[shown.source]
    yield from take_in(
        ctx,
        shown,
        None,
        lambda on_progress: oneshot.reread_dataset_files(
            ctx.engine.store, source, options, on_progress
        ),
    )


# --- what is shown ---


def column_updates(
    reading: ReadingWidgets, dataset: Dataset, shape: Shape, roles: dict[str, str]
) -> Updates:
    """A dropdown for each part of the shape, with all columns to choose from."""
    columns = [("–", ""), *((column, column) for column in dataset.columns)]
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
    header = {"True": "yes", "False": "no"}.get(str(options.get("header")), "")
    return {
        reading.encoding: gr.update(
            visible=dataset.kind in ENCODED_KINDS,
            value=encoding if encoding in ENCODINGS else "",
        ),
        reading.header: gr.update(visible=dataset.kind in ("csv", "xlsx"), value=header),
        reading.unit: gr.update(
            visible=dataset.kind == "txt", value=str(options.get("parts") or "")
        ),
    }
