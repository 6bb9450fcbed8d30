"""What waits, in order: on the Runs tab with buttons to change it, on the Train tab in one line."""

from __future__ import annotations

from typing import Any

import gradio as gr

from engine.store import heartbeat
from engine.store.run_queue import ANOTHER, WaitingJob, name_for
from engine.text import count_of
from ui.context import Context
from ui.handlers import EACH_CHANGE, QUIET, bind, event_text
from ui.text import card, escape_html, line, small_button
from ui.theme import button_list

ACTS = {"up": "Up", "down": "Down", "first": "First", "out": "Remove"}  # event -> label
END = "end"  # the job that works, where it gives no sign of life
# The job of somebody whose name and id are nobody else's business.
OTHER_ITEM = f"<li><span>{{}}. {ANOTHER}</span></li>"
HALT = "halt"  # the run of another user, by the administrator
EVENTS = [*ACTS, END, HALT]
JOB_NAMES = {
    "merge-fp32": "merge (fp32)",
    "merge-bf16": "merge (bf16)",
}  # others are called as they are


class QueueList:
    """The list on the Runs tab."""

    def __init__(self) -> None:
        self.shown = button_list("queue", EVENTS)


def build_queue_hint() -> gr.HTML:
    """On the Train tab: how many jobs wait, with a link to them."""
    return button_list("train-queue", ["lead"])


def wire_queue(ctx: Context, queue: QueueList, hint: gr.HTML, *moments: Any) -> None:
    """``moments`` are the events after which something may work or wait."""
    shown = [queue.shown, hint]
    for moment in moments:
        moment(bind(refresh_queue, ctx), shown, shown, **EACH_CHANGE)
    for act in EVENTS:
        getattr(queue.shown, act)(bind(press_queue_button, ctx, act), shown, shown, **QUIET)


# --- handlers ---


def refresh_queue(ctx: Context, shown: str | None, hint: str | None) -> tuple[Any, Any]:
    """List and hint as they are now; what has not changed is left alone."""
    engine = ctx.engine
    waiting, total, owner = engine.queue(), engine.count_waiting(), engine.store.owner
    run = engine.endable_run()
    other = run if run and run.owner != owner else None
    working = engine.working_now() if waiting and not other else ""
    new_list = queue_list(working, waiting, total, owner)
    if other:
        new_list = other_card(name_for(owner, other), other.id) + new_list
    if run and heartbeat.silent_seconds(run.path):
        new_list = hung_card(name_for(owner, run), run.id) + new_list
    new_hint = queue_hint([one.place for one in waiting if one.run.owner == owner], total)
    return (
        gr.skip() if new_list == shown else new_list,
        gr.skip() if new_hint == hint else new_hint,
    )


def press_queue_button(
    ctx: Context, act: str, shown: str | None, hint: str | None, event: gr.EventData
) -> tuple[Any, Any]:
    """Move a job or remove it. Its id comes from the page: the engine checks that it waits."""
    change_queue(ctx, act, event_text(event, "name"))
    return refresh_queue(ctx, shown, hint)


def change_queue(ctx: Context, act: str, run_id: str) -> None:
    """Do one of ``EVENTS``; raises RunError for a run that does not wait, or cannot be ended."""
    if act == END:
        ctx.engine.end_now(run_id)
    elif act == HALT:
        ctx.engine.stop(run_id)
    elif act == "out":
        ctx.engine.remove_from_queue(run_id)
    else:
        ctx.engine.move(run_id, act)  # type: ignore[arg-type]


# --- what is shown ---


def queue_list(working: str, waiting: list[WaitingJob], total: int, owner: str) -> str:
    """What works now, then what waits; nothing where nothing of this owner's waits."""
    if not waiting:
        return ""
    now = line(f"Now: {working}.") if working else ""
    places = {one.place: one for one in waiting}
    own = [one.place for one in waiting if one.run.owner == owner]
    items = "".join(
        _queue_item(places[place], own, owner) if place in places else OTHER_ITEM.format(place)
        for place in range(1, total + 1)
    )
    return f'<section class="card queue"><h3>Waiting</h3>{now}<ol>{items}</ol></section>'


def other_card(name: str, run_id: str) -> str:
    """The run of another user that works now, for the administrator."""
    button = small_button(HALT, run_id, "Stop and keep", name)
    return card("Another user's run", line(f"Now: {name}."), f'<span class="acts">{button}</span>')


def hung_card(name: str, run_id: str) -> str:
    """The job that works, and gives no sign of life: a training, a merge or a scoring."""
    text = (
        f"{name}: its process is doing nothing; it may be suspended, or it may hang in a library "
        "or a driver. What was saved before is kept when you end it."
    )
    button = small_button(END, run_id, "End it now", name)
    return card("No sign of life", line(text, "bad"), f'<span class="acts">{button}</span>')


def _queue_item(one: WaitingJob, own: list[int], owner: str) -> str:
    """A job with its buttons; ``own`` are the places that the owner's jobs may take."""
    name = name_for(owner, one.run)
    acts = ["out"]
    if one.place in own:
        acts = [act for act in ACTS if act != "first" or len(own) > 2]
    disabled = {act: one.place == own[0] for act in ("up", "first") if own}
    disabled["down"] = bool(own) and one.place == own[-1]
    buttons = "".join(
        small_button(act, one.run.id, ACTS[act], name, disabled.get(act, False)) for act in acts
    )
    job = escape_html(JOB_NAMES.get(one.job, one.job))
    return (
        f'<li><b>{one.place}. {escape_html(name)}</b> <span class="chip">{job}</span>'
        f'<span class="acts">{buttons}</span></li>'
    )


def queue_hint(own: list[int], total: int) -> str:
    """How many jobs wait, and which of them comes first for this owner."""
    if not total:
        return ""
    waiting = "1 job waits." if total == 1 else f"{count_of(total, 'job')} wait."
    if own and len(own) < total:
        waiting = f"{waiting} Yours is number {own[0]}."
    elif not own:
        waiting = f"Other users: {waiting}"
    button = small_button("lead", "", "Show the queue", "Runs tab") if own else ""
    return f'<p class="line">{waiting} {button}</p>'
