"""What Hone changes in Gradio's server that has no public door: its queue, and what it keeps."""

from __future__ import annotations

import sys
from copy import copy
from datetime import datetime
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

# Seconds between two looks of an idle queue. Gradio's own are 0.001 and 0.01, which cost 5 % of a
# core in an app that nobody uses; on Windows it takes 0.05 itself, which still costs 0.8 %.
EVENTS_PAUSE = 0.1
CLOSED_SECONDS = 120.0  # after which a page that was closed is forgotten
PROGRESS_PAUSE = 1.0  # Hone has no progress bars of Gradio's


def spare_processor(blocks: gr.Blocks) -> None:
    """Leave out what a page that is not served yet would do for nobody.

    For its monitoring page, which Hone does not serve, Gradio sums up the last 10,000 events after
    each event: a third of what a page costs, and more the longer the app runs.
    """
    queue = blocks._queue
    queue.sleep_when_free = EVENTS_PAUSE
    queue.progress_update_sleep_when_free = PROGRESS_PAUSE
    queue.ANALYTICS_MAX_EVENTS, queue.ANAYLTICS_CACHE_FREQUENCY = 1, sys.maxsize


def waiting_requests(blocks: gr.Blocks) -> list[Any]:
    """The requests of all events that are in the queue and have not begun."""
    queues = blocks._queue.event_queue_per_concurrency_id.values()
    return [event.request for one in queues for event in one.queue]


class PageState(SessionState):  # type: ignore[misc]  # to mypy, Gradio is Any
    """What the server keeps of an open page, without a description of each of its components.

    Gradio makes these for links to a state, which Hone does not serve: 1.4 MB for each page, kept
    for good, and half the processor time of a page that opens.
    """

    def __init__(self, blocks: gr.Blocks) -> None:
        self.blocks_config = copy(blocks.default_config)
        self.config_values = _Nothing()
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = 3600  # seconds

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class PageStates(StateHolder):  # type: ignore[misc]  # to mypy, Gradio is Any
    """The states of all open pages; one that is closed is forgotten soon.

    Gradio keeps 10,000. A page that comes back after that, from a machine that slept, is filled
    again as its channel opens (ui.push).
    """

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = PageState(self.blocks)
        return super().__getitem__(session_id)

    def reopen(self, session_id: str) -> None:
        """A page is there again, if its connection was lost for a moment."""
        if session_id in self.session_data:
            self.session_data[session_id].is_closed = False

    def delete_all_expired_state(self) -> None:
        """Forget what belongs to nobody any more; Gradio asks for it each second."""
        now = datetime.now()
        for session_id, state in list(self.session_data.items()):
            unused = now - self.time_last_used.get(session_id, now)
            if state.is_closed and unused.total_seconds() > CLOSED_SECONDS:
                self.session_data.pop(session_id, None)
                self.time_last_used.pop(session_id, None)


class _Nothing(dict[int, Any]):
    """Keeps nothing."""

    def __setitem__(self, key: int, value: Any) -> None:
        pass
