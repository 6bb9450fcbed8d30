"""How a file is decoded: its encoding, whether it has a header, and what one example of it is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import gradio as gr
from gradio.components import Component

from engine.data.datasets import Dataset
from engine.data.readers.encoding import ENCODINGS
from engine.data.readers.table import ReadOptions
from engine.process import oneshot
from ui.context import Context
from ui.data.intake import IntakeWidgets, take_in
from ui.handlers import QUIET, Updates, Values, bind

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
    """How the file is decoded, where its kind leaves a choice."""

    def __init__(self) -> None:
        again = {"value": "", "info": "The file is read again when you change this."}
        with gr.Accordion("How the file is read", open=False, elem_id="reading") as self.box:
            self.encoding = gr.Dropdown(
                ENCODING_CHOICES, label="Text encoding", elem_id="encoding", **again
            )
            self.header = gr.Dropdown(
                HEADER_CHOICES, label="The first line names the columns", elem_id="header", **again
            )
            # Of a text file: what one example is.
            self.unit = gr.Dropdown(TEXT_UNITS, label="One example is a", elem_id="parts", **again)
        self.options = [self.encoding, self.header, self.unit]
        self.shown: list[Component] = [self.box, *self.options]


def wire_reading(ctx: Context, reading: ReadingWidgets, shown: IntakeWidgets) -> None:
    """Another encoding, header or unit reads the file again."""
    again = bind(reread_dataset, ctx, reading, shown)
    for option in reading.options:
        inputs = {shown.source, *reading.options}
        option.input(again, inputs, [shown.source, shown.problem], **QUIET)


# --- handlers ---


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


def option_updates(reading: ReadingWidgets, dataset: Dataset) -> Updates:
    """How the files were read, where their kind leaves a choice."""
    options = dataset.options
    encoding = str(options.get("encoding") or "")
    if encoding not in ENCODINGS:
        encoding = ""
    unit = str(options.get("parts") or "")
    header = {"True": "yes", "False": "no"}.get(str(options.get("header")), "")
    shown = {
        reading.encoding: (dataset.kind in ENCODED_KINDS, encoding),
        reading.header: (dataset.kind in ("csv", "xlsx"), header),
        reading.unit: (dataset.kind in ("txt", "subtitles"), unit),
    }
    updates: Updates = {
        widget: gr.update(visible=visible, value=value)
        for widget, (visible, value) in shown.items()
    }
    return updates | {reading.box: gr.update(visible=any(one for one, _ in shown.values()))}
