"""The coach's rules over recorded and made-up curves, and what a single point may not do."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest

from benchmarks.coach import CoachedCurve, coach_all_curves, rates, recorded
from benchmarks.curves import CURVES, recipes
from engine.coach import coach, rules
from engine.coach.message import ALARMS
from engine.store import events as ev
from engine.store.run_view import RunState, RunView, fold_events
from tests.curves.made import curve, falling, made
from tests.engine.store.test_run_view import checked, started, step

SAMPLES = ("pirate", "json", "support", "reviews", "preferences")


@pytest.fixture(scope="module")
def curves() -> list[CoachedCurve]:
    return list(coach_all_curves())


@pytest.mark.slow
def test_there_are_curves_of_every_sign_recorded_and_made(curves: list[CoachedCurve]) -> None:
    labels = Counter(one.label for one in curves)
    # What is broken is told from replies, not from curves: test_reply_rules.
    assert set(labels) == {"healthy", *ALARMS} - {"broken"} and min(labels.values()) >= 3
    assert len([one for one in recipes() if (CURVES / f"{one.name}.json").exists()]) >= 35
    assert max(path.stat().st_size for path in CURVES.glob("*.json")) < 16_000


@pytest.mark.parametrize("name", SAMPLES)
def test_no_sample_is_alarmed_as_it_ships(curves: list[CoachedCurve], name: str) -> None:
    [one] = [one for one in curves if one.name == name]
    assert one.right and not one.alarms


def test_no_healthy_run_is_alarmed(curves: list[CoachedCurve]) -> None:
    assert not [one for one in curves if one.label == "healthy" and (one.false or not one.right)]


@pytest.mark.parametrize("part", ["tune", "held-out", "fresh"])
def test_precision_and_recall(curves: list[CoachedCurve], part: str) -> None:
    mine = [one for one in curves if one.part == part]
    for label in {one.label for one in mine}:
        _, _, _, precision, recall = rates(mine, label)
        assert precision >= 0.75 and recall >= 0.5, (part, label, precision, recall)
    right = sum(one.right and not one.false for one in mine) / len(mine)
    assert right >= 0.85


@pytest.mark.parametrize(
    ("saved", "words"),
    [([], "Nothing has been saved yet."), ([5], "up to step 5"), ([5, 10], "up to step 10")],
)
def test_a_silent_run_can_go_on_only_from_what_was_saved(saved: list[int], words: str) -> None:
    view = fold_events([ev.Saved(step=step, best=True) for step in saved])
    said = coach.describe_silence(view, 41.0)
    assert said.title == "No sign of life for 40 s" and words in said.text
    assert ("Continue" in said.text) == bool(saved)


def test_a_single_point_says_nothing() -> None:
    events = curve(8, falling(2.2, 0.9), falling(2.2, 1.0))
    for kind, at in (("step", 200), ("evaluated", -1)):
        of = [index for index, event in enumerate(events) if event.kind == kind]
        events[of[at]] = events[of[at]].model_copy(update={"loss": 40.0 if kind == "step" else 1.3})
        view = fold_events(events)
        assert rules.find_sign(view).kind == "learning", kind


def test_every_moment_of_every_curve_has_a_sentence() -> None:
    for events in [recorded("pirate"), *(one.events for one in made())]:
        view = RunView()
        for at, event in enumerate(events[:40]):
            sign = rules.find_sign(fold_events([event], view))
            assert sign.message.title and "nan" not in sign.message.evidence, at


def test_a_long_run_is_read_quickly() -> None:
    view = fold_events(curve(1, falling(2.5, 0.8), falling(2.5, 0.9), steps=20_000, checks=100))
    begun = time.perf_counter()
    rules.find_sign(view)
    assert time.perf_counter() - begun < 0.5  # about 0.05 s on a quiet machine


def test_the_loss_at_the_start_is_one_figure_in_all_of_a_run() -> None:
    told = set()
    for events in (recorded("pirate"), curve(8, falling(2.2, 0.9), falling(2.2, 1.0))):
        view = RunView()
        for event in events:
            sign = rules.find_sign(fold_events([event], view))
            found = re.search(r"training loss ([\d.]+) at the start", sign.message.evidence)
            if found and view.start_loss is not None:
                told.add((found[1], f"{view.start_loss:.3f}"))
        assert len({said for said, _ in told}) == 1, "it grows with no step"
        assert all(said == shown for said, shown in told), "and is the one beside the curve"
        told.clear()


def worse(rate: float, advised: float = 0.002) -> RunView:
    """A run whose loss has gone up at a learning rate."""
    steps = [step(n, 1.0 + n).model_copy(update={"lr": rate}) for n in range(1, 13)]
    estimated = ev.Estimated(
        trainable=1, memory_gb=1, seconds_low=1, seconds_high=9, advised_rate=advised
    )
    done = ev.Finished(step=12, seconds=9, memory_gb=1)
    checks = [checked(0, 1.4), *steps[:6], checked(6, 5.0), *steps[6:], checked(12, 9.0)]
    return fold_events([estimated, started(steps=12), *checks, done])


def test_a_run_that_got_worse_ends_as_that_and_advises_one_rate() -> None:
    view = worse(1.0)
    said = coach.describe_run(view, RunState.FINISHED)
    assert view.got_worse and said.tone == "bad" and said.title == "Finished, worse than before"
    assert "(0.002)" in said.action, "not a tenth of a rate that is 500 times the advised one"
    assert "(0.0001)" in coach.describe_run(worse(0.001), RunState.FINISHED).action


def test_more_right_answers_are_not_worse_whatever_the_loss() -> None:
    """A loss may rise with a few wrong labels that are given with more certainty."""
    labels = [checked(0, 0.5), checked(4, 0.6)]
    pairs = zip(labels, (0.4, 0.9), strict=True)
    right = [one.model_copy(update={"accuracy": share}) for one, share in pairs]
    assert fold_events([started(), *labels]).got_worse
    assert not fold_events([started(), *right]).got_worse


def test_a_run_waits_for_what_really_works() -> None:
    assert coach.describe_waiting("").title == "Starting"
    assert "when tickets is done" in coach.describe_waiting("tickets").text
