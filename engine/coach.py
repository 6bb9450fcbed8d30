"""One plain sentence on how a run goes, always with what the number is compared with."""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine import events as ev
from engine.fit import Fit
from engine.view import RunView, State

Tone = Literal["good", "info", "warn", "bad"]


class Sentence(NamedTuple):
    """A headline, one or two sentences, and how it should look."""

    tone: Tone
    title: str
    text: str


def say(view: RunView, state: State) -> Sentence:
    """What to tell the user about a run now."""
    match state:
        case State.QUEUED:
            return Sentence("info", "Waiting", "Another run is using this machine. This one starts by itself after it.")
        case State.PREPARING if view.proving:
            return Sentence("info", "Trying whether it fits", _proving(view.proving))
        case State.PREPARING:
            return Sentence("info", "Getting ready", view.phase or "Starting the training process.")
        case State.FAILED:
            text = view.ended.text if isinstance(view.ended, ev.Failed) else ""
            return Sentence("bad", "It stopped with an error", f"{text} {_kept(view)}".strip())
        case State.INTERRUPTED:
            why = view.warnings[-1] if view.warnings else "The training process ended without a word."
            return Sentence("warn", "Interrupted", f"{why} {_kept(view)} Press Continue to go on.")
        case State.CANCELLED:
            lost = "What came after the last check was not saved. " if view.saved else ""
            return Sentence("info", "Cancelled", lost + _kept(view))
        case State.STOPPED:
            return Sentence("warn", "Stopped and kept", f"{_kept(view)} Compare it, export it, or press Continue.")
        case State.FINISHED:
            return Sentence("good", "Training finished", f"{_fall(view)} Now talk to it on the Compare tab.")
        case State.TRAINING:
            return _training(view)


def _proving(event: ev.Proving) -> str:
    fit = Fit(event.batch, event.accumulation, event.checkpointing)
    return (
        f"The longest examples ({event.length:,} tokens) go through the model once, {fit.text}, so that memory does "
        "not run out later."
    )


def stepped(event: ev.SteppedDown) -> str:
    """That less is kept in memory, why, and what it changes."""
    fit = Fit(event.batch, event.accumulation, event.checkpointing)
    return f"{event.why} It goes on with {fit.text}. What it learns stays the same."


def right(check: ev.Evaluated | None) -> str:
    """The share of right labels, where the run chooses labels."""
    return "" if check is None or check.accuracy is None else f"right on {100 * check.accuracy:.0f} %"


def _training(view: RunView) -> Sentence:
    later = [check for check in view.checks if check.step > 0]
    if view.started and not view.started.held_out:
        return Sentence("info", "Training", "Nothing is held out, so nothing says how it does on new examples.")
    if not later:
        return Sentence(
            "info", "Warming up", "The first steps are noisy. The first check on held-out examples follows."
        )
    best, last = min(later, key=lambda check: check.loss), later[-1]
    if len(later) >= 3 and later[-1].loss > best.loss * 1.02:
        text = f"Held-out loss was best at step {best.step} ({best.loss:.3f}) and is {last.loss:.3f} now."
        return Sentence("warn", "Starting to memorise", f"{text} The best version is kept; you can stop now.")
    if view.first_loss is not None and last.loss < view.first_loss:
        return Sentence("good", "Learning well", _fall(view))
    return Sentence("warn", "Not better yet", "Loss on examples it has never seen is not below the base model's yet.")


def _fall(view: RunView) -> str:
    """How far the held-out loss has fallen, measured against the base model."""
    best, first = view.best, view.first_loss
    if best is None or first is None:
        return "There were no held-out examples, so nothing says how it does on new ones."
    if best.loss >= first:
        return f"Loss on examples it has never seen did not fall: {first:.3f} before, {best.loss:.3f} at best."
    share = min(99.0, 100 * (1 - best.loss / first))  # never "100 %": something is always left
    exact = f" It is {right(best)} of them." if right(best) else ""
    return f"Loss on examples it has never seen is down {share:.0f} %, from {first:.3f} to {best.loss:.3f}.{exact}"


def _kept(view: RunView) -> str:
    if not view.saved:
        return "Nothing has been saved yet."
    return f"Everything up to step {view.saved[-1].step} of {view.total_steps} is kept."
