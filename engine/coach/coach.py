"""One plain message on how a run goes, always with what the number is compared with."""

from __future__ import annotations

from collections.abc import Callable

from engine.coach.message import ALARMS, CoachMessage, Tone
from engine.coach.rules import find_sign
from engine.spec.batch import KTO_COMPARES_FEWER
from engine.store import events as ev
from engine.store.run_view import RunState, RunView, layout_of


def describe_run(view: RunView, state: RunState) -> CoachMessage:
    """What to tell the user about a run now."""
    return STATE_MESSAGES[state](view)


def _make_message(tone: Tone, title: str, text: str) -> CoachMessage:
    return CoachMessage(tone=tone, title=title, text=text.strip())


def _queued_message(_: RunView) -> CoachMessage:
    text = "Another run is using this machine. This one starts by itself afterwards."
    return _make_message("info", "Waiting", text)


def _preparing_message(view: RunView) -> CoachMessage:
    if view.proving is None:
        return _make_message(
            "info", "Getting ready", view.phase or "Starting the training process."
        )
    return _make_message(
        "info",
        "Checking whether it fits",
        f"The longest examples ({view.proving.length:,} tokens) go through the model once, "
        f"{layout_of(view.proving).text}, so that memory does not run out later.",
    )


def _training_message(view: RunView) -> CoachMessage:
    return find_sign(view).message


def _failed_message(view: RunView) -> CoachMessage:
    text = view.ended.text if isinstance(view.ended, ev.Failed) else ""
    return _make_message("bad", "It stopped with an error", f"{text} {_saved_text(view)}")


def _interrupted_message(view: RunView) -> CoachMessage:
    why = view.last_word or "The training process ended without a message."
    return _make_message(
        "warn", "Interrupted", f"{why} {_saved_text(view)} Press Continue to go on."
    )


def _cancelled_message(view: RunView) -> CoachMessage:
    lost = "Steps after the last check were not saved. " if view.saved else ""
    return _make_message("info", "Cancelled", lost + _saved_text(view))


def _stopped_message(view: RunView) -> CoachMessage:
    text = f"{_saved_text(view)} Compare it, export it, or press Continue."
    return _make_message("warn", "Stopped and kept", text)


def _paused_message(view: RunView) -> CoachMessage:
    why = view.ended.why if isinstance(view.ended, ev.Paused) else ""
    text = f"{why} {_saved_text(view)} Press Continue to go on."
    return _make_message("warn" if why else "info", "Paused", text)


def _finished_message(view: RunView) -> CoachMessage:
    """What came of it, and what was the matter where something was."""
    loss = _loss_change(view)
    if isinstance(view.ended, ev.Finished) and view.ended.early and view.best:
        title = f"Stopped improving at step {view.best.step}"
        kept = f"The version of step {view.best.step} is kept"
        text = f"{kept}; training ended at step {view.ended.step}. {loss}"
        return _make_message("good", title, text)
    sign = find_sign(view)
    found, action = sign.message, "Now try it on the Compare tab."
    tone: Tone = "good"
    if sign.kind in ALARMS:
        loss += f" {found.title}: {found.text[0].lower()}{found.text[1:]}"
        tone, action = "good" if found.tone == "info" else "warn", sign.after
    return CoachMessage(
        tone=tone, title="Training finished", text=loss, evidence=found.evidence, action=action
    )


STATE_MESSAGES: dict[RunState, Callable[[RunView], CoachMessage]] = {
    RunState.QUEUED: _queued_message,
    RunState.PREPARING: _preparing_message,
    RunState.TRAINING: _training_message,
    RunState.FAILED: _failed_message,
    RunState.INTERRUPTED: _interrupted_message,
    RunState.CANCELLED: _cancelled_message,
    RunState.STOPPED: _stopped_message,
    RunState.PAUSED: _paused_message,
    RunState.FINISHED: _finished_message,
}


def describe_step_down(event: ev.SteppedDown) -> str:
    """That less is kept in memory, why, and what it changes."""
    effect = KTO_COMPARES_FEWER if event.compared else "What it learns stays the same."
    return f"{event.why} It goes on with {layout_of(event).text}. {effect}"


def accuracy_text(check: ev.Evaluated | None) -> str:
    """The share of right labels, for runs that choose labels."""
    if check is None or check.accuracy is None:
        return ""
    return f"right on {100 * check.accuracy:.0f} %"


def _loss_change(view: RunView) -> str:
    """How far the held-out loss has fallen, compared with the base model."""
    best, first = view.best, view.first_loss
    if best is None or first is None:
        return "No examples were held out, so there is no telling how it does on new ones."
    loss = "Loss on examples it has never seen"
    if best.loss >= first:
        return f"{loss} did not fall: {first:.3f} before, {best.loss:.3f} at best."
    share = min(99.0, 100 * (1 - best.loss / first))  # never "100 %": something is always left
    right = f" It is {accuracy_text(best)} of them." if accuracy_text(best) else ""
    return f"{loss} is down {share:.0f} %, from {first:.3f} to {best.loss:.3f}.{right}"


def _saved_text(view: RunView) -> str:
    if not view.saved:
        return "Nothing has been saved yet."
    return f"Everything up to step {view.saved[-1].step} of {view.total_steps} is kept."
