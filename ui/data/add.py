"""Bringing data in: files, pasted rows, the Hub, and reading a file again in another way."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from engine.data import datasets, ingest
from engine.data.hub import HubSpec
from engine.data.readers import Options
from engine.data.readers.encoding import ENCODINGS
from engine.data.upload import Upload
from engine.errors import DataError, HoneError
from engine.process import oneshot
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.text import card, line, plural, safe, status
from ui.theme import html

LARGE = 20 * 2**20  # bytes from which the first rows are shown before all are read
PASTED = 2_000_000  # letters
FORMATS = """\
**Chat** (JSONL, JSON, Parquet): a list `messages` of turns, each with a `role` and its `content`

**Instructions** (also CSV, XLSX): columns `instruction`, `input` (may be empty) and `output`

**Question and answer**: columns `prompt` and `completion`, or `question` and `answer`

**Text and label**: columns `text` and `label`, or two text files, one with the labels

**Preferences**: columns `prompt`, `chosen` and `rejected`

**Plain text** (TXT, MD, or a column `text`): the model learns to go on writing like it

Format and columns are found by themselves and can be corrected. Files added together are one dataset; those named
valid, dev or test are held out.
"""


@dataclass(frozen=True)
class Adding:
    """The widgets by which data comes in."""

    upload: gr.File
    folder: gr.File
    paste: gr.Textbox
    use_paste: gr.Button
    hub: tuple[gr.Textbox, gr.Dropdown, gr.Dropdown, gr.Number, gr.Number]
    hub_get: gr.Button
    problem: gr.HTML


def build(ctx: Context) -> Adding:
    """Lay it out and wire what concerns it alone."""
    upload = gr.File(label="Add files", file_count="multiple", height=132, elem_id="upload")
    problem = html(visible=False, elem_id="add-problem")
    with gr.Accordion("Other ways to add data", open=False, elem_id="more-ways"):
        paste = gr.Textbox(
            label="Paste rows",
            info="A table copied from a spreadsheet, JSON, or text.",
            lines=4,
            max_lines=12,
            elem_id="paste",
        )
        use_paste = gr.Button("Use these rows", size="md", elem_id="use-paste")
        folder = gr.File(
            label="A whole folder", file_count="directory", height=110, elem_id="folder"
        )
        name = gr.Textbox(
            label="Hugging Face Hub",
            info="A dataset's name as on its page: owner/name.",
            elem_id="hub-name",
        )
        look = gr.Button("Look it up", size="md", elem_id="hub-look")
        about = html(visible=False)
        config = gr.Dropdown(
            [],
            label="Part (config)",
            info="Some datasets have several.",
            visible=False,
            elem_id="hub-config",
        )
        split = gr.Dropdown(
            [],
            label="Split",
            info="Most have one to train on and one to test.",
            visible=False,
            elem_id="hub-split",
        )
        first = gr.Number(0, precision=0, label="From row", info="0 is the first.", visible=False)
        most = gr.Number(
            5000, precision=0, label="At most (rows)", info="0 takes all.", visible=False
        )
        get = gr.Button("Get it", size="md", visible=False, elem_id="hub-get")
    with gr.Accordion("Which files can I use?", open=False):
        gr.Markdown(FORMATS)
    hub = (name, config, split, first, most)
    look.click(bind(look_up, ctx), name, [about, *hub[1:], get], **QUIET)
    config.input(bind(name_splits, ctx), [name, config], split, **QUIET)
    return Adding(upload, folder, paste, use_paste, hub, get, problem)


# --- handlers: each ends in (source, upload, problem, preview) ---

Shown = tuple[Any, Any, Any, Any]
Tell = Callable[[str], None]


def add(ctx: Context, files: list[str] | None) -> Iterator[Shown]:
    """Take uploaded files in; what is wrong with them stays on the page."""
    paths = [Path(file) for file in files or []]
    if not paths:
        yield gr.skip(), gr.skip(), gr.skip(), gr.skip()
        return
    first = gr.skip()
    if sum(path.stat().st_size for path in paths) > LARGE:
        first = first_rows(ingest.peek(Upload(paths[0], paths[0].name), 3), paths[0].name)
    yield gr.skip(), gr.skip(), _busy(f"Reading {plural(len(paths), 'file')}."), first
    yield from _take(
        ctx,
        lambda tell: oneshot.add_files(ctx.engine.store, [(p, p.name) for p in paths], tell=tell),
    )
    for path in paths:
        path.unlink(missing_ok=True)  # the rows are in the workspace now


def add_pasted(ctx: Context, text: str) -> Iterator[Shown]:
    """Take pasted rows in: JSON, a table or text, by its content."""
    if not (text or "").strip():
        raise DataError("Nothing is pasted. Copy some rows, and paste them into the box.")
    if len(text) > PASTED:
        raise DataError("This is too much to paste. Save it as a file, and add that.")
    folder = ctx.engine.store.home / "tmp"
    folder.mkdir(exist_ok=True)
    path = folder / f"pasted-{threading.get_ident()}"
    path.write_text(text, encoding="utf-8")
    try:
        yield from _take(
            ctx,
            lambda tell: oneshot.add_files(ctx.engine.store, [(path, "Pasted rows")], tell=tell),
        )
    finally:
        path.unlink(missing_ok=True)


def add_hub(
    ctx: Context, name: str, config: str, split: str, first: float, most: float
) -> Iterator[Shown]:
    """Download a dataset's split, or a slice of it, and take it in."""
    wanted = HubSpec(
        name=name.strip(),
        config=config or "",
        split=split or "train",
        first=int(first or 0),
        count=int(most or 0) or None,
    )
    yield gr.skip(), gr.skip(), _busy(f"Asking the Hub for {wanted.name}."), gr.skip()
    yield from _take(ctx, lambda tell: oneshot.add_hub(ctx.engine.store, wanted, tell))


def read_again(
    ctx: Context, source: str, encoding: str, header: str, parts: str
) -> Iterator[Shown]:
    """Read the files of a dataset in another way."""
    options = Options(encoding=encoding, header={"yes": True, "no": False}.get(header), parts=parts)  # type: ignore[arg-type]
    yield from _take(ctx, lambda tell: oneshot.read_again(ctx.engine.store, source, options, tell))


def _take(ctx: Context, work: Callable[[Tell], str]) -> Iterator[Shown]:
    """Tell how far it is, then choose what came of it."""
    try:
        for told in telling(work):
            if isinstance(told, Done):
                chosen = gr.update(choices=choices(ctx), value=told.value)
                yield chosen, None, gr.update(visible=False), gr.skip()
            else:
                yield gr.skip(), gr.skip(), _busy(told), gr.skip()
    except HoneError as error:
        words = status("bad", "This cannot be used as it is", str(error))
        yield gr.skip(), None, gr.update(value=words, visible=True), gr.skip()


class Done(NamedTuple):
    """What came of slow work."""

    value: Any


def telling(work: Callable[[Tell], Any]) -> Iterator[str | Done]:
    """What slow work tells while it goes on, then what came of it; raises what the work raises."""
    said: queue.Queue[str | Done | Exception] = queue.Queue()

    def run() -> None:
        try:
            said.put(Done(work(said.put)))
        except Exception as error:
            said.put(error)

    threading.Thread(target=run, daemon=True).start()
    while True:
        told = said.get()
        if isinstance(told, Exception):
            raise told
        yield told
        if isinstance(told, Done):
            return


def _busy(text: str) -> Any:
    return gr.update(value=line(text, "wait"), visible=True)


def choices(ctx: Context) -> list[tuple[str, str]]:
    """(label, source) of all data there is."""
    return [(label, source) for source, label in datasets.available(ctx.engine.store)]


def first_rows(rows: list[dict[str, Any]], name: str) -> str:
    """The beginning of a file that is still being read."""
    shown = (
        '<article class="row-card"><div class="tokens" tabindex="0">'
        + "".join(
            f"<p><b>{safe(key)}</b> {safe(str(value)[:600])}</p>" for key, value in row.items()
        )
        + "</div></article>"
        for row in rows
    )
    return card(f"The first rows of {name}", *shown)


def look_up(ctx: Context, name: str) -> tuple[Any, ...]:
    """What a Hub dataset holds; its splits are then offered."""
    try:
        info = oneshot.look_hub(ctx.engine.store, (name or "").strip())
    except DataError as error:
        hidden = [gr.update(visible=False)] * 5
        return gr.update(
            value=status("bad", "This dataset cannot be read", str(error)), visible=True
        ), *hidden
    size = f"{info.size / 2**20:,.0f} MB. " if info.size else ""
    closed = "It is gated: accept its terms on its page, and set HF_TOKEN. " if info.gated else ""
    words = f"{info.name}: {size}Licence: {info.licence}. {closed}{' '.join(info.notes)}"
    configs = list(info.splits)
    default = info.default or (configs[0] if configs else "")
    splits = list(info.splits.get(default, {}))
    shown = gr.update(visible=bool(configs))
    return (
        gr.update(value=line(words), visible=True),
        gr.update(choices=configs, value=default, visible=len(configs) > 1),
        gr.update(
            choices=splits,
            value="train" if "train" in splits else next(iter(splits), None),
            visible=bool(splits),
        ),
        shown,
        shown,
        shown,
    )


def name_splits(ctx: Context, name: str, config: str) -> Any:
    """The splits of another config."""
    splits = list(oneshot.look_hub(ctx.engine.store, name.strip()).splits.get(config, {}))
    return gr.update(choices=splits, value=next(iter(splits), None))


def encoding_choices() -> list[tuple[str, str]]:
    return [("Found by itself", ""), *((label, key) for key, label in ENCODINGS.items())]
