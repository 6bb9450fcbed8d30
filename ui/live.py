"""What the live panel on the Train tab shows of a run: the server's side of ``assets/live.js``.

The page polls with a cursor (which run, which attempt, how many points it has) and gets what is new.
All words are made here; the script only places them. Nothing is kept per visitor.
"""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

from engine import coach, hardware, outcome
from engine import events as ev
from engine.errors import HoneError, RunError
from engine.fit import first
from engine.store import RunDir
from engine.view import RunView, State, fold
from ui.context import Context
from ui.handlers import explain
from ui.text import STATES, count, duration, loss, plural, share

CHUNK = 4000  # points an answer holds at most; the page asks again at once for the rest
LOG_BYTES = 12_000
RECENT = 20  # steps that the figure "training loss" is the mean of, in a run that is long enough
FOLLOWED = 8  # runs whose events stay folded in memory

TEMPLATE = (Path(__file__).parent / "assets" / "live.html").read_text(encoding="utf-8")
EVENTS = ("stop_run", "cancel_run", "continue_run", "compare_run", "live_change")  # Gradio finds them in the script
SCRIPT = f"HoneLive(element, props, server, trigger, watch); {list(EVENTS)}"


class Follower:
    """Runs as folded views that grow with their event files, so that a poll reads only what is new."""

    def __init__(self) -> None:
        self._views: dict[str, tuple[RunView, int]] = {}
        self._lock = threading.Lock()

    def answer(self, run: RunDir, cursor: dict[str, Any]) -> dict[str, Any]:
        """What is new since the cursor; folding and reading exclude each other."""
        state_hint = run.alive, run.queued == "train"  # before the events: see RunDir.state
        with self._lock:
            view, offset = self._views.pop(run.id, (RunView(), 0))
            fresh, offset = ev.read(run.events_file, offset)
            self._views[run.id] = fold(fresh, view), offset
            while len(self._views) > FOLLOWED:
                del self._views[next(iter(self._views))]
            return payload(run, view, view.state(*state_hint), cursor)


def poll(ctx: Context, follower: Follower, cursor: dict[str, Any]) -> dict[str, Any]:
    """The answer to one poll; never raises, since the page takes an error for a lost connection."""
    try:
        run = chosen(ctx, str(cursor.get("run") or ""))
        if run is None:
            return {"run": "", "load": load(None)}
        return follower.answer(run, cursor)
    except Exception as error:
        title, text = explain(error)
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
    stopping = state.live and run.stop_mark.exists()
    answer: dict[str, Any] = {
        "run": run.id,
        "attempt": view.attempt,
        "from": start,
        "next": end,
        "more": end < len(view.steps),
        "steps": view.steps[start:end],
        "losses": [finite(value) for value in view.losses[start:end]],
        "lrs": [finite(value) for value in view.lrs[start:end]],
        "speeds": [finite(value) for value in view.speeds[start:end]],
        "checks": [[check.step, finite(check.loss)] for check in view.checks],
        "best": view.best.step if view.best else None,
        "total": view.total_steps,
        "state": state.value,
        "live": state.live,
        "name": run.meta["name"],
        "label": "Stopping…" if stopping else STATES[state],
        "buttons": [] if stopping else buttons(view, state),
        "sentence": sentence(view, state, stopping),
        "warnings": [*map(coach.stepped, view.stepped), *view.warnings],
        "progress": progress(view, state),
        "tiles": tiles(view),
        "outcome": [] if state.live else [list(one) for one in outcome.outcome(view, state)],
        "load": load(view.started.pid if view.started and state == State.TRAINING else None),
    }
    if cursor.get("samples") != len(view.samples) or not same:
        answer["samples"] = samples(view)
        answer["sampled"] = len(view.samples)
    if not same:
        answer["settings"] = settings(run, view)
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
            return [["stop_run", "Stop and keep"], ["cancel_run", "Cancel"]]
    found = [["compare_run", "Compare it with the base model"]] if view.saved else []
    return found + ([["continue_run", "Continue"]] if state.can_continue else [])


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
        "step": f"Step {count(step)} of {count(total)}" if total else "",
        "epoch": f"Epoch {last.epoch:.1f} of {view.started.epochs:g}" if last and view.started else "",
        "elapsed": f"{duration(last.seconds)} elapsed" if last else "",
        "left": f"about {duration(left)} left" if state == State.TRAINING and left is not None else "",
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
        "train": [loss(_mean(recent)), f"started at {loss(_mean(first))}"],
        "held": _held(view),
        "speed": [f"{count(round(speed))} tokens/s", f"{_pace(last)} on {began.device}, {began.precision}"],
        "rate": [f"{last.lr:.1e}" if last.lr else "0", f"highest so far {max(view.lrs):.1e}"],
    }


def _held(view: RunView) -> list[str]:
    """The newest held-out loss beside the one before training and the best."""
    if not view.checks:
        return ["–", "no check yet" if view.started and view.started.held_out else "nothing was held out"]
    before = f"before training {loss(view.first_loss)}" if view.first_loss is not None else ""
    best = f"best {loss(view.best.loss)} at step {view.best.step}" if view.best else "first check follows"
    now = coach.right(view.checks[-1])
    return [loss(view.checks[-1].loss), ", ".join(part for part in (now, before, best) if part)]


def _pace(last: ev.Step) -> str:
    rate = last.step / last.seconds if last.seconds else 0.0
    return f"{rate:.1f} steps/s" if rate >= 1 else f"{1 / rate:.1f} s a step" if rate else ""


def samples(view: RunView) -> list[dict[str, Any]]:
    """For each question: the first reply, the newest, and those between."""
    found: dict[str, list[ev.Sampled]] = {}
    for sample in view.samples:
        found.setdefault(sample.prompt, []).append(sample)
    return [
        {"prompt": prompt, "replies": [{"when": _moment(one.step), "text": one.reply} for one in asked]}
        for prompt, asked in found.items()
    ]


def _moment(step: int) -> str:
    return f"After step {count(step)}" if step else "Before training"


def settings(run: RunDir, view: RunView) -> list[list[str]]:
    """[label, value, note] of what this run was started with."""
    spec, began = run.spec, view.started
    rows = f"{count(began.rows)} to learn from, {count(began.held_out)} held out" if began else ""
    if spec.data.fixes:
        rows += f"; mended: {', '.join(spec.data.fixes)}"
    trains = f"{count(began.trainable)} weights train ({share(began.trainable, began.total)})" if began else ""
    fit = view.fit or first(spec.optim)
    batch = f"{fit.batch}" + (f" × {fit.accumulation}" if fit.accumulation > 1 else "")
    again = "; computed again instead of kept" if fit.checkpointing else ""
    reasons = "; ".join(began.reasons.values()) if began else ""
    return [
        ["Base model", Path(spec.model.source).name, ""],
        ["Data", run.meta["data"], rows],
        ["Method", outcome.in_words(spec.method), trains],
        ["Passes", plural_epochs(spec.optim.epochs), plural(view.total_steps, "step") if began else ""],
        ["Batch", batch, f"examples of up to {spec.data.max_length} tokens{again}"],
        ["Learning rate", f"{spec.optim.learning_rate:g}", f"{spec.optim.schedule}, seed {spec.data.seed}"],
        ["Runs on", f"{began.device}, {began.precision}" if began else "–", reasons],
    ]


def plural_epochs(epochs: float) -> str:
    return f"{epochs:g} epoch" + ("" if epochs == 1 else "s")


def load(pid: int | None) -> list[list[Any]]:
    """[label, text, percent] of how busy this machine is."""
    now = hardware.load(pid)
    memory = 100 * now.memory_used_gb / now.memory_total_gb
    found: list[list[Any]] = [
        ["Processor", f"{now.cpu_percent:.0f} %", now.cpu_percent],
        ["Memory", f"{now.memory_used_gb:.1f} of {now.memory_total_gb:.0f} GB", memory],
    ]
    if now.process_gb is not None:
        found.append(["This run", f"{now.process_gb:.1f} GB", 100 * now.process_gb / now.memory_total_gb])
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


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def action(ctx: Context, what: str, run_id: str) -> None:
    """Stop, cancel or continue the run that the panel shows."""
    if what not in ("stop", "cancel", "resume"):
        raise RunError(f"'{what}' is not something that can be done with a run.")
    getattr(ctx.engine, what)(run_id)
