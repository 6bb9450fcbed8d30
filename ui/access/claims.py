"""Whose a session is, and how many pages one owner has open.

Gradio keeps the state of a page and its answers under a ``session_hash`` that the page makes up,
and asks nobody whose it is. So the first owner to name one is the only one to use it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from ui.access.messages import Refused

MOST_OF_AN_OWNER = 2000  # names kept for an owner; his oldest go first, nobody else's
MOST_OWNERS = 10_000  # whoever has not been here for longest goes first
# Of all owners: Gradio forgets the messages of the oldest of 2,000 pages, even of one that waits.
MOST_PAGES = 1500
IDLE_PAGE = 600.0  # seconds without a request, after which a page gives way to a new one
TOO_MANY_PAGES = "Too many pages are open. Close some; after ten minutes you can open another."


class Claims:
    """Names and the owner of each; safe to use from several threads."""

    def __init__(self, most: int = MOST_OF_AN_OWNER) -> None:
        self._most = most
        self._owners: dict[str, str] = {}
        self._names: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._lock = threading.Lock()

    def claim(self, kind: str, name: str, owner: str) -> bool:
        """Take a name for an owner; False where it is another's."""
        key = f"{kind} {name}"
        with self._lock:
            if self._owners.setdefault(key, owner) != owner:
                return False
            own = self._names.setdefault(owner, OrderedDict())
            self._names.move_to_end(owner)
            own[key] = None
            own.move_to_end(key)
            while len(own) > self._most:
                oldest, _ = own.popitem(last=False)
                del self._owners[oldest]
            while len(self._names) > MOST_OWNERS:
                _, gone = self._names.popitem(last=False)
                for key in gone:
                    del self._owners[key]
        return True

    def holds(self, kind: str, name: str, owner: str) -> bool:
        """Whether a name is this owner's already."""
        with self._lock:
            return self._owners.get(f"{kind} {name}") == owner


class OpenPages:
    """The sessions that are in use, fewer than Gradio keeps; safe to use from several threads.

    ``most_each``: of one owner.
    """

    def __init__(self, most_each: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_each, self._clock = most_each, clock
        self._pages: OrderedDict[str, tuple[str, float]] = OrderedDict()  # owner, last request
        self._lock = threading.Lock()

    def enter(self, session: str, owner: str) -> None:
        """Note a request of a page; raises Refused where it is new and there is no room."""
        with self._lock:
            now = self._clock()
            if session not in self._pages:
                self._make_room(owner, now)
            self._pages[session] = (owner, now)
            self._pages.move_to_end(session)

    def _make_room(self, owner: str, now: float) -> None:
        own = [name for name, (one, _) in self._pages.items() if one == owner]
        if len(own) >= self._most_each:
            self._drop(own[0], now)
        elif len(self._pages) >= MOST_PAGES:
            self._drop(next(iter(self._pages)), now)

    def _drop(self, oldest: str, now: float) -> None:
        if now - self._pages[oldest][1] < IDLE_PAGE:
            raise Refused(TOO_MANY_PAGES, 429)
        del self._pages[oldest]
