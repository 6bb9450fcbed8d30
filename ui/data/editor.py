"""The small editor below the rows: change, delete or add rows, keep them as new data; take the rows as a file."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.data import edit
from engine.data.prepare import Prepared
from engine.errors import DataError
from engine.text import count_of
from ui import form
from ui.context import Context
from ui.data import add
from ui.handlers import QUIET, bind
from ui.text import line
from ui.theme import raw_html

# What has been edited and not yet saved: rows by their number (None: deleted), and new rows.
Edits = dict[str, Any]
NO_EDITS: Edits = {"changed": {}, "added": []}
TEXT_BOXES = 12  # texts of a row that can be changed here
NEW_ROW = 0  # the number of a row that is being added
PRESS = "() => setTimeout(() => document.querySelector('#rows-file').click(), 100)"


@dataclass(frozen=True)
class Editor:
    """The editor's widgets."""

    box: gr.Accordion
    edited: gr.State
    opened: gr.State  # which row of which data the boxes hold
    number: gr.Number
    why: gr.HTML
    texts: list[gr.Textbox]
    keep: gr.Button
    delete: gr.Button
    told: gr.HTML
    save: gr.Button
    drop: gr.Button
    takes: dict[str, gr.Button]  # by the kind of file
    file: gr.DownloadButton


def build_editor() -> Editor:
    """Lay the editor out."""
    with gr.Accordion("Change rows, or take them as a file", open=False, elem_id="editor") as box:
        edited, opened = gr.State(NO_EDITS), gr.State("")
        number = gr.Number(
            1,
            precision=0,
            label="Row",
            info="Its number, as it stands below each row. 0 adds a row.",
        )
        why = raw_html()
        texts = [
            gr.Textbox(
                label="Text",
                info="Change it here.",
                lines=2,
                max_lines=14,
                visible=False,
                elem_id=f"edit-{at}",
            )
            for at in range(TEXT_BOXES)
        ]
        with gr.Row(elem_classes="pager"):
            keep = gr.Button(
                "Keep this row", size="md", min_width=140, visible=False, elem_id="edit-keep"
            )
            delete = gr.Button(
                "Delete it", size="md", min_width=110, visible=False, elem_id="edit-delete"
            )
        told = raw_html(line("Nothing is changed yet."), elem_id="edit-told")
        with gr.Row(elem_classes="pager"):
            save = gr.Button(
                "Save as new data", variant="primary", size="md", min_width=150, elem_id="edit-save"
            )
            drop = gr.Button("Forget the changes", size="md", min_width=150, elem_id="edit-forget")
        with gr.Row(elem_classes="pager"):
            takes = {
                kind: gr.Button(
                    f"Download as {kind.upper()}", size="md", min_width=150, elem_id=f"take-{kind}"
                )
                for kind in ("jsonl", "csv")
            }
            file = gr.DownloadButton("Rows", visible="hidden", elem_id="rows-file")
    return Editor(
        box, edited, opened, number, why, texts, keep, delete, told, save, drop, takes, file
    )


def wire_editor(ctx: Context, editor: Editor, source: Component, seen: Sequence[Component]) -> None:
    """``seen`` are the data's fields, which decide the rows that there are."""
    at, edited = editor.number, editor.edited
    shown = [editor.opened, editor.why, *editor.texts, editor.keep, editor.delete]
    # Other data or other columns have other rows.
    turns = [at.change, edited.change, editor.box.expand, *(field.change for field in seen)]
    gr.on(
        turns,
        bind(open_row, ctx),
        [editor.opened, at, edited, *seen],
        shown,
        trigger_mode="always_last",
        **QUIET,
    )
    row = [editor.opened, at, edited]
    editor.keep.click(bind(keep_row, ctx, len(seen)), [*row, *seen, *editor.texts], edited, **QUIET)
    editor.delete.click(bind(delete_row), [*row, *seen], edited, **QUIET)
    editor.drop.click(bind(discard_edits), None, edited, **QUIET)
    source.change(bind(discard_edits), None, edited, **QUIET)
    edited.change(bind(describe_edits), edited, editor.told, **QUIET)
    editor.save.click(bind(save_edits, ctx), [edited, *seen], [source, edited], **QUIET)
    for kind, button in editor.takes.items():
        made = button.click(bind(write_rows_file, ctx, kind), list(seen), editor.file, **QUIET)
        made.success(None, js=PRESS, api_visibility="private")


# --- handlers ---


def open_row(ctx: Context, opened: str, number: float, edited: Edits, *values: Any) -> list[Any]:
    """The texts of one row, each in its own box; or why there are none. What is typed in an open row stays."""
    at = int(number or 0)
    if opened == _row_key(at, edited, values):
        return [gr.skip()] * (TEXT_BOXES + 4)
    try:
        found = edit.editable_fields(
            current_row(ctx.prepare(form.read_data_spec(values)), at, edited)
        )
        if len(found) > TEXT_BOXES:
            raise DataError(
                f"This row has more than {TEXT_BOXES} turns. Change it in the file, and add that again."
            )
    except DataError as error:
        return ["", line(str(error), "warn"), *[gr.update(visible=False)] * (TEXT_BOXES + 2)]
    boxes = [gr.update(label=label, value=text, visible=True) for label, text in found]
    boxes += [gr.update(value="", visible=False)] * (TEXT_BOXES - len(boxes))
    return [
        _row_key(at, edited, values),
        "",
        *boxes,
        gr.update(visible=True),
        gr.update(visible=at != NEW_ROW),
    ]


def _row_key(number: int, edited: Edits, values: tuple[Any, ...]) -> str:
    """Which row of which data; its columns, fixes and edits count, since they decide what the row is."""
    noted = json.dumps([edited["changed"].get(str(number), ""), len(edited["added"])])
    return f"{number} of {form.read_data_spec(values).model_dump_json()} {noted}"


def _check_row_key(opened: str, number: int, edited: Edits, values: tuple[Any, ...]) -> None:
    if opened != _row_key(number, edited, values):
        raise DataError("The boxes still hold another row. Wait a moment until this one is shown.")


def current_row(prepared: Prepared, number: int, edited: Edits) -> dict[str, Any]:
    """A row as it stands now, edits included, or an empty one to add; raises DataError where there is none."""
    if number == NEW_ROW:
        return edit.blank_row(prepared.train_rows()[0])
    row = (
        edited["changed"][str(number)]
        if str(number) in edited["changed"]
        else edit.find_row(prepared, number)
    )
    if row is None:
        deleted = str(number) in edited["changed"]
        raise DataError(
            f"Row {number:,} is deleted; “Forget the changes” brings it back."
            if deleted
            else f"There is no row {number:,} among those that are used. Look at the numbers below the rows."
        )
    return row  # type: ignore[no-any-return]


def keep_row(
    ctx: Context, fields: int, opened: str, number: float, edited: Edits, *rest: Any
) -> Edits:
    """Note a row's new texts, or a new row."""
    values, texts = rest[:fields], [str(text or "") for text in rest[fields:]]
    at = int(number or 0)
    _check_row_key(opened, at, edited, values)
    row = current_row(ctx.prepare(form.read_data_spec(values)), at, edited)
    row = edit.with_edited_fields(row, texts[: len(edit.editable_fields(row))])
    if at == NEW_ROW:
        return edited | {"added": [*edited["added"], row]}
    return edited | {"changed": edited["changed"] | {str(at): row}}


def delete_row(opened: str, number: float, edited: Edits, *values: Any) -> Edits:
    """Note that a row is to be left out."""
    at = int(number or 0)
    _check_row_key(opened, at, edited, values)
    return edited | {"changed": edited["changed"] | {str(at): None}}


def discard_edits() -> Edits:
    """All as it was."""
    return NO_EDITS


def describe_edits(edited: Edits) -> str:
    """What is noted and not saved."""
    deleted = sum(row is None for row in edited["changed"].values())
    parts = (
        ("changed", len(edited["changed"]) - deleted),
        ("deleted", deleted),
        ("added", len(edited["added"])),
    )
    words = ", ".join(f"{count_of(number, 'row')} {what}" for what, number in parts if number)
    return line(f"{words}. Not saved yet." if words else "Nothing is changed yet.")


def save_edits(ctx: Context, edited: Edits, *values: Any) -> tuple[Any, Edits]:
    """Keep the edited rows as a new dataset, and choose it."""
    if not edited["changed"] and not edited["added"]:
        raise DataError("Nothing is changed yet. Change, delete or add a row first.")
    spec = form.read_data_spec(values)
    changed = {int(number): row for number, row in edited["changed"].items()}
    made = edit.save_edits(
        ctx.engine.store, ctx.prepare(spec), changed, edited["added"], spec.source
    )
    return gr.update(choices=add.dataset_choices(ctx), value=made), NO_EDITS


def write_rows_file(ctx: Context, kind: str, *values: Any) -> str:
    """All used rows as a file."""
    prepared = ctx.prepare(form.read_data_spec(values))
    if prepared.train + prepared.held_out > edit.EDITABLE_ROWS:
        raise DataError(
            f"More than {edit.EDITABLE_ROWS:,} rows are not offered as a download. They lie in the workspace."
        )
    rows = [*prepared.train_rows(), *prepared.held_out_rows()]
    folder = ctx.engine.store.home / "tmp" / secrets.token_hex(8)
    folder.mkdir(parents=True)
    path = folder / f"rows.{kind}"
    text = (
        edit.rows_to_csv(rows, prepared.shape)
        if kind == "csv"
        else edit.rows_to_jsonl(rows, prepared.shape)
    )
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)
