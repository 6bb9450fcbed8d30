"""The Data tab: choose a sample or add a file, and see exactly what the model will learn from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from engine import data, presets
from engine.data import Dataset
from engine.desk import PreviewRow, TokenReport
from engine.errors import DataError, HoneError
from engine.spec import DataSpec
from ui import form
from ui.context import Context
from ui.handlers import bind
from ui.text import card, count, intro, line, plural, safe, share, status, tiles
from ui.theme import html

PAGE = 3  # rows of the preview shown together
WAITING = line("Opening the model's tokenizer. The first time takes about ten seconds.", "wait")
FORMATS = """\
**Chat** (JSONL, JSON): `{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}`

**Instructions** (JSONL, JSON, CSV): columns `instruction`, `input` (may be empty) and `output`

**Question and answer** (JSONL, JSON, CSV): columns `prompt` and `completion`

**Plain text** (TXT, or a column `text`): the model learns to go on writing like it

The format is recognised by itself. Only the answers are learned; the questions are read.
"""


@dataclass(frozen=True)
class DataTab:
    """What the other tabs need."""

    tab: gr.Tab
    source: gr.Dropdown
    facts: gr.HTML
    rows: gr.HTML
    index: gr.State
    back: gr.Button
    forth: gr.Button
    next: gr.Button


def build(ctx: Context) -> DataTab:
    """Lay the tab out and wire what concerns it alone."""
    with gr.Tab("Data", id="data") as tab:
        html(intro("What should it learn?", "Choose a sample or add a file of your own, check the rows, then go on."))
        with gr.Row(equal_height=False, elem_classes="page"):
            with gr.Column(scale=0, min_width=340, elem_classes="side"):
                source = form.widget("data.source", choices=choices(ctx))
                upload = gr.File(label="Add a file (JSONL, JSON, CSV, TXT)", height=132, elem_id="upload")
                problem = html(visible=False)
                leave_out = gr.Button("Leave these rows out", visible=False, elem_id="leave-out")
                with gr.Accordion("Which files can I use?", open=False):
                    gr.Markdown(FORMATS)
                forward = gr.Button("Next: choose the model", variant="primary", size="md")
            with gr.Column(scale=1, min_width=320):
                facts = html(elem_id="data-facts")
                rows = html(WAITING, elem_id="preview")
                with gr.Row(elem_classes="pager"):
                    back = gr.Button("Previous rows", size="md", min_width=130)
                    forth = gr.Button("Next rows", size="md", min_width=130)
        index = gr.State(0)
    added = [source, upload, problem, leave_out]
    upload.upload(bind(add, ctx, False), upload, added, api_visibility="private")
    leave_out.click(bind(add, ctx, True), upload, added, api_visibility="private")
    upload.clear(bind(forget), None, [problem, leave_out], show_progress="hidden", api_visibility="private")
    return DataTab(tab, source, facts, rows, index, back, forth, forward)


def choices(ctx: Context) -> list[tuple[str, str]]:
    """(label, source) of all data there is."""
    return [(label, source) for source, label in data.available(ctx.engine.store)]


# --- handlers ---


def add(ctx: Context, skip_bad: bool, file: str) -> tuple[Any, ...]:
    """Take an uploaded file in; what is wrong with it stays on the page, with a way out where there is one."""
    try:
        dataset = data.add_file(ctx.engine.store, Path(file), Path(file).name, skip_bad=skip_bad)
    except DataError as error:
        return gr.skip(), gr.skip(), problem(error), way_out(error)
    Path(file).unlink(missing_ok=True)  # the rows are in the workspace now
    found = gr.update(choices=choices(ctx), value=dataset.source)
    return found, None, gr.update(visible=False), gr.update(visible=False)


def forget() -> tuple[Any, Any]:
    """The file was taken back, and what was wrong with it with it."""
    return gr.update(visible=False), gr.update(visible=False)


def refresh(ctx: Context) -> Any:
    """The list again, with files that another page has added."""
    return gr.update(choices=choices(ctx))


def look(
    ctx: Context, source: str, model: str, max_length: int, held_out: float, seed: int
) -> Iterator[tuple[str, str, int]]:
    """Figures at once, then the first rows, then the tokens: as each becomes known."""
    dataset, spec = ctx.dataset(source), _spec(source, max_length, held_out, seed)
    train, kept = data.split(dataset, spec)
    yield facts(dataset, len(train), len(kept)), WAITING, 0
    rows = page(ctx, model, train, 0, spec.max_length)
    yield facts(dataset, len(train), len(kept)), rows, 0
    yield facts(dataset, len(train), len(kept), report(ctx, model, train, spec.max_length)), rows, 0


def turn(
    ctx: Context, step: int, index: int, source: str, model: str, max_length: int, held_out: float, seed: int
) -> tuple[str, int]:
    """The rows before or after the ones shown."""
    spec = _spec(source, max_length, held_out, seed)
    train, _ = data.split(ctx.dataset(source), spec)
    last = (len(train) - 1) // PAGE * PAGE
    index = max(0, min(index + step * PAGE, last))
    return page(ctx, model, train, index, spec.max_length), index


def _spec(source: str, max_length: int, held_out: float, seed: int) -> DataSpec:
    paths = ("data.source", "data.max_length", "data.held_out", "data.seed")
    return form.collect((source, max_length, held_out, seed), paths).data


# --- what is shown: pure functions ---


def problem(error: DataError) -> Any:
    return gr.update(value=status("bad", "This file cannot be used as it is", str(error)), visible=True)


def way_out(error: DataError) -> Any:
    bad = error.bad_rows
    return gr.update(value=f"Leave out {'this row' if bad == 1 else f'these {count(bad)} rows'}", visible=bad > 0)


def report(ctx: Context, model: str, rows: list[data.Row], max_length: int) -> TokenReport | str:
    """Token counts, or in words why there are none now."""
    try:
        return ctx.engine.desk.measure(model, rows, max_length)
    except HoneError as error:
        return str(error)


def page(ctx: Context, model: str, rows: list[data.Row], index: int, max_length: int) -> str:
    """Some rows as the model will see them, or in words why not."""
    try:
        shown = ctx.engine.desk.preview(model, rows[index : index + PAGE], max_length)
    except HoneError as error:
        return card("What the model will see", line(str(error), "warn"))
    return preview(shown, index, len(rows))


def facts(dataset: Dataset, train: int, held: int, tokens: TokenReport | str | None = None) -> str:
    """What the data is and how much of it there is."""
    about = next((s.summary for s in presets.samples() if f"sample:{s.id}" == dataset.source), "")
    notes = [*dataset.notes, *([f"{plural(dataset.skipped, 'row')} left out."] if dataset.skipped else [])]
    words = [about, f"Recognised as {dataset.shape}: {dataset.reason}", *notes]
    strip = [
        ("Examples", count(train + held), f"{count(train)} to learn from"),
        ("Held out", count(held), f"{share(held, train + held)}, never trained on"),
        *_token_tiles(tokens, train),
    ]
    below = [line(tokens, "warn")] if isinstance(tokens, str) else _warnings(tokens)
    return card(dataset.name, *(line(text) for text in words if text)) + tiles(strip) + "".join(below)


def _token_tiles(tokens: TokenReport | str | None, rows: int) -> list[tuple[str, str, str]]:
    if not isinstance(tokens, TokenReport):
        word = "counting…" if tokens is None else "not counted"
        return [("Tokens (pieces of words)", "–", word), ("Learned", "–", word)]
    each = tokens.tokens / max(1, rows)
    return [
        ("Tokens (pieces of words)", count(tokens.tokens), f"{each:.0f} an example, longest {count(tokens.longest)}"),
        ("Learned", share(tokens.learned, tokens.tokens), f"{count(tokens.learned)} tokens of the answers"),
    ]


def _warnings(tokens: TokenReport | None) -> list[str]:
    if tokens is None or not tokens.cut:
        return []
    text = f"{plural(tokens.cut, 'example is', 'examples are')} longer than the limit and will be cut."
    if tokens.lost:
        text += f" {plural(tokens.lost, 'of them loses its', 'of them lose their')} whole answer."
    return [status("warn", "Some examples are too long", f"{text} Raise “Longest example” on the Train tab.")]


def preview(rows: list[PreviewRow], index: int, total: int) -> str:
    """Rows with the learned tokens marked."""
    legend = (
        '<p class="legend"><span><mark>learned</mark> the model is trained to write this</span>'
        "<span><span class='read'>read</span> it only reads this</span></p>"
    )
    where = f"Rows {index + 1} to {index + len(rows)} of {count(total)}"
    return card("What the model will see", f'<p class="where">{where}</p>', legend, *(_row(row) for row in rows))


def _row(row: PreviewRow) -> str:
    parts: list[str] = []
    for token, learned in zip(row.tokens, row.learned, strict=True):
        tag = "mark" if learned else "span"
        if parts and parts[-1].startswith(f"<{tag}>"):
            parts[-1] = parts[-1].removesuffix(f"</{tag}>") + f"{safe(token)}</{tag}>"
        else:
            parts.append(f"<{tag}>{safe(token)}</{tag}>")
    learned = sum(row.learned)
    note = f"{plural(len(row.tokens), 'token')}, {count(learned)} learned"
    if row.cut:
        note += f", {count(row.cut)} cut off"
    return f'<article class="row-card"><div class="tokens">{"".join(parts)}</div><small>{note}</small></article>'
