"""Deleting runs: one from its card, several from the table, or everything; the question first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import gradio as gr

from engine.errors import HoneError, RunError
from engine.runs import deletion
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from engine.text import count_of, format_bytes
from ui.confirm import Confirmation
from ui.context import Context
from ui.handlers import HIDDEN, Updates
from ui.text import line

NAMED = 5  # runs in the question
STOP_TOO, FOR_GOOD = "Stop and delete", "Delete for good"


class DeletionAsked(NamedTuple):
    """What a question was about: the runs, and whether it said that they are stopped first."""

    ids: tuple[str, ...] = ()
    stop: bool = False


def ask_deletion(ctx: Context, sure: Confirmation, run_ids: Iterable[str]) -> Updates:
    """Ask before deleting, and say what that frees and what is stopped for it."""
    runs = [ctx.engine.store.run(one) for one in dict.fromkeys(run_ids)]
    if not runs:
        raise RunError("Choose the runs to delete first.")
    live = [run for run in runs if run.is_busy]
    named = [f"“{run.name}”" for run in runs[:NAMED]]
    if len(runs) > NAMED:
        named.append(f"{len(runs) - NAMED} more")
    names = " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))
    what = "its adapter and checkpoints" if len(runs) == 1 else "their adapters and checkpoints"
    text = f"Delete {names} with {what}?"
    if live:
        text += f" {describe_live(runs, live)}"
    frees = f"This frees {format_bytes(sum(run.size for run in runs))} and cannot be undone."
    keep = "Keep it" if len(runs) == 1 else "Keep them"
    asked = DeletionAsked(tuple(run.id for run in runs), bool(live))
    tone = "warn" if live else ""
    question = line(f"{text} {frees}", tone)
    answer: Updates = sure.ask(question, asked, STOP_TOO if live else FOR_GOOD, keep)
    return answer


def describe_live(runs: list[RunDir], live: list[RunDir]) -> str:
    """What the runs do that work or wait, and what comes of it."""
    if len(runs) > 1:
        are, they = ("is", "It is") if len(live) == 1 else ("are", "They are")
        return (
            f"{len(live)} of them {are} running or waiting. {they} stopped first, and nothing is "
            "saved."
        )
    run, state = runs[0], runs[0].state()
    if state == RunState.TRAINING:
        view = run.view()
        return (
            f"It is training now (step {view.step:,} of {view.total_steps:,}): it is stopped "
            "first, and nothing is saved."
        )
    if run.alive:
        return "It is working now: it is stopped first."
    return "It is waiting in the queue, and leaves it."


def delete_asked(ctx: Context, sure: Confirmation, about: Any) -> Iterator[Updates]:
    """Delete the runs that the question named; what keeps them from it is said in its place."""
    if not isinstance(about, DeletionAsked):
        raise RunError("Choose the runs to delete first.")
    buttons = (sure.yes, sure.no)
    if about.stop:
        waiting = line("Stopping, then deleting. This takes a few seconds.", "wait")
        yield {sure.question: waiting} | dict.fromkeys(buttons, gr.update(interactive=False))
    ready = dict.fromkeys(buttons, gr.update(interactive=True))
    try:
        deletion.delete_runs(ctx.engine, about.ids, about.stop)
    except HoneError as error:
        yield {sure.question: line(str(error), "bad"), **ready}
        return
    yield {sure.box: HIDDEN, **ready}


def ask_deletion_of_all(ctx: Context, sure: Confirmation) -> Updates:
    """Say how much would be deleted, and what stays."""
    found = deletion.count_belongings(ctx.engine.store)
    kinds = {"run": found.runs, "dataset": found.datasets, "recipe": found.recipes}
    named = [count_of(number, one) for one, number in kinds.items() if number]
    what = " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
    text = (
        f"Delete {what or 'what is left'} ({format_bytes(found.bytes)} with all copies)? Runs that "
        "are running are stopped first. Models stay. This is for good."
    )
    answer: Updates = sure.ask(line(text), no="Keep everything")
    return answer


def delete_belongings(ctx: Context) -> None:
    """Delete all that is the visitor's; the page is then loaded anew."""
    deletion.delete_everything(ctx.engine)
    ctx.uploads.discard_all(ctx.visitor.owner)
