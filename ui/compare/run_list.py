"""The list of runs that have an adapter, to compare and to export, and what is said of the chosen
one."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engine.model.named_base import name_base
from engine.store.run_dir import RunDir
from engine.text import format_date
from ui.choices import change_choices, read_choices
from ui.context import Context
from ui.handlers import event_text
from ui.text import escape_html, small_button, state_label


def build_run_list(elem_id: str) -> gr.Dropdown:
    """The widget of the list; it is filled when its tab is opened."""
    return gr.Dropdown(label="Run", info="The runs that have saved an adapter.", elem_id=elem_id)


def runs_with_result(ctx: Context) -> list[RunDir]:
    """The runs that can be compared and exported, newest first."""
    return [run for run in ctx.engine.store.all_runs() if run.has_result and run.is_readable]


def refresh_runs(ctx: Context) -> Any:
    """The list as it is now, with the run that was chosen, else the newest.

    It is one for Compare and Export, so that both speak of the same.
    """
    found = runs_with_result(ctx)
    ids, taken = [run.id for run in found], read_choices(ctx.engine.store).taken
    chosen = taken if taken in ids else next(iter(ids), None)
    return gr.update(choices=[(_run_label(run), run.id) for run in found], value=chosen)


def take_run(ctx: Context, run_id: str) -> None:
    """Keep the run that was chosen. The newest is not kept: who looks at it follows the next."""
    newest = next(iter(runs_with_result(ctx)), None)
    chosen = "" if newest and newest.id == run_id else ctx.engine.store.run(run_id).id
    change_choices(ctx.engine.store, taken=chosen)


def newer_note(ctx: Context, run_id: str | None) -> str:
    """That another run is newer than the one shown, with a button that shows it."""
    newest = next(iter(runs_with_result(ctx)), None)
    if not run_id or newest is None or newest.id == run_id:
        return ""
    name = str(newest.meta["name"])
    button = small_button("take", newest.id, "Show it", name)
    return f'<p class="newer">“{escape_html(name)}” is newer. {button}</p>'


def take_newer(ctx: Context, event: gr.EventData) -> Any:
    """Show the newer run, and follow the next ones."""
    take_run(ctx, event_text(event, "name"))
    return refresh_runs(ctx)


def _run_label(run: RunDir) -> str:
    view = run.view()
    state = state_label(run.state(view), view.got_worse).lower()
    return f"{run.meta['name']} · {state} · {format_date(run.meta['created'])}"


def describe_chosen(run: RunDir) -> str:
    """What was trained on what, in one line of HTML: name, data, base model, date."""
    meta, base = run.meta, name_base(run.spec.model.source)
    data = f"data: {meta['data']}" if meta["data"] else "added without data"
    parts = (data, f"base model: {base.shown}", format_date(meta["created"]))
    words = "".join(f"<span>{escape_html(part)}</span>" for part in parts)
    return f'<p class="chosen"><b>{escape_html(meta["name"])}</b>{words}</p>'
