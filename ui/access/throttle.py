"""Slows down whoever guesses passwords, by the name that is tried and by address."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

FREE_ATTEMPTS = 5  # before anybody has to wait
FIRST_WAIT, LONGEST_WAIT = 5.0, 900.0  # seconds; each further attempt doubles the wait
LONGEST_BY_NAME = 30.0  # seconds, whoever tried: a stranger must not keep a user out
FORGOTTEN_AFTER = 3600.0  # seconds without an attempt
MOST_KEYS = 10_000  # the oldest are forgotten first


class Throttle:
    """Counts attempts; safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._attempts: OrderedDict[str, tuple[int, float]] = OrderedDict()  # count, last
        self._lock = threading.Lock()

    def begin(self, name: str, address: str) -> float:
        """Count an attempt, before it is known how it ends; else the seconds to wait for one."""
        keys = _keys_of(name, address)
        with self._lock:
            now = self._clock()
            wait = max(self._wait_of(key, now, longest) for key, longest in keys.items())
            if wait > 0:
                return wait
            for key in keys:
                count, _ = self._attempts_of(key, now)
                self._attempts[key] = (count + 1, now)
                self._attempts.move_to_end(key)
            while len(self._attempts) > MOST_KEYS:
                self._attempts.popitem(last=False)
        return 0.0

    def succeed(self, name: str, address: str) -> None:
        """Forget the attempts before one that was right."""
        with self._lock:
            for key in _keys_of(name, address):
                self._attempts.pop(key, None)

    def _attempts_of(self, key: str, now: float) -> tuple[int, float]:
        count, last = self._attempts.get(key, (0, now))
        return (0, now) if now - last > FORGOTTEN_AFTER else (count, last)

    def _wait_of(self, key: str, now: float, longest: float) -> float:
        count, last = self._attempts_of(key, now)
        if count < FREE_ATTEMPTS:
            return 0.0
        wait = min(longest, FIRST_WAIT * 2.0 ** min(count - FREE_ATTEMPTS, 20))
        return max(0.0, last + wait - now)


def _keys_of(name: str, address: str) -> dict[str, float]:
    """What an attempt is counted by, each with the longest wait that it makes."""
    return {
        f"from {address}": LONGEST_WAIT,
        f"from {address} for {name}": LONGEST_WAIT,
        f"for {name}": LONGEST_BY_NAME,
    }
