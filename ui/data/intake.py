"""Taking data in: what the page shows while a thread works, and the new dataset in the lists."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from engine.data import datasets
from engine.errors import HoneError
from engine.text import OnProgress
from ui import form
from ui.context import Context
from ui.handlers import Updates
from ui.text import line, status_box

SlowWork = Callable[[OnProgress, threading.Event], Any]  # is to end when the event is set
STILL = ""  # nothing new is known
STILL_SECONDS = 1.0


@dataclass(frozen=True)
class IntakeWidgets:
    """The list of datasets, and the widgets that show how adding one goes."""

    source: Component
    problem: gr.HTML
    preview: gr.HTML


class Done(NamedTuple):
    """What slow work returned."""

    value: Any


def run_with_progress(work: SlowWork) -> Iterator[str | Done]:
    """Run slow work in a thread; yields its progress, then its result. Raises what it raises.

    What has nothing new to say yields an empty text each second: when the page has gone, Gradio
    closes a generator where it yields, and then the work is stopped, too.
    """
    reports: queue.Queue[str | Done | Exception] = queue.Queue()
    stop = threading.Event()

    def run_work() -> None:
        try:
            reports.put(Done(work(reports.put, stop)))
        except Exception as error:
            reports.put(error)

    threading.Thread(target=run_work, daemon=True).start()
    try:
        while True:
            try:
                report = reports.get(timeout=STILL_SECONDS)
            except queue.Empty:
                yield STILL
                continue
            if isinstance(report, Exception):
                raise report
            yield report
            if isinstance(report, Done):
                return
    finally:
        stop.set()


def take_in(
    ctx: Context, shown: IntakeWidgets, box: Component | None, work: SlowWork
) -> Iterator[Updates]:
    """Show the progress of ``work``, then choose the dataset it made and empty ``box``."""
    emptied: Updates = {box: None} if box else {}
    try:
        for report in run_with_progress(work):
            if isinstance(report, Done):
                chosen = gr.update(choices=dataset_choices(ctx), value=report.value)
                hidden = gr.update(visible=False)
                yield {shown.source: chosen, shown.problem: hidden, **emptied}
            else:
                yield {shown.problem: wait_line(report) if report else gr.skip()}
    except HoneError as error:
        refused = status_box("bad", "This cannot be used as it is", str(error))
        yield {shown.problem: gr.update(value=refused, visible=True), **emptied}


def wait_line(text: str) -> Any:
    """A line that says what is going on."""
    return gr.update(value=line(text, "wait"), visible=True)


def sample_choices() -> list[tuple[str, str]]:
    """(label, source) of every sample, which all visitors have."""
    return [(label, source) for source, label in datasets.list_samples()]


def dataset_choices(ctx: Context) -> list[tuple[str, str]]:
    """(label, source) of every dataset."""
    return [(label, source) for source, label in datasets.list_datasets(ctx.engine.store)]


def held_out_choices(ctx: Context) -> list[tuple[str, str]]:
    """What can be held out: a share of the data, or another dataset."""
    return [form.SHARE_CHOICE, *dataset_choices(ctx)]
