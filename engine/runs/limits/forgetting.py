"""Removes owners some hours after their last sign of life, with all that is theirs."""

from __future__ import annotations

import time

from engine.errors import LOG
from engine.store.workspace import Store

FORGET_POLL_SECONDS = 60.0


class Forgetter:
    """Looks now and then for owners who have not come back.

    How long somebody has been away is counted by a clock that nobody sets: the machine's own may
    jump, and that must cost no visitor his work.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._seen: dict[str, tuple[float, float]] = {}  # owner -> time of the mark, steady time

    def remove_unseen(self) -> list[str]:
        """Remove whoever was away for too long and has no run that works or waits."""
        gone = []
        for owner in self.store.all_owners():
            own = self.store.for_owner(owner)
            if self._seconds_away(own) < 3600 * self.store.limits.forget_hours:
                continue
            if any(run.is_busy for run in own.all_runs()):
                continue
            try:
                own.remove_owner()
            except OSError:
                LOG.exception("an owner's files could not be removed")
                continue
            del self._seen[owner]
            gone.append(owner)
        return gone

    def _seconds_away(self, own: Store) -> float:
        marked, now = own.last_seen(), time.monotonic()
        known = self._seen.get(own.owner)
        if known is None:  # from before this process
            self._seen[own.owner] = (marked, now - max(0.0, time.time() - marked))
        elif known[0] != marked:
            self._seen[own.owner] = (marked, now)
        return now - self._seen[own.owner][1]
