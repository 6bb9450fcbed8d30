"""What Hone changes in Gradio's queue, which has no public door."""

from __future__ import annotations

import sys
from typing import Any

import gradio as gr

# Seconds between two looks of an idle queue. Gradio's own are 0.001 and 0.01, which cost 5 % of a
# core in an app that nobody uses; on Windows it takes 0.05 itself, which still costs 0.8 %.
EVENTS_PAUSE = 0.1
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
