"""The order in which runs wait: changed, kept over restarts, the same where times are coarse."""

from __future__ import annotations

import os
import shutil
import threading

import pytest

from engine.errors import RunError
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for
from tests.fake_backend import FakeBackend
from ui.context import Context
from ui.runs import queue

SPEC = specs.make_spec({"data": {"source": "sample:pirate"}})


@pytest.fixture
def asking(home) -> Engine:
    """An engine that looks and asks; nothing is worked on."""
    return Engine(home, FakeBackend(), supervise=False)


def ids(engine: Engine) -> list[str]:
    return [one.run.id for one in engine.queue()]


def started(engine: Engine, count: int) -> list[RunDir]:
    return [
        engine.start(SPEC.model_copy(update={"name": f"run {number}"})) for number in range(count)
    ]


def test_runs_are_moved_and_worked_on_in_that_order_after_a_restart(asking, home) -> None:
    a, b, c, d = (run.id for run in started(asking, 4))
    assert ids(asking) == [a, b, c, d]
    asking.move(d, "first")
    asking.move(a, "down")
    asking.move(c, "up")
    asking.move(d, "up")  # it is the first already
    assert ids(asking) == [d, b, c, a]
    for run_id in (a, b, c, d):  # a file system that tells no finer times
        os.utime(asking.store.run(run_id).queue_mark, (1e9, 1e9))
    engine = Engine(home, FakeBackend(steps=2))
    assert ids(engine)[-3:] == [b, c, a]
    wait_for(asking.store.run(a), lambda run: idle(run) and run.view().ended is not None)
    begun = {run.id: run.view().started.time for run in engine.store.all_runs()}
    assert sorted(begun, key=begun.__getitem__) == [d, b, c, a]
    engine.close()


def test_a_file_that_is_damaged_or_names_others_loses_no_run(asking) -> None:
    runs = started(asking, 3)
    for number, run in enumerate(reversed(runs)):
        os.utime(run.queue_mark, (1e9 + number, 1e9 + number))
    for text in ("[", '{"a": 1}', '[1, "../../etc", "no-such-run"]'):
        (asking.store.home / "queue.json").write_text(text)
        assert ids(asking) == [run.id for run in reversed(runs)], "the oldest mark comes first"
    asking.move(runs[0].id, "first")
    assert ids(asking)[0] == runs[0].id


def test_two_who_change_it_at_once_lose_nothing(asking, home) -> None:
    runs = started(asking, 4)
    other = Engine(home, FakeBackend(), supervise=False)

    def shuffle(engine: Engine, run: RunDir) -> None:
        for number in range(20):
            engine.move(run.id, ("up", "down", "first")[number % 3])

    threads = [
        threading.Thread(target=shuffle, args=(engine, run))
        for engine, run in zip((asking, other, asking, other), runs, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids(asking)) == sorted(run.id for run in runs)


def test_what_does_not_wait_cannot_be_moved_and_that_is_said(asking) -> None:
    (run,) = started(asking, 1)
    with pytest.raises(RunError, match="not a move in the queue"):
        asking.move(run.id, "away")
    asking.cancel(run.id)
    with pytest.raises(RunError, match="'run 0' is no longer waiting: it is cancelled"):
        asking.move(run.id, "up")
    with pytest.raises(RunError, match="There is no run"):
        asking.move("../../etc", "up")


def test_merges_and_scores_wait_too_and_are_taken_out(asking, home) -> None:
    done, waits = started(asking, 2)
    asking.cancel(waits.id)
    assert FakeBackend(steps=2).work(done, "train") == 0
    asking.merge(done.id, "bf16")
    asking.resume(waits.id)
    assert [(one.run.id, one.job) for one in asking.queue()] == [
        (done.id, "merge-bf16"),
        (waits.id, "train"),
    ]
    asking.cancel(done.id)
    assert done.state() == RunState.FINISHED and not done.view().merged
    asking.score(done.id)
    asking.move(done.id, "first")
    asking.cancel(done.id)
    assert "taken out" in done.view().score_problem and done.state() == RunState.FINISHED
    assert ids(asking) == [waits.id]


def test_who_is_taken_out_again_is_what_it_was_before(asking) -> None:
    (run,) = started(asking, 1)
    run.queue_mark.unlink()
    run.emit(ev.Stopped(step=3, kept=True))
    asking.resume(run.id)
    asking.cancel(run.id)
    assert run.state() == RunState.STOPPED


def test_a_run_that_is_put_back_for_want_of_memory_goes_on_first(asking) -> None:
    first, second = started(asking, 2)
    with first.lock.acquire():
        first.queue_mark.unlink()
        third = asking.start(SPEC)  # who is put in meanwhile
        first.queue_mark.write_text("train")  # as the worker does
        assert asking.live()[0].id == first.id
    assert ids(asking) == [first.id, second.id, third.id]


# --- several owners ---


def test_the_owners_take_turns_and_each_keeps_its_own_order(asking) -> None:
    ada, bob = asking.for_owner("ada"), asking.for_owner("bob")
    a = [run.id for run in started(ada, 3)]
    b = [run.id for run in started(bob, 2)]
    own = [run.id for run in started(asking, 1)]
    assert ids(asking) == [a[0], b[0], own[0], a[1], b[1], a[2]]
    assert [(one.run.id, one.place) for one in bob.queue()] == [(b[0], 2), (b[1], 5)]
    bob.move(b[1], "first")
    assert ids(bob) == [b[1], b[0]] and ids(ada) == a


def test_who_has_just_been_served_comes_last(asking) -> None:
    ada, bob = asking.for_owner("ada"), asking.for_owner("bob")
    started(ada, 3)
    served = []
    for number in range(4):
        if number == 1:
            started(bob, 2)
        run = asking.queue()[0].run
        asking._queue.note_turn(run.owner)
        run.queue_mark.unlink()
        served.append(run.owner)
    assert served == ["ada", "bob", "ada", "bob"]


def test_who_comes_back_waits_for_those_who_were_not_served_since(asking) -> None:
    ada, bob, cat = (asking.for_owner(name) for name in ("ada", "bob", "cat"))
    started(ada, 3)
    started(bob, 3)
    started(cat, 1)
    served = []
    for _ in range(6):
        run = asking.queue()[0].run
        asking._queue.note_turn(run.owner)
        run.queue_mark.unlink()
        served.append(run.owner)
        if run.owner != "cat" and not cat.queue():
            started(cat, 1)
    assert served == ["ada", "bob", "cat", "ada", "bob", "cat"]


@pytest.mark.parametrize("text", ["{", "[1, {}]", "\x00", "[" * 10**5])
def test_damaged_turns_lose_no_run(asking, text: str) -> None:
    ada = asking.for_owner("ada")
    (run,), (own,) = started(ada, 1), started(asking, 1)
    (asking.store.root / "turns.json").write_text(text)
    assert sorted(ids(asking)) == sorted([run.id, own.id])
    asking._queue.note_turn("ada")
    assert ids(asking) == [own.id, run.id]


def test_what_an_owner_is_shown_of_others_is_a_place_without_a_name(asking) -> None:
    ada, bob = asking.for_owner("ada"), asking.for_owner("bob")
    (run,), (other,) = started(ada, 1), started(bob, 1)
    shown = queue.queue_list(bob.working_now(), bob.queue(), bob.count_waiting(), "bob")
    assert other.id in shown and "1. another user" in shown and "2. run 0" in shown
    assert run.id not in shown and "ada" not in shown
    seen = queue.queue_list("", asking.queue(), asking.count_waiting(), "")
    assert "1. run 0 (ada)" in seen and "2. run 0 (bob)" in seen and seen.count("data-do") == 2
    with run.lock.acquire():
        assert bob.working_now() == "another user's run" and ada.working_now() == "run 0"
        assert asking.working_now() == "run 0 (ada)"
    assert queue.queue_hint([2], 3).startswith('<p class="line">3 jobs wait. Yours is number 2.')


def test_the_administrator_may_end_what_another_user_trains(asking) -> None:
    (run,) = started(asking.for_owner("ada"), 1)
    run.queue_mark.unlink()
    pages = {owner: Context(asking.for_owner(owner)) for owner in ("", "ada", "bob")}
    with run.lock.acquire():
        shown = {owner: queue.refresh_queue(ctx, "", "")[0] for owner, ctx in pages.items()}
        assert "run 0 (ada)" in shown[""] and f'data-do="halt" data-name="{run.id}"' in shown[""]
        assert not any(isinstance(shown[owner], str) for owner in ("ada", "bob"))
        with pytest.raises(RunError, match="There is no run"):
            queue.change_queue(pages["bob"], "halt", run.id)
        assert not run.end_request
        queue.change_queue(pages[""], "halt", run.id)
    assert run.end_request == "keep"


def test_a_run_of_another_owner_with_the_same_id_is_another_run(asking) -> None:
    ada, bob = asking.for_owner("ada"), asking.for_owner("bob")
    (run,) = started(ada, 1)
    shutil.copytree(run.path, bob.store.runs / run.id)
    assert len(asking.queue()) == 2
    bob.cancel(run.id)
    assert run.queued and [one.run.owner for one in asking.queue()] == ["ada"]
