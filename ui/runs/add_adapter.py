"""Adding an adapter that another program made: by its files, a zip of them, or its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from engine.errors import DataError, HoneError
from engine.model.adapter_files import find_files
from engine.runs.foreign.add import Choices, add_adapter
from engine.runs.foreign.unpack import adapter_files
from ui import form
from ui.context import Context
from ui.data.intake import wait_line
from ui.handlers import QUIET, Updates, bind
from ui.model.choose import model_choices
from ui.text import line, status_box
from ui.theme import make_button, raw_html

ABOUT = line(
    "An adapter that PEFT, TRL or another trainer saved: adapter_config.json and "
    "adapter_model.safetensors, or a zip of their folder. You can then compare it, score it, merge "
    "it, export it and train on from it."
)
AS_NAMED = ("The one that the adapter names", "")


class Picking(NamedTuple):
    """How a run is picked in the table."""

    show_card: Callable[[Context, str], Updates]
    shown: list[Component]  # what that changes


class AdapterWidgets:
    """The widgets that an adapter is added with."""

    def __init__(self) -> None:
        with gr.Accordion("Add an adapter made elsewhere", open=False, elem_id="add-adapter"):
            raw_html(ABOUT)
            with gr.Row(equal_height=False):
                with gr.Column(min_width=280):
                    self.files = gr.File(
                        label="Its files",
                        file_count="multiple",
                        height=132,
                        elem_id="adapter-files",
                    )
                    self.folder = gr.Textbox(
                        label="Or its folder",
                        info="The full path of a folder on this machine.",
                        placeholder="/home/me/output/checkpoint-300",
                        visible=False,
                        elem_id="adapter-folder",
                    )
                with gr.Column(min_width=280):
                    self.base = gr.Dropdown(
                        [AS_NAMED],
                        value="",
                        label="Its base model",
                        info="The model that it was made for.",
                        elem_id="adapter-base",
                    )
                    self.with_data = gr.Checkbox(
                        label="With the data that is chosen on the Data tab",
                        info="To score it on held-out examples, and to take questions from them.",
                        elem_id="adapter-data",
                    )
            self.add = make_button("Add the adapter", "add-adapter-go", 160)
            self.problem = raw_html(visible=False, elem_id="adapter-problem")


def wire_adapters(
    ctx: Context, own: AdapterWidgets, fields: Mapping[str, Component], picking: Picking
) -> None:
    """``fields``: the form's. What is added is picked."""
    inputs: dict[str, Component] = {path: fields[path] for path in form.DATA_PATHS}
    inputs |= {"files": own.files, "folder": own.folder}
    inputs |= {"base": own.base, "with_data": own.with_data}
    outputs = [own.problem, own.files, own.folder, *picking.shown]
    handler = bind(add_from_page, ctx, own, picking)
    own.add.click(handler, None, outputs, inputs_kwargs=inputs, **QUIET)


# --- handlers ---


def offer_choices(ctx: Context, base: str | None) -> tuple[Any, Any]:
    """The base models that are here now, and whether folders may be named."""
    choices = [AS_NAMED, *model_choices(ctx)]
    kept = base if base in {source for _, source in choices} else ""
    folders = gr.update(visible=ctx.policy.may_open_folders)
    return gr.update(choices=choices, value=kept), folders


def add_from_page(
    ctx: Context, own: AdapterWidgets, picking: Picking, **values: Any
) -> Iterator[Updates]:
    """Add the adapter and pick it; what is wrong with it stays on the page."""
    yield {own.problem: wait_line("Reading the adapter.")}
    try:
        base = str(values["base"] or "")
        if base:
            ctx.check_model(base)
        data = form.read_data_spec(values) if values["with_data"] else None
        with _opened(ctx, values["files"], values["folder"]) as (found, label):
            chosen = Choices(base=base, data=data)
            run = add_adapter(ctx.engine, found, label, chosen, ctx.model_choices())
    except HoneError as error:
        refused = status_box("bad", "This adapter cannot be used as it is", str(error))
        yield {own.problem: gr.update(value=refused, visible=True), own.files: None}
        return
    emptied: Updates = {own.files: None, own.folder: "", own.problem: gr.update(visible=False)}
    yield emptied | picking.show_card(ctx, run.id)


@contextmanager
def _opened(
    ctx: Context, files: list[str] | None, folder: str | None
) -> Iterator[tuple[Mapping[str, Path], str]]:
    """The adapter's files by name, and what to call it; uploads are gone afterwards."""
    if not files:
        if not (folder or "").strip():
            raise DataError("Choose the adapter's files first, or a zip of its folder.")
        ctx.policy.require_folders()
        path = Path(str(folder).strip())
        yield find_files(path), path.name
        return
    with ctx.uploads.using(ctx.visitor.owner, files) as paths:
        named = [(path, path.name) for path in paths]
        largest = ctx.engine.store.limits.upload_bytes
        with adapter_files(named, ctx.engine.store.runs, largest) as found:
            yield found, paths[0].stem if len(paths) == 1 else "Adapter"
