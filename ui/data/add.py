"""Adding data: files, a folder, pasted rows, a dataset of the Hub."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from engine.data import ingest
from engine.data.upload import Upload
from engine.errors import DataError
from engine.process import oneshot
from engine.text import count_of
from ui.context import Context
from ui.data.hub import HubWidgets, add_hub_dataset
from ui.data.intake import IntakeWidgets, take_in, wait_line
from ui.handlers import HIDDEN, QUIET, Updates, bind, set_value
from ui.text import card, escape_html, line
from ui.theme import make_button, raw_html

LARGE_UPLOAD = 20 * 2**20  # bytes from which the first rows are shown before all are read
LONGEST_PASTE = 2_000_000  # characters
PEEKED_ROWS = 3
# Only what is read line by line: a damaged Parquet file can end the process that opens it.
PEEKED_FORMATS = {".jsonl", ".csv", ".tsv", ".txt", ".md"}
FILE_FORMATS = """\
**Chat** (JSONL, JSON, Parquet): a list `messages` of turns, each with a `role` and its `content`

**Instructions** (also CSV, XLSX): columns `instruction`, `input` (may be empty) and `output`

**Question and answer**: columns `prompt` and `completion`, or `question` and `answer`

**Text and label**: columns `text` and `label`, or two text files, one with the labels

**Preferences**: columns `prompt`, `chosen` and `rejected`

**Plain text** (TXT, MD, or a column `text`; subtitles without their times): the model learns to
write more text like it

**Exports**: conversations of ChatGPT and Claude; chats of WhatsApp, Telegram, Discord, Slack and
Messenger (Hone asks whose answers to learn); tasks of Label Studio with choices, ratings or texts

Hone detects the format and the columns, and you can correct both. Files added together become one
dataset; files named valid, dev or test are held out.
"""


class AddWidgets:
    """The widgets that data is added with."""

    def __init__(self, ctx: Context) -> None:
        self.upload = gr.File(
            label="Add files", file_count="multiple", height=132, elem_id="upload"
        )
        if limit := ctx.engine.store.limits.data_in_words:
            raw_html(line(limit), elem_id="data-limit")
        self.problem = raw_html(visible=False, elem_id="add-problem")
        with gr.Accordion("Other ways to add data", open=False, elem_id="more-ways"):
            self.paste = gr.Textbox(
                label="Paste rows",
                info="A table copied from a spreadsheet, JSON, or text.",
                lines=4,
                max_lines=12,
                elem_id="paste",
            )
            self.use_paste = make_button("Use these rows", "use-paste")
            self.folder = gr.File(
                label="A whole folder", file_count="directory", height=110, elem_id="folder"
            )
            self.hub = HubWidgets(ctx)
        with gr.Accordion("Which files can I use?", open=False):
            gr.Markdown(FILE_FORMATS)


def wire_adding(ctx: Context, adding: AddWidgets, shown: IntakeWidgets) -> None:
    """Each widget adds its data; then the dataset is chosen, and the widget is empty again."""
    outputs = [shown.source, shown.problem, shown.preview]
    for box in (adding.upload, adding.folder):
        box.upload(bind(add_files, ctx, shown, box), box, [*outputs, box], **QUIET)
    paste = adding.paste
    adding.use_paste.click(bind(add_pasted, ctx, shown, paste), paste, [*outputs, paste], **QUIET)
    hub, chosen = adding.hub, [shown.source, shown.problem]
    hub.download.click(bind(add_hub_dataset, ctx, hub, shown), hub.wanted, chosen, **QUIET)
    adding.upload.clear(bind(set_value, HIDDEN), None, adding.problem, **QUIET)


# --- handlers ---


def add_files(
    ctx: Context, shown: IntakeWidgets, box: Component | None, files: list[str] | None
) -> Iterator[Updates]:
    """Add uploaded files as one dataset; what is wrong with them stays on the page."""
    if not files:
        yield gr.skip()
        return
    # Afterwards the rows are in the workspace, or nobody waits for them.
    with ctx.uploads.using(ctx.visitor.owner, files) as paths:
        yield {shown.problem: wait_line(f"Reading {count_of(len(paths), 'file')}.")}
        large = sum(path.stat().st_size for path in paths) > LARGE_UPLOAD
        if large and paths[0].suffix.lower() in PEEKED_FORMATS:
            rows = ingest.peek_rows(Upload(paths[0], paths[0].name), PEEKED_ROWS)
            yield {shown.preview: first_rows(rows, paths[0].name)}
        named = [(path, path.name) for path in paths]
        yield from take_in(
            ctx, shown, box, partial(oneshot.add_dataset_files, ctx.engine.store, named, None)
        )


def add_pasted(
    ctx: Context, shown: IntakeWidgets, box: Component | None, text: str
) -> Iterator[Updates]:
    """Add pasted rows: JSON, a table or text, by its content."""
    if not text.strip():
        raise DataError("The box is empty. Copy some rows and paste them into it.")
    if len(text) > LONGEST_PASTE:
        raise DataError("This is too much text to paste. Save it as a file and add the file.")
    folder = ctx.engine.store.tmp
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"pasted-{threading.get_ident()}"
    path.write_text(text, encoding="utf-8")
    named = [(path, "Pasted rows")]
    try:
        yield from take_in(
            ctx, shown, box, partial(oneshot.add_dataset_files, ctx.engine.store, named, None)
        )
    finally:
        path.unlink(missing_ok=True)


def first_rows(rows: list[dict[str, Any]], name: str) -> str:
    """The beginning of a file that is still being read."""
    return card(f"The first rows of {name}", *map(_row_html, rows))


def _row_html(row: dict[str, Any]) -> str:
    parts = "".join(
        f"<p><b>{escape_html(key)}</b> {escape_html(str(value)[:600])}</p>"
        for key, value in row.items()
    )
    return f'<article class="row-card"><div class="tokens" tabindex="0">{parts}</div></article>'
