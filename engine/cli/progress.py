"""A run on the command line: a summary of it, and its progress until it ends."""

from __future__ import annotations

import sys
import time
from typing import Any

import typer

from engine.cli.options import print_result
from engine.coach import coach, expected
from engine.coach.caution import score_caution
from engine.runs.engine import Engine
from engine.store import events as ev
from engine.store.event_log import read_events
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState

FOLLOW_SECONDS = 0.3


def follow_run(engine: Engine, run: RunDir, as_json: bool) -> None:
    """Print a run's progress until it ends; Ctrl-C stops it and keeps the result."""
    offset = run.events_file.stat().st_size if run.events_file.exists() else 0
    if not as_json:
        print(f"Run {run.id}", flush=True)
    while True:
        try:
            # Until the supervisor has let go of it, the reason why its worker ended may still come.
            settled = engine.supervisor.at_work != run.id
            state = run.state()
            events, offset = read_events(run.events_file, offset)
            if not as_json:
                print_events(events)
            if settled and not state.live:
                break
            time.sleep(FOLLOW_SECONDS)
        except KeyboardInterrupt:
            print("Stopping after this step; what was learned is kept.", file=sys.stderr)
            engine.stop(run.id)
    said = [coach.describe_run(run.view(), state).plain_text, score_caution(run)]
    print_result("\n".join(filter(None, said)), summarize_run(run), as_json)
    if state not in (RunState.FINISHED, RunState.STOPPED):
        raise typer.Exit(1)


def print_events(events: list[ev.Event]) -> None:
    """The events that say how far a run is, a line each."""
    for event in events:
        match event:
            case ev.Phase() | ev.Warned():
                print(event.text, flush=True)
            case ev.Started():
                print("\n".join(describe_start(event)), flush=True)
            case ev.Evaluated():
                loss = f"held-out loss {event.loss:.4f}"
                print(f"step {event.step:>5}  {loss}  {event.seconds:.0f} s", flush=True)


def describe_start(event: ev.Started) -> list[str]:
    """How a run is trained, in sentences."""
    share = 100 * event.trainable / event.total
    reasons = {name: event.reasons[name] for name in ("batch", "loss") if name in event.reasons}
    return [
        f"{event.trainable:,} of {event.total:,} weights train ({share:.1f} %).",
        f"{event.precision} on {event.device}: {event.reasons['precision']}.",
        *(f"{name.capitalize()}: {reason}." for name, reason in reasons.items()),
        f"{event.rows} examples, {event.held_out} held out, {event.steps} steps.",
    ]


def summarize_run(run: RunDir) -> dict[str, Any]:
    """A run's state and figures, as ``--json`` prints them."""
    view, spec = run.view(), run.spec
    state, best, last, started = run.state(view), view.kept, view.last, view.started
    return {
        "run": run.id,
        "name": run.meta["name"],
        "state": state.value,
        "model": spec.model.source,
        "data": spec.data.source,
        "coach": coach.describe_run(view, state).model_dump(),
        "step": view.step,
        "steps": view.total_steps,
        "held_out_loss_before": view.first_loss,
        "held_out_loss_best": best.loss if best else None,
        "best_step": best.step if best else None,
        "caution": score_caution(run),
        "seconds": last.seconds if last else None,
        "trainable": started.trainable if started else None,
        "memory_gb": last.memory_gb if last else None,
        "expected": [one.model_dump() for one in expected.check_estimates(view, state)],
        "merged": {name: one.model_dump() for name, one in view.merged.items()},
        "score": view.scored.model_dump() if view.scored else None,
    }
