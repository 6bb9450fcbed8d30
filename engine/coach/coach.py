"""One plain message on how a run goes, always with what the number is compared with."""

from __future__ import annotations

from engine.coach.message import ALARMS, CoachMessage, Sign, Tone, loss_drop_text
from engine.coach.rules import find_sign
from engine.spec.batch import KTO_COMPARES_FEWER
from engine.store import events as ev
from engine.store.run_view import RunState, RunView
from engine.text import format_duration

WORSE_ACTION = "Add examples, or start again with a lower learning rate or fewer epochs."


def describe_run(view: RunView, state: RunState) -> CoachMessage:
    """What to tell the user about a run now."""
    match state:
        case RunState.PREPARING:
            return _preparing_message(view)
        case RunState.TRAINING:
            return find_sign(view).message
        case RunState.FINISHED:
            return _finished_message(view)
        case RunState.IMPORTED:
            return _imported_message(view)
    return _idle_message(view, state)


def describe_stopping(view: RunView, disobeyed: bool) -> CoachMessage:
    """What to tell the user of a run that was asked to end."""
    if not disobeyed:
        return _make_message("info", "Stopping", "It stops after the current step.")
    text = (
        "It has not stopped yet: the current step takes long, or it hangs. End it now ends it at "
        f"once. {_kept_text(view)}"
    )
    return _make_message("warn", "Stopping", text)


def describe_silence(view: RunView, seconds: float) -> CoachMessage:
    """What to tell the user of a run that has given no sign of life for some time."""
    text = (
        "The training process is doing nothing: it may be suspended, or it may hang in a library "
        "or a driver. If that does not change, press End it now; the next run can then begin. "
        f"{_kept_text(view)}{' Continue goes on from there.' if view.saved else ''}"
    )
    return _make_message(
        "bad", f"No sign of life for {format_duration(10 * (seconds // 10))}", text
    )


def describe_waiting(working: str) -> CoachMessage:
    """What to tell the user of a run in the queue; ``working``: what it waits for, if anything."""
    if not working:
        return _make_message("info", "Starting", "Its training process is being started.")
    text = f"It starts by itself when {working} is done."
    return _make_message("info", "Waiting", text)


def _kept_text(view: RunView) -> str:
    if not view.saved:
        return "Nothing has been saved yet."
    return f"Everything up to step {view.saved[-1].step} of {view.total_steps} is kept."


def _make_message(tone: Tone, title: str, text: str) -> CoachMessage:
    return CoachMessage(tone=tone, title=title, text=text.strip())


def _preparing_message(view: RunView) -> CoachMessage:
    if view.proving is None:
        text = view.phase or "Starting the training process."
        return _make_message("info", "Getting ready", text)
    return _make_message(
        "info",
        "Checking whether it fits",
        f"The longest examples ({view.proving.length:,} tokens) go through the model once, "
        f"{view.proving.layout.text}, so that memory does not run out later.",
    )


def _idle_message(view: RunView, state: RunState) -> CoachMessage:
    """A run that waits, or that ended before its last step."""
    ended, kept = view.ended, _kept_text(view)
    match state:
        case RunState.QUEUED:
            text = "Another run is using this machine. This one starts by itself afterwards."
            return _make_message("info", "Waiting", text)
        case RunState.FAILED:
            text = ended.text if isinstance(ended, ev.Failed) else ""
            return _make_message("bad", "It stopped with an error", f"{text} {kept}")
        case RunState.INTERRUPTED:
            why = view.last_word or "The training process ended without a message."
            return _make_message("warn", "Interrupted", f"{why} {kept} Press Continue to go on.")
        case RunState.CANCELLED:
            lost = "Steps after the last check were not saved. " if view.saved else ""
            return _make_message("info", "Cancelled", lost + kept)
        case RunState.STOPPED:
            text = f"{kept} Compare it, export it, or press Continue."
            return _make_message("warn", "Stopped and kept", text)
    why = ended.why if isinstance(ended, ev.Paused) else ""
    text = f"{why} {kept} Press Resume to go on."
    return _make_message("warn" if why else "info", "Paused", text)


def _imported_message(view: RunView) -> CoachMessage:
    """An adapter that another program made."""
    origin = view.imported.base_name if view.imported else ""
    named = f" Its own config names '{origin}' as its base model." if origin else ""
    return _make_message(
        "info",
        "Added from outside",
        f"Another program made this adapter.{named} Compare, score, merge or export it, or train "
        "on from it.",
    )


def _finished_message(view: RunView) -> CoachMessage:
    """What came of it, and what was the matter where something was."""
    loss, ended, best = _loss_change(view), view.ended, view.best
    if isinstance(ended, ev.Finished) and ended.early and best and not view.got_worse:
        title = f"Stopped improving at step {best.step}"
        kept = f"The version of step {best.step} is kept"
        text = f"{kept}; training ended at step {ended.step}. {loss}"
        return _make_message("good", title, text)
    sign = find_sign(view)
    found, action = sign.message, "Now try it on the Compare tab."
    tone, title = tone_of_end(view, sign), "Training finished"
    if view.got_worse:
        title, action = "Finished, worse than before", WORSE_ACTION
    if sign.kind in ALARMS:
        loss += f" {found.title}: {found.text[0].lower()}{found.text[1:]}"
        action = sign.after
    return CoachMessage(tone=tone, title=title, text=loss, evidence=found.evidence, action=action)


def tone_of_end(view: RunView, sign: Sign) -> Tone:
    """How the end of a run looks."""
    if view.got_worse:
        return "bad"
    alarm = sign.kind in ALARMS and sign.message.tone != "info"
    return "warn" if alarm else "good"


def describe_step_down(event: ev.SteppedDown) -> str:
    """That less is kept in memory, why, and what it changes."""
    effect = KTO_COMPARES_FEWER if event.compared else "What it learns stays the same."
    return f"{event.why} It goes on with {event.layout.text}. {effect}"


def _loss_change(view: RunView) -> str:
    """How far the held-out loss has fallen, compared with the base model."""
    best, first = view.best, view.first_loss
    if best is None or first is None:
        return "No examples were held out, so there is no telling how it does on new ones."
    if best.loss < first:
        return loss_drop_text(first, best.loss, best)
    numbers = f"{first:.3f} before, {best.loss:.3f} at best"
    return f"Loss on held-out examples did not fall: {numbers}."
