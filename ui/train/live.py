"""What the live panel on the Train tab shows of a run: the server's side of ``assets/live.js``.

The page polls with a cursor (which run, which attempt, how many points it has) and gets what is new.
All words are made here; the script only places them. Nothing is kept per visitor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine import hardware
from engine.coach import coach, expected
from engine.errors import HoneError, RunError
from engine.runs import report
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.store.run_view import RunView, State
from engine.text import format_count, format_duration, format_loss
from ui.context import Context
from ui.handlers import describe_error
from ui.text import STATE_LABELS
from ui.theme import ASSETS

CHUNK = 8000  # points an answer holds at most; the page asks again at once for the rest
LOG_BYTES = 12_000
RECENT = 20  # steps that the figure "training loss" is the mean of, in a run that is long enough

TEMPLATE = (ASSETS / "live.html").read_text(encoding="utf-8")
EVENTS = (
    "stop_run",
    "pause_run",
    "cancel_run",
    "continue_run",
    "compare_run",
    "live_change",
)  # Gradio finds them in the script
SCRIPT = f"HoneLive(element, props, server, trigger, watch); {list(EVENTS)}"  # Gradio finds the events in it


def poll(ctx: Context, cursor: dict[str, Any]) -> dict[str, Any]:
    """The answer to one poll; never raises, since the page takes an error for a lost connection."""
    try:
        run = chosen(ctx, str(cursor.get("run") or ""))
        if run is None:
            return {"run": "", "load": load(None)}
        alive, queued = run.alive, run.queued == "train"  # before the events: see RunDir.state
        view = run.view()
        return payload(run, view, view.state(alive, queued), cursor)
    except Exception as error:
        title, text = describe_error(error)
        return {"run": "", "problem": f"{title}. {text}"}


def chosen(ctx: Context, run_id: str) -> RunDir | None:
    """The run asked for; else one that lives; else the newest; None in an empty workspace."""
    if run_id:
        try:
            return ctx.engine.store.run(run_id)
        except HoneError:
            pass  # deleted meanwhile
    return next(iter(ctx.engine.live()), None) or next(
        (run for run in ctx.engine.store.all_runs() if run.readable), None
    )


# --- the answer: pure functions of a run ---


def payload(run: RunDir, view: RunView, state: State, cursor: dict[str, Any]) -> dict[str, Any]:
    """Everything the panel needs that the page does not have yet."""
    same = cursor.get("run") == run.id and cursor.get("attempt") == view.attempt
    start = min(int(cursor.get("index") or 0), len(view.steps)) if same else 0
    end = min(len(view.steps), start + CHUNK)
    how = asked(run) if state.live else ""
    stopping, ending = bool(how), "Pausing…" if how == "pause" else "Stopping…"
    answer: dict[str, Any] = {
        "run": run.id,
        "attempt": view.attempt,
        "from": start,
        "next": end,
        "more": end < len(view.steps),
        "steps": list(view.steps[start:end]),
        "losses": [finite(round(value, 6)) for value in view.losses[start:end]],
        "lrs": [finite(float(f"{value:.4g}")) for value in view.lrs[start:end]],
        "speeds": [finite(round(value, 1)) for value in view.speeds[start:end]],
        "checks": [[check.step, finite(check.loss)] for check in view.checks],
        "best": view.kept.step if view.kept else None,
        "total": view.total_steps,
        "state": state.value,
        "live": state.live,
        "name": run.meta["name"],
        "label": ending if stopping else STATE_LABELS[state],
        "buttons": [] if stopping else buttons(view, state),
        "sentence": sentence(view, state, stopping),
        "warnings": [*map(coach.stepped, view.stepped), *view.warnings],
        "progress": progress(view, state),
        "tiles": tiles(view),
        "outcome": [] if state.live else [list(one) for one in expected.outcome(view, state)],
        "load": load(view.started.pid if view.started and state == State.TRAINING else None),
    }
    if cursor.get("samples") != len(view.samples) or not same:
        answer["samples"] = samples(view)
        answer["sampled"] = len(view.samples)
    if not same:
        told = report.settings(run, view)
        answer["settings"] = [[one.label, one.value, one.note] for one in told]
    if cursor.get("log"):
        answer["log"] = tail(run.log)
    return answer


def buttons(view: RunView, state: State) -> list[list[str]]:
    """[event, label] of what makes sense now, the likeliest first."""
    match state:
        case State.QUEUED:
            return [["cancel_run", "Take it out of the queue"]]
        case State.PREPARING:
            return [["cancel_run", "Cancel"]]
        case State.TRAINING:
            return [["stop_run", "Stop and keep"], ["pause_run", "Pause"], ["cancel_run", "Cancel"]]
    found = (
        [["compare_run", "Compare it with the base model"]]
        if any(one.best for one in view.saved)
        else []
    )
    go_on = (
        [["continue_run", "Resume" if state == State.PAUSED else "Continue"]]
        if state.can_continue
        else []
    )
    return go_on + found if state == State.PAUSED else found + go_on


def asked(run: RunDir) -> str:
    """How the run was asked to end: keep, pause or cancel; empty where it was not."""
    try:
        return run.stop_mark.read_text().strip()
    except FileNotFoundError:  # the run has just ended
        return ""


def sentence(view: RunView, state: State, stopping: bool) -> dict[str, str]:
    """How it goes, in plain words."""
    if stopping:
        return {"tone": "info", "title": "Stopping", "text": "It ends after the step it is in."}
    return coach.say(view, state)._asdict()


def progress(view: RunView, state: State) -> dict[str, Any]:
    """How far it is, and how long it takes."""
    total, step = view.total_steps, view.step
    last, left = view.last, view.seconds_left
    return {
        "percent": math.floor(100 * step / total) if total else 0,
        "step": f"Step {format_count(step)} of {format_count(total)}" if total else "",
        "epoch": f"Epoch {last.epoch:.1f} of {view.started.epochs:g}"
        if last and view.started
        else "",
        "elapsed": f"{format_duration(last.seconds)} elapsed" if last else "",
        "left": f"about {format_duration(left)} left"
        if state == State.TRAINING and left is not None
        else "",
    }


def tiles(view: RunView) -> dict[str, list[str]]:
    """Figures, each with what it is compared with."""
    began, last = view.started, view.last
    if began is None or last is None:
        return {name: ["–", ""] for name in ("train", "held", "speed", "rate")}
    few = min(RECENT, max(1, len(view.losses) // 3))
    first, recent = view.losses[:5], view.losses[-few:]
    speed = sum(view.speeds[-few:]) / few
    return {
        "train": [format_loss(_mean(recent)), f"started at {format_loss(_mean(first))}"],
        "held": _held(view),
        "speed": [
            f"{format_count(round(speed))} tokens/s",
            f"{_pace(last)} on {began.device}, {began.precision}",
        ],
        "rate": [f"{last.lr:.1e}" if last.lr else "0", f"highest so far {max(view.lrs):.1e}"],
    }


def _held(view: RunView) -> list[str]:
    """The newest held-out loss beside the one before training and the best."""
    if not view.checks:
        return [
            "–",
            "no check yet" if view.started and view.started.held_out else "nothing was held out",
        ]
    before = (
        f"before training {format_loss(view.first_loss)}" if view.first_loss is not None else ""
    )
    best = (
        f"best {format_loss(view.best.loss)} at step {view.best.step}"
        if view.best
        else "first check follows"
    )
    now = coach.right(view.checks[-1])
    return [
        format_loss(view.checks[-1].loss),
        ", ".join(part for part in (now, before, best) if part),
    ]


def _pace(last: ev.Step) -> str:
    rate = last.step / last.seconds if last.seconds else 0.0
    return f"{rate:.1f} steps/s" if rate >= 1 else f"{1 / rate:.1f} s a step" if rate else ""


def samples(view: RunView) -> list[dict[str, Any]]:
    """For each question: the first reply, the newest, and those between."""
    found: dict[str, list[ev.Sampled]] = {}
    for sample in view.samples:
        found.setdefault(sample.prompt, []).append(sample)
    return [
        {
            "prompt": prompt,
            "replies": [{"when": _moment(one.step), "text": one.reply} for one in asked],
        }
        for prompt, asked in found.items()
    ]


def _moment(step: int) -> str:
    return f"After step {format_count(step)}" if step else "Before training"


def load(pid: int | None) -> list[list[Any]]:
    """[label, text, percent] of how busy this machine is."""
    now = hardware.load(pid)
    memory = 100 * now.memory_used_gb / now.memory_total_gb
    found: list[list[Any]] = [
        ["Processor", f"{now.cpu_percent:.0f} %", now.cpu_percent],
        ["Memory", f"{now.memory_used_gb:.1f} of {now.memory_total_gb:.0f} GB", memory],
    ]
    if now.process_gb is not None:
        found.append(
            ["This run", f"{now.process_gb:.1f} GB", 100 * now.process_gb / now.memory_total_gb]
        )
    return found


def tail(log: Path) -> str:
    """The end of a worker's log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def action(ctx: Context, what: str, run_id: str) -> None:
    """Stop, pause, cancel or continue the run that the panel shows."""
    if what not in ("stop", "pause", "cancel", "resume"):
        raise RunError(f"'{what}' is not something that can be done with a run.")
    getattr(ctx.engine, what)(run_id)
