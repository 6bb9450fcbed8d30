"""One plain sentence on how a run goes, always with what the number is compared with."""

from __future__ import annotations

from typing import NamedTuple

from engine.coach import rules
from engine.coach.rules import Tone
from engine.spec.batch import KTO_COMPARES_FEWER, BatchLayout
from engine.store import events as ev
from engine.store.run_view import RunState, RunView


class Sentence(NamedTuple):
    """A headline, one or two sentences, and how it should look."""

    tone: Tone
    title: str
    text: str
    evidence: str = ""  # the numbers that say so, compared
    action: str = ""  # what to do

    @property
    def words(self) -> str:
        """All of it on lines."""
        return "\n".join(
            part for part in (f"{self.title}. {self.text}", self.evidence, self.action) if part
        )


def say(view: RunView, state: RunState) -> Sentence:
    """What to tell the user about a run now."""
    match state:
        case RunState.QUEUED:
            return Sentence(
                "info",
                "Waiting",
                "Another run is using this machine. This one starts by itself after it.",
            )
        case RunState.PREPARING if view.proving:
            return Sentence("info", "Trying whether it fits", _proving(view.proving))
        case RunState.PREPARING:
            return Sentence("info", "Getting ready", view.phase or "Starting the training process.")
        case RunState.FAILED:
            text = view.ended.text if isinstance(view.ended, ev.Failed) else ""
            return Sentence("bad", "It stopped with an error", f"{text} {_kept(view)}".strip())
        case RunState.INTERRUPTED:
            why = view.last_word or "The training process ended without a word."
            return Sentence("warn", "Interrupted", f"{why} {_kept(view)} Press Continue to go on.")
        case RunState.CANCELLED:
            lost = "What came after the last check was not saved. " if view.saved else ""
            return Sentence("info", "Cancelled", lost + _kept(view))
        case RunState.STOPPED:
            return Sentence(
                "warn",
                "Stopped and kept",
                f"{_kept(view)} Compare it, export it, or press Continue.",
            )
        case RunState.PAUSED:
            why = view.ended.why if isinstance(view.ended, ev.Paused) else ""
            return Sentence(
                "warn" if why else "info",
                "Paused",
                f"{why} {_kept(view)} Press Continue to go on.".strip(),
            )
        case RunState.FINISHED if (
            isinstance(view.ended, ev.Finished) and view.ended.early and view.best
        ):
            title = f"Stopped improving at step {view.best.step}"
            text = f"The version of step {view.best.step} is kept; training ended at step {view.ended.step}."
            return Sentence("good", title, f"{text} {_fall(view)}")
        case RunState.FINISHED:
            return _finished(view)
        case RunState.TRAINING:
            sign = rules.read(view)
            return Sentence(sign.tone, sign.title, sign.text, sign.evidence, sign.action)


def _finished(view: RunView) -> Sentence:
    """What came of it, and what was the matter where something was."""
    sign = rules.read(view)
    if sign.kind not in rules.ALARMS:
        return Sentence(
            "good",
            "Training finished",
            _fall(view),
            sign.evidence,
            "Now talk to it on the Compare tab.",
        )
    return Sentence(
        "good" if sign.tone == "info" else "warn",
        "Training finished",
        f"{_fall(view)} {sign.title}: {sign.text[0].lower()}{sign.text[1:]}",
        sign.evidence,
        sign.after,
    )


def _proving(event: ev.Proving) -> str:
    fit = BatchLayout(event.batch, event.accumulation, event.checkpointing)
    return (
        f"The longest examples ({event.length:,} tokens) go through the model once, {fit.text}, so that memory does "
        "not run out later."
    )


def stepped(event: ev.SteppedDown) -> str:
    """That less is kept in memory, why, and what it changes."""
    fit = BatchLayout(event.batch, event.accumulation, event.checkpointing)
    if event.compared:
        return f"{event.why} It goes on with {fit.text}. {KTO_COMPARES_FEWER}"
    return f"{event.why} It goes on with {fit.text}. What it learns stays the same."


def right(check: ev.Evaluated | None) -> str:
    """The share of right labels, where the run chooses labels."""
    return (
        "" if check is None or check.accuracy is None else f"right on {100 * check.accuracy:.0f} %"
    )


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
