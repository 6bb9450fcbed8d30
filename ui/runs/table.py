"""The table of all runs, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.coach.caution import short_caution
from engine.spec.method import short_method_name
from engine.store.run_dir import RunDir
from engine.text import format_bytes, format_date, format_drop, format_duration, format_loss
from ui.text import STATE_LABELS, escape_html, line, table

COLUMN_HEADERS = (
    "Name", "State", "Held-out loss", "Time", "Model", "Data", "Method", "On disk", "Started",
)  # fmt: skip


def runs_table(runs: Sequence[RunDir], picked: str) -> str:
    """Runs in the order given; those that cannot be read are named below."""
    rows = [_run_row(run, run.id == picked) for run in runs if run.is_readable]
    damaged = [run.id for run in runs if not run.is_readable]
    shown = line("No runs yet. Press Start on the Train tab.")
    if rows:
        shown = table(COLUMN_HEADERS, rows, "runs")
    if damaged:
        text = (
            "The settings of these runs in workspace/runs cannot be read; they are left as they are"
        )
        shown += line(f"{text}: {', '.join(damaged)}.", "warn")
    return shown


def _run_row(run: RunDir, picked: bool) -> str:
    spec, view, meta = run.spec, run.view(), run.meta
    state = run.state(view)
    pressed, run_id = str(picked).lower(), escape_html(run.id)
    name = (
        f'<button type="button" data-do="pick" data-name="{run_id}" data-key="{run_id}" '
        f'data-run="{run_id}" aria-pressed="{pressed}">'
        f"{escape_html(meta['name'])}</button>"
    )
    if meta["note"]:
        name += f"<small>{escape_html(meta['note'])}</small>"
    cells = (
        name,
        f'<span class="chip" data-state="{state.value}">{STATE_LABELS[state]}</span>',
        _loss_cell(view.kept.loss if view.kept else None, view.first_loss, short_caution(run)),
        format_duration(view.last.seconds) if view.last else "–",
        escape_html(Path(spec.model.source).name),
        escape_html(meta["data"] or "–"),
        escape_html(short_method_name(spec.method)),
        format_bytes(run.size),
        format_date(meta["created"]),
    )
    return f'<tr data-picked="{pressed}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _loss_cell(best: float | None, first: float | None, caution: str) -> str:
    """The best held-out loss beside the one before training, and what to keep in mind."""
    if best is None:
        return "–"
    mind = f"<small>{caution}</small>" if caution else ""
    if first is None:
        return format_loss(best) + mind
    down = f", down {format_drop(first, best)}" if best < first else ""
    return f"{format_loss(best)}<small>from {format_loss(first)}{down}</small>{mind}"
