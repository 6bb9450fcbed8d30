"""What waits, in its order: on the Runs tab with buttons to change it, on the Train tab in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.errors import RunError
from engine.store.run_queue import WaitingJob
from engine.text import count_of
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.text import escape_html, line
from ui.theme import raw_html

POLL_SECONDS = 2.0  # between two looks while something works or waits
ACTS = {"up": "Up", "down": "Down", "first": "First", "out": "Take out"}
QUEUE_SCRIPT = f"HonePicks(element, trigger, watch); {list(ACTS)}"
JOBS = {
    "train": "train",
    "score": "score",
    "merge-fp32": "merge (fp32)",
    "merge-bf16": "merge (bf16)",
}
HINT_SCRIPT = "element.addEventListener('click', (e) => { if (e.target.closest('button')) trigger('lead'); }); ['lead']"


@dataclass(frozen=True)
class QueueList:
    """On the Runs tab the list and the clock that keeps it true; the clock stands still while nothing happens."""

    shown: gr.HTML
    timer: gr.Timer


def build_queue() -> QueueList:
    """Within the Runs tab: a timer beside the tabs would count as one."""
    return QueueList(
        raw_html(js_on_load=QUEUE_SCRIPT, elem_id="queue"), gr.Timer(POLL_SECONDS, active=False)
    )


def build_queue_hint() -> gr.HTML:
    """On the Train tab: how many wait, and the way to them."""
    return raw_html(js_on_load=HINT_SCRIPT, elem_id="train-queue")


def wire_queue(ctx: Context, queue: QueueList, lead: gr.HTML, *moments: Any) -> None:
    """``moments`` are the events after which something may work or wait."""
    outputs = [queue.shown, lead, queue.timer]
    told = [queue.shown, lead]
    for moment in (queue.timer.tick, *moments):
        moment(bind(refresh_queue, ctx), told, outputs, trigger_mode="multiple", **QUIET)
    for what in ACTS:
        getattr(queue.shown, what)(bind(press_queue_button, ctx, what), told, outputs, **QUIET)


# --- handlers ---


def refresh_queue(ctx: Context, shown: str | None, lead: str | None) -> tuple[Any, Any, Any]:
    """List and line as they are now; what has not changed is left alone."""
    waiting = ctx.engine.queue()
    ids = {one.run.id for one in waiting}
    live = ctx.engine.live()
    now = queue_list([str(run.meta["name"]) for run in live if run.id not in ids], waiting)
    led = queue_hint(len(waiting))
    return *(
        gr.skip() if new == old else new for new, old in ((now, shown), (led, lead))
    ), gr.update(active=bool(live))


def press_queue_button(
    ctx: Context, what: str, shown: str | None, lead: str | None, event: gr.EventData
) -> tuple[Any, Any, Any]:
    """Move a job, or take it out. The id comes from the page: the engine checks that it waits."""
    change_queue(ctx, what, str(event.name))
    return refresh_queue(ctx, shown, lead)


def change_queue(ctx: Context, what: str, run_id: str) -> None:
    """Do one of ``ACTS``; raises RunError for a run that does not wait any more."""
    run = ctx.engine.store.run(run_id)
    if what != "out":
        ctx.engine.move(run_id, what)  # type: ignore[arg-type]
    elif run.queued:
        ctx.engine.cancel(run_id)
    else:
        raise RunError(f"'{run.meta['name']}' does not wait any more: it is {run.state().value}.")


# --- what is shown ---


def queue_list(working: list[str], waiting: list[WaitingJob]) -> str:
    """What works now, then what waits; nothing where nothing waits."""
    if not waiting:
        return ""
    now = line(f"Now: {', '.join(working)}.") if working else ""
    rows = "".join(_queue_item(at, one, len(waiting)) for at, one in enumerate(waiting))
    return f'<section class="card queue"><h3>Waiting</h3>{now}<ol>{rows}</ol></section>'


def _queue_item(at: int, one: WaitingJob, count: int) -> str:
    name = escape_html(one.run.meta["name"])
    off = {"up": at == 0, "first": at == 0, "down": at == count - 1}
    buttons = "".join(
        f'<button type="button" class="mini" data-do="{press_queue_button}" data-name="{escape_html(one.run.id)}" '
        f'data-key="{press_queue_button} {escape_html(one.run.id)}" aria-label="{word}: {name}"{" disabled" * off.get(press_queue_button, False)}>'
        f"{word}</button>"
        for press_queue_button, word in ACTS.items()
        if press_queue_button != "first" or count > 2
    )
    job = escape_html(JOBS.get(one.job, one.job))
    return f'<li><b>{at + 1}. {name}</b> <span class="chip">{job}</span><span class="acts">{buttons}</span></li>'


def queue_hint(count: int) -> str:
    """How many wait."""
    if not count:
        return ""
    waits = f"{count_of(count, 'job')} {'waits' if count == 1 else 'wait'}."
    return f'<p class="line">{waits} <button type="button" class="mini">Show the queue</button></p>'
