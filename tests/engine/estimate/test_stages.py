"""The stages of a run until it trains: which are done, how long they took and should take."""

from __future__ import annotations

import pytest

from engine.estimate.stages import Stage, stages_of
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store import events as ev
from engine.store.run_view import RunView, fold_events
from engine.store.stage_times import STAGE_TEXTS
from tests.conftest import idle, wait_for
from tests.engine.store.test_run_view import started, step
from tests.fake_backend import FakeBackend

START, READ, LOAD, TEST = (
    text for text, stage in STAGE_TEXTS.items() if stage in ("start", "read", "load", "test")
)
LAYOUT = {"batch": 16, "accumulation": 1, "checkpointing": False}


def seen_at(*moments: tuple[float, ev.Event]) -> RunView:
    """What events say that came at these seconds."""
    return fold_events(event.model_copy(update={"time": time}) for time, event in moments)


def phase(text: str, named: bool = True) -> ev.Phase:
    """A phase as it is reported now, or as it was before phases had a name."""
    return ev.Phase(text=text, stage=STAGE_TEXTS[text] if named else "")


def begun(named: bool = True, pace: float = 1.0) -> list[tuple[float, ev.Event]]:
    """A run until its first step; ``pace``: how many times as long everything takes."""
    moments: list[tuple[float, ev.Event]] = [
        (0, phase(START, named)),
        (1, phase(READ, named)),
        (3, phase(LOAD, named)),
        (6, phase(TEST, named)),
        (6, ev.Proving(length=60, **LAYOUT)),
        (9, ev.Proved(memory_gb=1, seconds=1)),
        (10, started()),
        (15, step(1)),
    ]
    return [(100 + pace * time, event) for time, event in moments]


@pytest.mark.parametrize("named", [True, False], ids=["now", "as an older version wrote it"])
def test_a_run_that_has_begun_to_train(named: bool) -> None:
    found = stages_of(seen_at(*begun(named)), now=200)
    assert found == [
        Stage("Starting", "done", 1, None),
        Stage("Reading the examples", "done", 2, None),
        Stage("Loading the model", "done", 3, None),
        Stage("Testing memory", "done", 4, None),
        Stage("First check", "done", 5, None),
    ]


def test_one_that_is_on_its_way_and_what_earlier_ones_took() -> None:
    earlier = [seen_at(*begun(pace=pace)) for pace in (2, 10, 3)]
    found = stages_of(seen_at(*begun()[:3]), earlier, now=104.5)
    assert [one.state for one in found] == ["done", "done", "now", "to come", "to come"]
    assert [one.seconds for one in found] == [1, 2, 1.5, 0, 0]
    assert [one.expected_seconds for one in found] == [3, 6, 9, 12, 15]


def test_one_that_still_waits_in_the_queue() -> None:
    found = stages_of(RunView(), [seen_at(*begun())], now=1)
    assert [one.state for one in found] == ["to come"] * 5
    assert [one.expected_seconds for one in found] == [1, 2, 3, 4, 5]


def test_one_that_ended_on_its_way() -> None:
    found = stages_of(seen_at(*begun()[:3], (105, ev.Failed(text="no"))))
    assert [one.state for one in found] == ["done", "done", "stopped", "to come", "to come"]
    assert found[2].seconds == 0, "nobody knows how long it went on"


def test_a_run_that_continues_tests_and_checks_nothing_again() -> None:
    saved = (120, ev.Saved(step=1, best=True))
    again = [(200, phase(START)), (201, phase(READ))]
    found = stages_of(seen_at(*begun(), saved, *again), now=202)
    assert [(one.name, one.state) for one in found] == [
        ("Starting", "done"),
        ("Reading the examples", "now"),
        ("Loading the model", "to come"),
    ]
    resumed = seen_at(*begun(), saved, *again, (205, phase(LOAD)), (207, started(resumed_from=1)))
    assert [(one.state, one.seconds) for one in stages_of(resumed, now=300)] == [
        ("done", 1), ("done", 4), ("done", 2),
    ]  # fmt: skip


def test_one_that_was_killed_early_begins_anew_with_a_check() -> None:
    """Its layout has fitted, so memory is not tested again."""
    found = stages_of(seen_at(*begun(), (200, phase(START))), now=201)
    names = [one.name for one in found]
    assert names == ["Starting", "Reading the examples", "Loading the model", "First check"]
    smaller = ev.SteppedDown(why="memory", batch=8, accumulation=2, checkpointing=False)
    found = stages_of(seen_at(*begun(), (190, smaller), (200, phase(START))), now=201)
    assert "Testing memory" in [one.name for one in found], "the smaller layout has not fitted yet"


def test_one_that_waits_for_another_process_on_the_device() -> None:
    wait = ev.Phase(text="Waiting for another run on this machine.", stage="wait")
    found = stages_of(seen_at((0, phase(START)), (1, wait), (5, phase(READ))), now=6)
    assert [(one.name, one.seconds) for one in found[:3]] == [
        ("Starting", 1), ("Waiting for another run on this machine", 4), ("Reading the examples", 1)
    ]  # fmt: skip


def test_the_engine_knows_what_earlier_runs_took(home) -> None:
    engine = Engine(home, FakeBackend(steps=2, seconds=0.2))
    spec = specs.make_spec({"data": {"source": "sample:pirate"}})
    for _ in range(2):
        run = engine.start(spec)
        wait_for(run, lambda run: run.view().ended and idle(run))
    loading, check = engine.stages(run.id)
    assert (loading.name, check.name) == ("Loading the model", "First check")
    assert check.state == "done" and check.seconds >= 0.2 <= check.expected_seconds
    engine.close()
