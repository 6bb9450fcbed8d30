"""The list of runs that have an adapter, to compare and to export, and what is said of the chosen
one."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engine.model.named_base import name_base
from engine.store.run_dir import RunDir
from engine.text import format_date
from ui.context import Context
from ui.text import STATE_LABELS, escape_html


def build_run_list(elem_id: str) -> gr.Dropdown:
    """The widget of the list; it is filled when its tab is opened."""
    return gr.Dropdown(label="Run", info="The runs that have saved an adapter.", elem_id=elem_id)


def refresh_runs(ctx: Context, current: str | None) -> Any:
    """The list as it is now; keeps the choice, or takes the newest run."""
    found = [run for run in ctx.engine.store.all_runs() if run.has_result and run.is_readable]
    ids = [run.id for run in found]
    chosen = current if current in ids else next(iter(ids), None)
    return gr.update(choices=[(_run_label(run), run.id) for run in found], value=chosen)


def _run_label(run: RunDir) -> str:
    state = STATE_LABELS[run.state()].lower()
    return f"{run.meta['name']} · {state} · {format_date(run.meta['created'])}"


def describe_chosen(run: RunDir) -> str:
    """What was trained on what, in one line of HTML: name, data, base model, date."""
    meta, base = run.meta, name_base(run.spec.model.source)
    data = f"data: {meta['data']}" if meta["data"] else "added without data"
    parts = (data, f"base model: {base.shown}", format_date(meta["created"]))
    words = "".join(f"<span>{escape_html(part)}</span>" for part in parts)
    return f'<p class="chosen"><b>{escape_html(meta["name"])}</b>{words}</p>'
