"""The Runs tab: every run there is, to open, name, annotate or delete."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from engine.runs import report as reports
from engine.spec.method import short_method_name
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from engine.text import format_bytes, format_date, format_duration, format_loss, format_share
from ui.context import Context
from ui.export import PRESS
from ui.handlers import QUIET, bind
from ui.runs import queue as runs_queue
from ui.runs import report as report_view
from ui.runs.queue import QueueList
from ui.text import STATE_LABELS, escape_html, line, tab_intro, table
from ui.theme import raw_html

HEADERS = (
    "Name",
    "State",
    "Held-out loss",
    "Time",
    "Model",
    "Data",
    "Method",
    "On disk",
    "Started",
)
EPOCHS_INFO = (
    "It goes on from its newest checkpoint. The learning rate goes on along the longer schedule: with cosine or linear "
    "it jumps up from its end, then falls again."
)
PICK_SCRIPT = (
    "element.addEventListener('click', (e) => { const row = e.target.closest('[data-run]');"
    " if (row) trigger('pick', { run: row.dataset.run }); })"
)


@dataclass(frozen=True)
class RunsTab:
    """What the other tabs need."""

    tab: gr.Tab
    queue: QueueList
    picked: gr.State
    open: gr.Button
    again: gr.Button
    train_on: gr.Button
    epochs: gr.Number
    extend: gr.Button


def build(ctx: Context) -> RunsTab:
    """Lay the tab out and wire what concerns it alone."""
    with gr.Tab("Runs", id="runs") as tab:
        raw_html(
            tab_intro(
                "What did I try?",
                "Choose a run to open it, to train again from it, or to rename or delete it.",
            )
        )
        queue = runs_queue.build_queue()
        table = raw_html(elem_id="runs-table", js_on_load=PICK_SCRIPT)
        picked = gr.State("")
        with gr.Column(visible=False, elem_id="run-card", elem_classes="boxed") as panel:
            with gr.Row(elem_classes="run-acts"):
                open_run = gr.Button(
                    "Open", variant="primary", size="md", min_width=100, elem_id="open-run"
                )
                again = gr.Button(
                    "Use its settings", size="md", min_width=150, elem_id="use-settings"
                )
                train_on = gr.Button(
                    "Train on from here", size="md", min_width=150, elem_id="train-on"
                )
                take = gr.Button(
                    "Download the report", size="md", min_width=160, elem_id="take-report"
                )
            file = gr.DownloadButton("Report", visible="hidden", elem_id="report-file")
            with gr.Accordion("More", open=False, elem_id="run-more"):
                with gr.Row(visible=False, elem_classes="run-acts more-epochs") as longer:
                    epochs = gr.Number(
                        1, label="More epochs", info=EPOCHS_INFO, minimum=0, elem_id="more-epochs"
                    )
                    extend = gr.Button(
                        "Train for more epochs", size="md", min_width=170, elem_id="extend-run"
                    )
                with gr.Row():
                    name = gr.Textbox(
                        label="Name",
                        info="What this run is called in every list.",
                        max_length=80,
                        elem_id="run-name",
                    )
                    note = gr.Textbox(
                        label="Note",
                        info="For yourself: what you tried, what came out.",
                        max_length=2000,
                        lines=1,
                        elem_id="run-note",
                    )
                with gr.Row(elem_classes="run-acts"):
                    save = gr.Button("Save name and note", size="md", min_width=160)
                    delete = gr.Button(
                        "Delete…", variant="stop", size="md", min_width=100, elem_id="delete-run"
                    )
            report = raw_html(elem_id="run-report")
        with gr.Column(visible=False, elem_id="sure", elem_classes="boxed") as sure:
            question = raw_html()
            with gr.Row(elem_classes="run-acts"):
                yes = gr.Button("Delete for good", variant="stop", size="md", elem_id="delete-yes")
                no = gr.Button("Keep it", size="md")

    chosen = [picked, panel, name, note, sure, longer, train_on]
    tab.select(bind(refresh_table, ctx), picked, table, **QUIET)
    table.pick(bind(choose_run, ctx), None, [*chosen, table, report], **QUIET)
    save.click(bind(save_meta, ctx), [picked, name, note], table, **QUIET)
    made = take.click(bind(download_report, ctx), picked, file, **QUIET)
    made.success(None, js=PRESS.replace("{}", "report-file"), api_visibility="private")
    delete.click(bind(ask_deletion, ctx), picked, [sure, question], **QUIET)
    no.click(bind(keep_run), None, sure, **QUIET)
    yes.click(bind(delete_run, ctx), picked, [*chosen, table], **QUIET)
    return RunsTab(tab, queue, picked, open_run, again, train_on, epochs, extend)


# --- handlers ---


def refresh_table(ctx: Context, picked: str) -> str:
    """The table as it is now."""
    return runs_table(ctx.engine.store.all_runs(), picked)


def choose_run(ctx: Context, event: gr.EventData) -> tuple[Any, ...]:
    """Choose a run; below the table stands what can be done with it."""
    run = ctx.engine.store.run(str(event.run))
    meta = run.meta
    shown = run.id, gr.update(visible=True), meta["name"], meta["note"], gr.update(visible=False)
    can = gr.update(visible=run.state() == RunState.FINISHED), gr.update(visible=run.has_result)
    return (
        *shown,
        *can,
        refresh_table(ctx, run.id),
        report_view.report_page(reports.make_report(run)),
    )


def save_meta(ctx: Context, picked: str, name: str, note: str) -> str:
    """Give the run another name and note."""
    run = ctx.engine.store.run(picked)
    run.set_meta(name=name.strip()[:80] or run.meta["name"], note=note.strip()[:2000])
    return refresh_table(ctx, picked)


def download_report(ctx: Context, picked: str) -> str:
    """The run's report as one file that needs nothing else."""
    return str(report_view.write_report_file(ctx.engine.store.run(picked)))


def ask_deletion(ctx: Context, picked: str) -> tuple[Any, str]:
    """Ask before deleting, and say what it frees."""
    run = ctx.engine.store.run(picked)
    text = f"Delete “{run.meta['name']}” with its adapter and checkpoints?"
    return gr.update(visible=True), line(
        f"{text} This frees {format_bytes(run.size)} and cannot be undone."
    )


def keep_run() -> Any:
    """Not deleted after all."""
    return gr.update(visible=False)


def delete_run(ctx: Context, picked: str) -> tuple[Any, ...]:
    """Delete the run and its files."""
    ctx.engine.delete(picked)
    hidden = gr.update(visible=False)
    return "", hidden, "", "", hidden, hidden, hidden, refresh_table(ctx, "")


# --- what is shown ---


def runs_table(runs: Iterable[RunDir], picked: str) -> str:
    """All runs, newest first."""
    rows, damaged = [], []
    for run in runs:
        rows.append(_run_row(run, run.id == picked)) if run.readable else damaged.append(run.id)
    shown = (
        table(HEADERS, rows, "runs") if rows else line("No runs yet. Press Start on the Train tab.")
    )
    left = (
        f"Its settings cannot be read, so it is left alone in workspace/runs: {', '.join(damaged)}."
    )
    return shown + (line(left, "warn") if damaged else "")


def _run_row(run: RunDir, picked: bool) -> str:
    spec, view, meta = run.spec, run.view(), run.meta
    state = run.state(view)
    pressed = str(picked).lower()
    name = f'<button type="button" data-run="{escape_html(run.id)}" aria-pressed="{pressed}">{escape_html(meta["name"])}</button>'
    note = f"<small>{escape_html(meta['note'])}</small>" if meta["note"] else ""
    cells = (
        f'<span class="chip" data-state="{state.value}">{STATE_LABELS[state]}</span>',
        _loss_cell(view.kept.loss if view.kept else None, view.first_loss),
        format_duration(view.last.seconds) if view.last else "–",
        escape_html(Path(spec.model.source).name),
        escape_html(meta["data"]),
        escape_html(short_method_name(spec.method)),
        format_bytes(run.size),
        format_date(meta["created"]),
    )
    return (
        f'<tr data-picked="{pressed}"><td>{name}{note}</td>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
    )


def _loss_cell(best: float | None, first: float | None) -> str:
    """The best held-out loss beside the one before training."""
    if best is None:
        return "–"
    if first is None:
        return format_loss(best)
    down = f", down {format_share(first - best, first)}" if best < first else ""
    return f"{format_loss(best)}<small>from {format_loss(first)}{down}</small>"
