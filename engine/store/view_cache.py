"""Views of runs that grow with their event files: asking again reads only the new events.

Shared by the whole process: the page's panels, its tables and the engine. Bounded by the steps
that it holds.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple

from engine.store.event_log import read_events
from engine.store.run_view import RunView, fold_events

STEPS_HELD = 200_000  # of all views together: about 13 MB
READ_BYTES = 2**18  # at once
TAIL_BYTES = 64  # before the offset; they tell whether the file is still the same one


class _CachedView(NamedTuple):
    view: RunView
    offset: int
    tail: bytes


class ViewCache:
    """Views by event file, the least recently asked for first."""

    def __init__(self) -> None:
        self._known: dict[Path, _CachedView] = {}
        self._lock = threading.Lock()

    def view(self, file: Path) -> RunView:
        """The run as it is now; a copy, which later events do not change."""
        with self._lock:
            known = self._known.pop(file, None)
            # The file may have been replaced by another.
            if known is None or _read_tail(file, known.offset) != known.tail:
                known = _CachedView(RunView(), 0, b"")
            view, offset = known.view, known.offset
            while True:  # in pieces: as objects, the events of a long run are many times its file
                fresh, end = read_events(file, offset, READ_BYTES)
                if end == offset:
                    break
                offset = end
                fold_events(fresh, view)
            self._known[file] = _CachedView(view, offset, _read_tail(file, offset))
            held = sum(len(one.view.steps) for one in self._known.values())
            while held > STEPS_HELD and len(self._known) > 1:
                held -= len(self._known.pop(next(iter(self._known))).view.steps)
            return view.copy()


def _read_tail(file: Path, offset: int) -> bytes:
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, offset - TAIL_BYTES))
            return opened.read(min(TAIL_BYTES, offset))
    except OSError:
        return b""


VIEWS = ViewCache()
