"""Parts of the live panel's answers: progress, figures, samples, load, log, and how a run ends."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from engine import hardware
from engine.coach import coach
from engine.coach.message import accuracy_text
from engine.coach.windows import CurveLevels
from engine.estimate.stages import Stage
from engine.spec.naming import model_name
from engine.store import heartbeat
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState, RunView
from engine.text import count_of, format_count, format_duration, format_loss, format_rate

LOG_TAIL_BYTES = 12_000
RECENT_STEPS = 20  # steps that the speed is the mean of, in a run that is long enough
OBEY_SECONDS = 10.0  # in which most steps end; after that, force is offered
END_NOW = ["end_run", "End it now"]
REQUEST_LABELS = {"pause": "Pausing…", "end": "Ending…"}  # others stop


def progress_of(view: RunView, state: RunState) -> dict[str, Any]:
    """How far the run is, and how long it takes."""
    total, last, left = view.total_steps, view.last, view.seconds_left
    shown = {"percent": 0, "step": "", "epoch": "", "elapsed": "", "left": ""}
    if total:
        shown["percent"] = math.floor(100 * view.step / total)
        shown["step"] = f"Step {format_count(view.step)} of {format_count(total)}"
    if last and view.started:
        shown["epoch"] = f"Epoch {last.epoch:.1f} of {view.started.epochs:g}"
    if last:
        shown["elapsed"] = f"{format_duration(last.seconds)} elapsed"
    if state == RunState.TRAINING and left is not None:
        shown["left"] = f"about {format_duration(left)} left"
    return shown


def figures_of(view: RunView) -> dict[str, list[str]]:
    """[figure, what to compare it with] for each tile."""
    began, last = view.started, view.last
    right = _right_figure(view)
    if began is None or last is None:
        return {name: ["–", ""] for name in ("train", "held", "speed", "rate")} | right
    few = min(RECENT_STEPS, max(1, len(view.losses) // 3))
    speed, pace = _recent_pace(view, few)
    started = format_loss(view.start_loss) if view.start_loss is not None else "–"
    rate = f"at most {format_rate(max(view.lrs))} so far"
    newest = view.losses[-1]  # where it is no number, that is what has to be seen
    loss = CurveLevels(view).now.mean if math.isfinite(newest) else newest
    return {
        "train": [format_loss(loss), f"started at {started}"],
        "held": held_out_figure(view),
        "speed": [f"{speed} tokens/s", f"{pace} on {began.device}, {began.precision}"],
        "rate": [_rate_now(last.lr, max(view.lrs)), rate],
    } | right


def _rate_now(rate: float, highest: float) -> str:
    """The learning rate, in words where a schedule has brought it down to next to nothing."""
    return "nearly 0" if rate < highest / 1000 else format_rate(rate)


def _right_figure(view: RunView) -> dict[str, list[str]]:
    """The share of right labels, for runs that choose labels.

    At the newest check; once the run has ended, of the version that is kept, which Compare asks.
    """
    shares = [one.accuracy for one in view.checks if one.accuracy is not None]
    if not shares:
        return {}
    kept = view.kept if view.ended else None
    if kept and kept.accuracy is not None:
        shares.append(kept.accuracy)
    rows = view.started.held_out if view.started else 0
    first = f"{round(shares[0] * rows)} before training" if view.first_loss is not None else ""
    counted = f"{round(shares[-1] * rows)} of {count_of(rows, 'held-out row')}"
    kept_at = f"kept from step {format_count(kept.step)}" if kept else ""
    notes = "; ".join(filter(None, (counted, first, kept_at)))
    return {"right": [f"{100 * shares[-1]:.0f} %", notes]}


def _recent_pace(view: RunView, few: int) -> tuple[str, str]:
    """Tokens per second and time for a step, of the last steps."""
    seconds = view.seconds[-1] - (view.seconds[-few - 1] if len(view.seconds) > few else 0.0)
    tokens = view.tokens[-1] - (view.tokens[-few - 1] if len(view.tokens) > few else 0)
    if seconds <= 0:
        return "–", ""
    rate = few / seconds
    pace = f"{rate:.1f} steps/s" if rate >= 1 else f"{1 / rate:.1f} s a step"
    return format_count(round(tokens / seconds)), pace


def held_out_figure(view: RunView) -> list[str]:
    """The newest held-out loss beside the one before training and the best."""
    if not view.checks:
        expected = view.started and view.started.held_out
        return ["–", "no check yet" if expected else "nothing was held out"]
    notes = [accuracy_text(view.checks[-1])]
    if view.first_loss is not None:
        notes.append(f"before training {format_loss(view.first_loss)}")
    if view.best:
        notes.append(f"best {format_loss(view.best.loss)} at step {view.best.step}")
    else:
        notes.append("no check during training yet")
    return [format_loss(view.checks[-1].loss), ", ".join(note for note in notes if note)]


def check_points(view: RunView) -> list[list[float | None]]:
    """[step, held-out loss, share of right labels] of each check."""
    return [[check.step, finite_or_none(check.loss), check.accuracy] for check in view.checks]


def what_it_trains(run: RunDir) -> str:
    """The data and the model of a run, in one line."""
    model = model_name(run.spec.model.source)
    return f"{run.meta['data']} on {model}" if run.meta["data"] else model


def stage_items(stages: Iterable[Stage]) -> list[list[str]]:
    """[name, state, how long it took or usually takes] of what comes before the first step."""
    return [[one.name, one.state, _stage_time(one)] for one in stages]


def _stage_time(stage: Stage) -> str:
    if stage.state == "done":
        return format_duration(stage.seconds)
    usual = stage.expected_seconds
    return "" if usual is None else f"usually {format_duration(usual)}"


def samples_by_prompt(view: RunView) -> list[dict[str, Any]]:
    """All replies to each prompt, in the order of their steps."""
    replies: dict[str, list[dict[str, Any]]] = {}
    for sample in view.samples:
        when = f"After step {format_count(sample.step)}" if sample.step else "Before training"
        said = {"when": when, "text": sample.reply, "step": sample.step}
        replies.setdefault(sample.prompt, []).append(said)
    return [{"prompt": prompt, "replies": found} for prompt, found in replies.items()]


def machine_load(pid: int | None) -> list[list[Any]]:
    """[label, text, percent] of how busy this machine is, and the process of a run."""
    now = hardware.current_load(pid)
    total = now.memory_total_gb
    memory = f"{now.memory_used_gb:.1f} of {total:.0f} GB"
    rows: list[list[Any]] = [
        ["Processor", f"{now.cpu_percent:.0f} %", now.cpu_percent],
        ["Memory", memory, 100 * now.memory_used_gb / total],
    ]
    if now.process_gb is not None:
        rows.append(["This run", f"{now.process_gb:.1f} GB", 100 * now.process_gb / total])
    return rows


def log_tail(log: Path) -> str:
    """The end of a worker's log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def finite_or_none(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


# --- a run that was asked to end, or that gives no sign of life ---


class Ending(NamedTuple):
    """Whether a run was asked to end, and whether it may hang."""

    request: str = ""  # keep, pause, cancel or end; empty if it was not asked
    asked_seconds: float = 0.0  # since it was asked
    silent_seconds: float = 0.0  # without a sign of life; 0 for a run that gives one

    @property
    def disobeyed(self) -> bool:
        return bool(self.request) and self.asked_seconds >= OBEY_SECONDS


def ending_of(run: RunDir, state: RunState) -> Ending:
    """How far the end of a run is that works; nothing of any other."""
    if state not in (RunState.PREPARING, RunState.TRAINING):
        return Ending()
    request, asked = run.end_request, 0.0
    if request:
        try:  # a clock that was set back must not hide the button
            asked = abs(time.time() - run.stop_mark.stat().st_mtime)
        except OSError:  # it has just ended
            request = ""
    return Ending(request, asked, heartbeat.silent_seconds(run.path))


def add_ending(answer: dict[str, Any], ending: Ending, view: RunView) -> None:
    """Change the answer to a poll where a run ends or hangs."""
    if not ending.request and not ending.silent_seconds:
        return
    if ending.request:
        answer["label"] = REQUEST_LABELS.get(ending.request, "Stopping…")
        answer["buttons"] = []
        answer["sentence"] = coach.describe_stopping(view, ending.disobeyed).model_dump()
    if ending.silent_seconds:
        answer["label"] = "No sign of life"
        answer["sentence"] = coach.describe_silence(view, ending.silent_seconds).model_dump()
        answer["progress"] |= {"left": ""}
    if ending.disobeyed or ending.silent_seconds:
        answer["buttons"] = [END_NOW, *answer["buttons"]]
