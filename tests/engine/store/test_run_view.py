"""Events and their fold: states, half-written lines, continued runs, and the coach's sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.coach import coach
from engine.store import events as ev
from engine.store.event_log import append_event, read_events
from engine.store.run_view import RunState, RunView, fold_events


def started(**changes) -> ev.Started:
    values = {
        "pid": 1, "device": "CPU", "precision": "fp32", "trainable": 1, "total": 2, "steps": 10,
        "epochs": 1, "rows": 8, "held_out": 2, "tokens": 80, "learned": 30, "cut": 0,
    }  # fmt: skip
    return ev.Started(**(values | changes))


def step(number: int, loss: float = 1.0) -> ev.Step:
    return ev.Step(
        step=number,
        epoch=0,
        loss=loss,
        lr=1e-3,
        tokens=number * 10,
        seconds=number * 2,
        memory_gb=1,
    )


def checked(number: int, loss: float) -> ev.Evaluated:
    return ev.Evaluated(step=number, loss=loss, seconds=1)


DONE = ev.Finished(step=10, seconds=1, memory_gb=1)


@pytest.mark.parametrize(
    ("events", "alive", "queued", "state"),
    [
        ([], False, True, RunState.QUEUED),
        ([], True, False, RunState.PREPARING),
        ([ev.Phase(text="Loading the model.")], True, False, RunState.PREPARING),
        ([started(), step(1)], True, False, RunState.TRAINING),
        ([started(), step(1)], False, False, RunState.INTERRUPTED),
        ([started(), step(1), ev.Stopped(step=1, kept=True)], False, False, RunState.STOPPED),
        ([started(), step(1), ev.Stopped(step=1, kept=False)], False, False, RunState.CANCELLED),
        ([started(), ev.Failed(text="x")], False, False, RunState.FAILED),
        ([started(), DONE], False, False, RunState.FINISHED),
        ([started(), DONE, ev.Merging(precision="fp32")], True, False, RunState.FINISHED),
        ([started(), ev.Stopped(step=1, kept=True), ev.Phase(text="again")],
         True, False, RunState.PREPARING),
        ([started(), ev.Stopped(step=1, kept=True)], False, True, RunState.QUEUED),
        ([started(), ev.Stopped(step=1, kept=True), ev.Merging(precision="bf16"),
          ev.Phase(text="after a kill")], True, False, RunState.PREPARING),
    ],
)  # fmt: skip
def test_state_follows_lock_queue_and_events(
    events, alive: bool, queued: bool, state: RunState
) -> None:
    assert fold_events(events).state(alive, queued) == state


def test_a_new_best_version_is_not_merged_yet() -> None:
    merged = ev.Merged(ok=True, precision="fp32")
    view = fold_events(
        [started(), ev.Saved(step=2, best=True), merged, ev.Saved(step=3, best=False)]
    )
    assert view.merged == {"fp32": merged}
    assert fold_events([ev.Saved(step=4, best=True)], view).merged == {}


def test_a_question_that_is_asked_again_at_the_same_step_is_shown_once() -> None:
    first, again = (ev.Sampled(step=0, prompt="Hi", reply=reply) for reply in "ab")
    assert fold_events([started(), first, started(), again]).samples == [again]


def test_without_held_out_rows_no_check_is_promised() -> None:
    said = coach.describe_run(
        fold_events([started(held_out=0), *[step(n) for n in range(1, 6)]]), RunState.TRAINING
    )
    assert "Nothing is held out" in said.text


def test_a_cancelled_run_does_not_contradict_itself() -> None:
    ended = ev.Stopped(step=6, kept=False)
    nothing = coach.describe_run(fold_events([started(), step(1), ended]), RunState.CANCELLED).text
    some = coach.describe_run(
        fold_events([started(), step(1), ev.Saved(step=5, best=True), ended]), RunState.CANCELLED
    ).text
    assert nothing == "Nothing has been saved yet."
    assert (
        some == "Steps after the last check were not saved. Everything up to step 5 of 10 is kept."
    )


def test_a_continued_run_forgets_what_lay_beyond_its_checkpoint() -> None:
    view = fold_events(
        [started(), checked(0, 3.0), *[step(n) for n in range(1, 6)], checked(4, 2.0)]
    )
    fold_events([started(resumed_from=2), step(3, 0.5)], view)
    assert list(view.steps) == [1, 2, 3]
    assert list(view.losses) == [1.0, 1.0, 0.5]
    assert [check.step for check in view.checks] == [0]
    assert view.attempt == 2


def test_speed_after_a_cut_back_is_never_negative() -> None:
    view = fold_events(
        [started(), *[step(n) for n in range(1, 6)], started(resumed_from=2), step(3)]
    )
    assert list(view.speeds) == [5.0, 5.0, 5.0]


def test_reading_goes_on_where_it_stopped_and_waits_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append_event(path, step(1))
    first, offset = read_events(path)
    with path.open("ab") as file:
        file.write(b'{"v":1,"kind":"st')
    assert [e.step for e in first] == [1]
    assert read_events(path, offset) == ([], offset)
    append_event(path, step(2))  # the half-written line of a killed worker is closed, then skipped
    assert [e.step for e in read_events(path, offset)[0]] == [2]


@given(st.binary(max_size=400))
def test_reading_never_raises(tmp_path_factory, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    path.write_bytes(junk)
    events, offset = read_events(path)
    assert 0 <= offset <= len(junk)
    fold_events(events)


def test_coach_names_what_it_compares_with() -> None:
    view = fold_events(
        [started(), checked(0, 4.0), step(1), checked(1, 3.0), step(2), checked(2, 1.0)]
    )
    said = coach.describe_run(view, RunState.TRAINING)
    assert said.title == "Learning well"
    assert "down 75 %" in said.text and "from 4.000 to 1.000" in said.text


def test_coach_sees_memorising_and_no_progress() -> None:
    events = [started(steps=80, rows=4000), checked(0, 4.0)]
    for number in range(1, 61):
        events.append(step(number, 3.0 * 0.95**number))
        if number % 10 == 0:
            events.append(
                checked(number, {10: 1.5, 20: 1.0, 30: 1.1, 40: 1.2, 50: 1.3, 60: 1.4}[number])
            )
    said = coach.describe_run(fold_events(events), RunState.TRAINING)
    assert said.title == "Starting to memorise"
    assert "best at step 20 (1.000) and is 1.400 now" in said.evidence
    assert said.action.startswith("You can stop now")
    done = coach.describe_run(fold_events([*events, DONE]), RunState.FINISHED)
    assert done.tone == "warn"
    assert "starting to memorise" in done.text.lower()
    assert "stop now" not in done.action
    assert (
        coach.describe_run(
            fold_events([started(), checked(0, 1.0), checked(1, 1.5)]), RunState.TRAINING
        ).title
        == "Not better yet"
    )


def test_coach_has_a_sentence_for_every_state() -> None:
    for state in RunState:
        said = coach.describe_run(RunView(), state)
        assert said.title and said.text.strip()
