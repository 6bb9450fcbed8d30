"""Commands about existing runs: runs, show, stop, pause, queue, move."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import WORKSPACE, AsJson, Home, RunId, open_engine, open_run, print_result
from engine.cli.progress import summarize_run
from engine.coach import coach
from engine.runs.engine import Engine
from engine.store import heartbeat
from engine.store.run_queue import QueueMove

NOT_PRINTED = ("expected", "coach")  # parts of a summary that 'show' prints as sentences


def list_runs(home: Home = WORKSPACE, as_json: AsJson = False) -> None:
    """List all runs."""
    with open_engine(home) as engine:
        rows = [summarize_run(run) for run in engine.store.all_runs() if run.is_readable]
    lines = [
        f"{row['run']:<48} {row['state']:<12} {row['step']}/{row['steps']}  "
        f"best {row['held_out_loss_best']}"
        for row in rows
    ]
    print_result("\n".join(lines) or "There is no run yet.", rows, as_json)


def show_run(run: RunId, home: Home = WORKSPACE, as_json: AsJson = False) -> None:
    """Show one run."""
    with open_run(home, run) as (_, found):
        view, summary = found.view(), summarize_run(found)
        silent = heartbeat.silent_seconds(found.path) if found.alive else 0.0
        said = coach.describe_silence(view, silent) if silent else None
        verdict = (said or coach.describe_run(view, found.state(view))).plain_text
    estimates = [
        f"{one['what']}: expected {one['expected']}, real {one['real']}"
        for one in summary["expected"]
    ]
    figures = [f"{key}: {value}" for key, value in summary.items() if key not in NOT_PRINTED]
    print_result("\n".join([verdict, *estimates, *figures]), summary, as_json)


def stop_run(
    run: RunId,
    now: Annotated[bool, typer.Option("--now", help="End it at once, though it hangs.")] = False,
    home: Home = WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Stop a run after its current step, and keep what it has learned.

    With --now its process is ended by force: what came after the last checkpoint is lost.
    """
    _end_run(Engine.end_now if now else Engine.stop, run, home, as_json)


def pause_run(run: RunId, home: Home = WORKSPACE, as_json: AsJson = False) -> None:
    """Pause a run after its current step; 'continue' resumes it."""
    _end_run(Engine.pause, run, home, as_json)


def _end_run(end: Callable[[Engine, str], None], run: str, home: Path, as_json: bool) -> None:
    with open_run(home, run) as (engine, found):
        end(engine, found.id)
        while found.state().live:
            time.sleep(0.1)
        text = f"'{found.meta['name']}' is {found.state().value}."
        print_result(text, summarize_run(found), as_json)


def list_queue(home: Home = WORKSPACE, as_json: AsJson = False) -> None:
    """List the waiting jobs, the next one first."""
    with open_engine(home) as engine:
        _print_queue(engine, as_json)


def move_run(
    run: RunId,
    where: Annotated[QueueMove, typer.Argument(metavar="WHERE", help="Where to move it.")],
    home: Home = WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Move a waiting run up or down in the queue, or to its front."""
    with open_run(home, run) as (engine, found):
        engine.move(found.id, where)
        _print_queue(engine, as_json)


def _print_queue(engine: Engine, as_json: bool) -> None:
    rows = [{"run": one.run.id, "job": one.job} for one in engine.queue()]
    lines = [f"{at}. {row['run']:<48} {row['job']}" for at, row in enumerate(rows, 1)]
    print_result("\n".join(lines) or "Nothing waits.", rows, as_json)
