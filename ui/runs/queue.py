"""What waits, in order: on the Runs tab with buttons to change it, on the Train tab in one line."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engine.errors import RunError
from engine.store.run_queue import WaitingJob
from engine.text import count_of
from ui.context import Context
from ui.handlers import EACH_CHANGE, QUIET, bind
from ui.text import escape_html, line
from ui.theme import raw_html

QUEUE_POLL_SECONDS = 2.0  # while something works or waits
ACTS = {"up": "Up", "down": "Down", "first": "First", "out": "Remove"}  # event -> label
QUEUE_SCRIPT = f"HoneButtonList(element, trigger, watch); {list(ACTS)}"
JOBS = {"merge-fp32": "merge (fp32)", "merge-bf16": "merge (bf16)"}  # others are called as they are
HINT_SCRIPT = (
    "element.addEventListener('click', (e) => {"
    " if (e.target.closest('button')) trigger('lead'); }); ['lead']"
)


class QueueList:
    """The list on the Runs tab, and the clock that keeps it up to date while anything happens.

    Within the Runs tab, since a timer beside the tabs would count as one.
    """

    def __init__(self) -> None:
        self.shown = raw_html(js_on_load=QUEUE_SCRIPT, elem_id="queue")
        self.timer = gr.Timer(QUEUE_POLL_SECONDS, active=False)


def build_queue_hint() -> gr.HTML:
    """On the Train tab: how many jobs wait, with a link to them."""
    return raw_html(js_on_load=HINT_SCRIPT, elem_id="train-queue")


def wire_queue(ctx: Context, queue: QueueList, hint: gr.HTML, *moments: Any) -> None:
    """``moments`` are the events after which something may work or wait."""
    shown = [queue.shown, hint]
    outputs = [*shown, queue.timer]
    for moment in (queue.timer.tick, *moments):
        moment(bind(refresh_queue, ctx), shown, outputs, **EACH_CHANGE)
    for act in ACTS:
        getattr(queue.shown, act)(bind(press_queue_button, ctx, act), shown, outputs, **QUIET)


# --- handlers ---


def refresh_queue(ctx: Context, shown: str | None, hint: str | None) -> tuple[Any, Any, Any]:
    """List, hint and clock as they are now; what has not changed is left alone."""
    waiting = ctx.engine.queue()
    ids = {one.run.id for one in waiting}
    live = ctx.engine.live()
    working = [str(run.meta["name"]) for run in live if run.id not in ids]
    new_list, new_hint = queue_list(working, waiting), queue_hint(len(waiting))
    return (
        gr.skip() if new_list == shown else new_list,
        gr.skip() if new_hint == hint else new_hint,
        gr.update(active=bool(live)),
    )


def press_queue_button(
    ctx: Context, act: str, shown: str | None, hint: str | None, event: gr.EventData
) -> tuple[Any, Any, Any]:
    """Move a job or remove it. Its id comes from the page: the engine checks that it waits."""
    change_queue(ctx, act, str(event.name))
    return refresh_queue(ctx, shown, hint)


def change_queue(ctx: Context, act: str, run_id: str) -> None:
    """Do one of ``ACTS``; raises RunError for a run that does not wait."""
    run = ctx.engine.store.run(run_id)
    if act != "out":
        ctx.engine.move(run_id, act)  # type: ignore[arg-type]
    elif run.queued:
        ctx.engine.cancel(run_id)
    else:
        raise RunError(f"'{run.meta['name']}' is no longer waiting: it is {run.state().value}.")


# --- what is shown ---


def queue_list(working: list[str], waiting: list[WaitingJob]) -> str:
    """What works now, then what waits; nothing where nothing waits."""
    if not waiting:
        return ""
    now = line(f"Now: {', '.join(working)}.") if working else ""
    items = "".join(_queue_item(at, one, len(waiting)) for at, one in enumerate(waiting))
    return f'<section class="card queue"><h3>Waiting</h3>{now}<ol>{items}</ol></section>'


def _queue_item(at: int, one: WaitingJob, count: int) -> str:
    name = escape_html(one.run.meta["name"])
    disabled = {"up": at == 0, "first": at == 0, "down": at == count - 1}
    buttons = "".join(
        _act_button(act, one.run.id, name, disabled.get(act, False))
        for act in ACTS
        if act != "first" or count > 2
    )
    job = escape_html(JOBS.get(one.job, one.job))
    return (
        f'<li><b>{at + 1}. {name}</b> <span class="chip">{job}</span>'
        f'<span class="acts">{buttons}</span></li>'
    )


def _act_button(act: str, run_id: str, name: str, disabled: bool) -> str:
    safe_id, label = escape_html(run_id), ACTS[act]
    return (
        f'<button type="button" class="mini" data-do="{act}" data-name="{safe_id}" '
        f'data-key="{act} {safe_id}" aria-label="{label}: {name}"{" disabled" * disabled}>'
        f"{label}</button>"
    )


def queue_hint(count: int) -> str:
    """How many jobs wait."""
    if not count:
        return ""
    waiting = "1 job waits." if count == 1 else f"{count_of(count, 'job')} wait."
    return (
        f'<p class="line">{waiting} <button type="button" class="mini">Show the queue</button></p>'
    )
