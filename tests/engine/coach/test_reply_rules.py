"""What a run's model says decides, too: replies that only repeat one sign or word."""

from __future__ import annotations

import pytest

from engine.coach import coach
from engine.coach.advised import advised_rate_of
from engine.coach.rules import find_sign
from engine.store import events as ev
from engine.store.run_view import RunState, RunView, fold_events
from engine.text import repeats_itself
from tests.engine.store.test_run_view import DONE, checked, started, step

COMMAS = "," * 40
GOOD = "A donkey eats hay."


def view_of(before: list[str], after: list[str]) -> RunView:
    """A run whose held-out loss has fallen, and what it replied before and after."""
    said = [
        ev.Sampled(step=at, prompt=f"Question {number}?", reply=reply)
        for at, replies in ((0, before), (10, after))
        for number, reply in enumerate(replies)
    ]
    steps = [step(number, 9 - number / 2) for number in range(1, 11)]
    checks = [checked(0, 9.2), checked(10, 5.0)]
    return fold_events([started(), *steps, *checks, *said, DONE])


@pytest.mark.parametrize("text", [COMMAS, "the " * 20, ", . " + ", " * 30, "0" * 16])
def test_a_text_that_repeats_itself(text: str) -> None:
    assert repeats_itself(text)


@pytest.mark.parametrize(
    "text", ["", GOOD, "ha ha ha", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10", "Ahoy!", "billing 70 %"]
)
def test_a_text_that_does_not(text: str) -> None:
    assert not repeats_itself(text)


def test_a_run_whose_replies_broke_is_no_success() -> None:
    view = view_of([GOOD, GOOD], [COMMAS, COMMAS])
    assert view.got_worse and find_sign(view).kind == "broken"
    message = coach.describe_run(view, RunState.FINISHED)
    assert message.tone == "bad" and message.title == "Finished, worse than before"
    assert ",,,," in message.evidence and "lower learning rate" in message.action
    assert advised_rate_of(view) == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([GOOD, GOOD], [GOOD, GOOD]),
        ([GOOD, GOOD], [COMMAS, GOOD]),  # not most of them
        ([COMMAS, GOOD], [COMMAS, COMMAS]),  # it did so before
        ([], []),
    ],
)
def test_other_replies_say_nothing(before: list[str], after: list[str]) -> None:
    view = view_of(before, after)
    assert view.broken_reply is None and not view.got_worse
    assert find_sign(view).kind == "learning"


def test_labels_that_are_right_no_more_often_excuse_no_rising_loss() -> None:
    """54 rows learned by heart: the training loss vanishes, the held-out loss only rises."""
    steps = [step(number, max(0.03, 1.6 - number / 20)) for number in range(1, 85)]
    checks = [
        ev.Evaluated(step=8 * at, loss=1.33 + at / 12, seconds=at, accuracy=1 / 3)
        for at in range(11)
    ]
    began = started(steps=84, epochs=6, rows=54, held_out=6, goal="classify")
    view = fold_events([began, checks[0], *steps, *checks[1:]])
    sign = find_sign(view)
    assert sign.kind == "memorising" and "overfitting" in sign.message.text
    better = [one.model_copy(update={"accuracy": 1 / 3 + one.step / 200}) for one in checks]
    view = fold_events([began, better[0], *steps, *better[1:]])
    assert find_sign(view).kind != "memorising"
