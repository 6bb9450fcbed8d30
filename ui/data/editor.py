"""The editor below the rows: change, delete, add and download them, or save them as new data."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.data import edit
from engine.data.prepared import Prepared
from engine.errors import DataError
from engine.store.data_limits import require_space
from engine.text import count_of
from ui.access import downloads
from ui.context import Context
from ui.data.intake import dataset_choices
from ui.form import DataInputs
from ui.handlers import LATEST, QUIET, Updates, Values, bind, download_on_click, set_value
from ui.text import line
from ui.theme import make_button, raw_html

# "changed": rows by their number as a string (None: deleted); "added": new rows.
Edits = dict[str, Any]
NO_EDITS: Edits = {"changed": {}, "added": []}
NEW_ROW = 0  # the number that adds a row
TEXT_BOXES = 12  # texts of a row that can be changed here
TOO_MANY_TURNS = (
    f"This row has more than {TEXT_BOXES} turns. Edit it in the file, and add the file again."
)


class Editor:
    """The editor's widgets."""

    def __init__(self) -> None:
        with gr.Accordion("Edit or download the rows", open=False, elem_id="editor") as self.box:
            self.edits = gr.State(NO_EDITS)
            self.opened = gr.State("")  # which row of which data the boxes hold
            self.number = gr.Number(
                1, precision=0, label="Row", info="The number below each row. 0 adds a new row."
            )
            self.problem = raw_html()
            self.texts = [_build_text_box(at) for at in range(TEXT_BOXES)]
            with gr.Row(elem_classes="pager"):
                self.keep = make_button("Keep this row", "edit-keep", 140, visible=False)
                self.delete = make_button("Delete this row", "edit-delete", 140, visible=False)
            self.summary = raw_html(describe_edits(NO_EDITS), elem_id="edit-told")
            with gr.Row(elem_classes="pager"):
                self.save = make_button("Save as new data", "edit-save", 150, variant="primary")
                self.discard = make_button("Discard the changes", "edit-forget", 150)
            with gr.Row(elem_classes="pager"):
                self.downloads = {
                    kind: make_button(f"Download as {kind.upper()}", f"take-{kind}", 150)
                    for kind in ("jsonl", "csv")
                }


def _build_text_box(at: int) -> gr.Textbox:
    common = {"label": "Text", "info": "Edit it here.", "lines": 2, "max_lines": 14}
    return gr.Textbox(**common, visible=False, elem_id=f"edit-{at}")


def wire_editor(ctx: Context, editor: Editor, inputs: DataInputs) -> None:
    """The editor follows the data: other data, columns or fixes mean other rows."""
    edits, source = editor.edits, inputs.fields["data.source"]
    fields = set(inputs.fields.values())
    row = fields | {editor.opened, editor.number, edits}
    changes = [field.change for field in inputs.fields.values()]
    events = [editor.number.change, edits.change, editor.box.expand, *changes]
    shown = [editor.opened, editor.problem, *editor.texts, editor.keep, editor.delete]
    gr.on(events, bind(open_row, ctx, editor, inputs), row, shown, **LATEST)
    keep = bind(keep_row, ctx, editor, inputs)
    editor.keep.click(keep, row | set(editor.texts), edits, **QUIET)
    editor.delete.click(bind(delete_row, editor, inputs), row, edits, **QUIET)
    editor.discard.click(bind(set_value, NO_EDITS), None, edits, **QUIET)
    source.change(bind(set_value, NO_EDITS), None, edits, **QUIET)
    edits.change(bind(describe_edits), edits, editor.summary, **QUIET)
    save = bind(save_as_dataset, ctx, editor, inputs)
    editor.save.click(save, fields | {edits}, [source, edits], **QUIET)
    for kind, button in editor.downloads.items():
        write = bind(write_rows_file, ctx, inputs, kind)
        download_on_click(button, write, fields)


# --- handlers ---


def open_row(ctx: Context, editor: Editor, inputs: DataInputs, values: Values) -> Updates:
    """Show the texts of one row, each in its box; what is typed in an open row stays."""
    number, key = _row_number(editor, values), _row_key(editor, inputs, values)
    if values[editor.opened] == key:
        return gr.skip()  # type: ignore[no-any-return]
    try:
        prepared = ctx.prepare(inputs.data_spec(values))
        fields = edit.editable_fields(current_row(prepared, number, values[editor.edits]))
        if len(fields) > TEXT_BOXES:
            raise DataError(TOO_MANY_TURNS)
    except DataError as error:
        boxes: list[Component] = [*editor.texts, editor.keep, editor.delete]
        hidden = dict.fromkeys(boxes, gr.update(visible=False))
        return {editor.opened: "", editor.problem: line(str(error), "warn"), **hidden}
    updates: Updates = dict.fromkeys(editor.texts, gr.update(value="", visible=False))
    for box, (label, text) in zip(editor.texts, fields, strict=False):
        updates[box] = gr.update(label=label, value=text, visible=True)
    return updates | {
        editor.opened: key,
        editor.problem: "",
        editor.keep: gr.update(visible=True),
        editor.delete: gr.update(visible=number != NEW_ROW),
    }


def keep_row(ctx: Context, editor: Editor, inputs: DataInputs, values: Values) -> Edits:
    """Note a row's new texts, or a new row."""
    _check_opened(editor, inputs, values)
    number, edits = _row_number(editor, values), values[editor.edits]
    row = current_row(ctx.prepare(inputs.data_spec(values)), number, edits)
    texts = [str(values[box] or "") for box in editor.texts]
    row = edit.with_edited_fields(row, texts[: len(edit.editable_fields(row))])
    if number == NEW_ROW:
        return {**edits, "added": [*edits["added"], row]}
    return {**edits, "changed": {**edits["changed"], str(number): row}}


def delete_row(editor: Editor, inputs: DataInputs, values: Values) -> Edits:
    """Note that a row is to be left out."""
    _check_opened(editor, inputs, values)
    number, edits = _row_number(editor, values), values[editor.edits]
    return {**edits, "changed": {**edits["changed"], str(number): None}}


def save_as_dataset(
    ctx: Context, editor: Editor, inputs: DataInputs, values: Values
) -> tuple[Any, Edits]:
    """Save the edited rows as a new dataset, and choose it."""
    edits = values[editor.edits]
    if not edits["changed"] and not edits["added"]:
        raise DataError("There is nothing to save. Change, delete or add a row first.")
    spec = inputs.data_spec(values)
    changed = {int(number): row for number, row in edits["changed"].items()}
    prepared = ctx.prepare(spec)
    made = edit.save_edited_rows(ctx.engine.store, prepared, changed, edits["added"], spec.source)
    return gr.update(choices=dataset_choices(ctx), value=made), NO_EDITS


def write_rows_file(ctx: Context, inputs: DataInputs, kind: str, values: Values) -> str:
    """Write all rows in use to a file; returns the link to it."""
    prepared = ctx.prepare(inputs.data_spec(values))
    if prepared.train + prepared.held_out > edit.EDITABLE_ROWS:
        raise DataError(
            f"More than {edit.EDITABLE_ROWS:,} rows cannot be downloaded here. They are in the "
            "workspace folder."
        )
    size = prepared.train_file.stat().st_size + prepared.held_out_file.stat().st_size
    require_space(ctx.engine.store, size, DataError)
    rows = [*prepared.train_rows(), *prepared.held_out_rows()]
    path, link = downloads.new_file(ctx.engine.store, f"rows.{kind}")
    write = edit.rows_to_csv if kind == "csv" else edit.rows_to_jsonl
    path.write_text(write(rows, prepared.shape), encoding="utf-8", newline="")
    return link


# --- which row is open ---


def _row_number(editor: Editor, values: Values) -> int:
    return int(values[editor.number] or NEW_ROW)


def _row_key(editor: Editor, inputs: DataInputs, values: Values) -> str:
    """Which row of which data; with its columns, fixes and edits, which decide what it holds."""
    number, edits = _row_number(editor, values), values[editor.edits]
    noted = json.dumps([edits["changed"].get(str(number), ""), len(edits["added"])])
    return f"{number} of {inputs.data_spec(values).model_dump_json()} {noted}"


def _check_opened(editor: Editor, inputs: DataInputs, values: Values) -> None:
    if values[editor.opened] != _row_key(editor, inputs, values):
        raise DataError("The boxes still show another row. Wait until this one is shown.")


# --- edits that are not saved yet ---


def current_row(prepared: Prepared, number: int, edits: Edits) -> dict[str, Any]:
    """A row with its edits, or an empty one to add; raises DataError where there is none."""
    if number == NEW_ROW:
        return edit.blank_row(prepared.train_rows()[0])
    changed = edits["changed"]
    if str(number) not in changed:
        row = edit.find_row(prepared, number)
        if row is None:
            raise DataError(f"There is no row {number:,} in use. The numbers are below the rows.")
        return row
    if changed[str(number)] is None:
        raise DataError(f"Row {number:,} is deleted. Press “Discard the changes” to restore it.")
    return changed[str(number)]  # type: ignore[no-any-return]


def describe_edits(edits: Edits) -> str:
    """What is changed and not saved yet."""
    deleted = sum(row is None for row in edits["changed"].values())
    parts = (
        ("changed", len(edits["changed"]) - deleted),
        ("deleted", deleted),
        ("added", len(edits["added"])),
    )
    words = ", ".join(f"{count_of(number, 'row')} {what}" for what, number in parts if number)
    return line(f"{words}. Not saved yet." if words else "Nothing is changed yet.")
