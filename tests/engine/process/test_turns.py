"""At most so many processes read data at once; the others wait and are told so."""

from __future__ import annotations

import threading
import time

import pytest

from engine.errors import DataError
from engine.process import oneshot
from engine.process.oneshot import READERS, WAITING, take_turn
from engine.store.workspace import Store


def test_the_third_waits_and_reads_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oneshot, "TURN_SECONDS", 0.02)
    own, told, most, now = threading.Semaphore(2), [], [], []
    lock = threading.Lock()

    def read() -> None:
        with take_turn(own, told.append) as taken:
            assert taken
            with lock:
                now.append(1)
                most.append(len(now))
            time.sleep(0.1)
            with lock:
                now.pop()

    readers = [threading.Thread(target=read) for _ in range(5)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(10)
    assert max(most) == 2 and len(most) == 5 and set(told) == {WAITING}


def test_who_no_longer_waits_takes_no_turn() -> None:
    own, stop = threading.Semaphore(1), threading.Event()
    with take_turn(own, lambda _: None):
        stop.set()
        with take_turn(own, lambda _: None, stop) as taken:
            assert not taken
    with take_turn(own, lambda _: None) as taken:
        assert taken, "the turn was given back"


def test_a_reader_that_fails_gives_its_turn_back() -> None:
    own = threading.Semaphore(1)
    with pytest.raises(ZeroDivisionError), take_turn(own, lambda _: None):
        _ = 1 / 0
    with take_turn(own, lambda _: None) as taken:
        assert taken


def test_reading_waits_for_its_turn(home, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    stop.set()
    store = Store(home)
    with (
        take_turn(READERS, lambda _: None),
        take_turn(READERS, lambda _: None),
        pytest.raises(DataError, match="stopped before it began"),
    ):
        oneshot.add_dataset_files(store, [], stop=stop)
