"""Whose a session is: the names that pages choose for themselves belong to who uses them first.

Gradio keeps the state of a page and its answers under a ``session_hash`` that the page makes up,
and asks nobody whose it is. So the first owner to name one is the only one to use it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

MOST_OF_AN_OWNER = 2000  # names kept for an owner; his oldest go first, nobody else's
MOST_OWNERS = 10_000  # whoever has not been here for longest goes first


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
