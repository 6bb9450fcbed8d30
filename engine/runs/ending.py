"""Ending a run: a mark that its worker obeys, force, or a waiting job that leaves the queue."""

from __future__ import annotations

from typing import Literal

from engine.errors import RunError
from engine.process.end import end_process
from engine.store import events as ev
from engine.store import heartbeat
from engine.store.files import write_whole
from engine.store.run_dir import RunDir

EndRequest = Literal["keep", "pause", "cancel"]


def request_end(run: RunDir, how: EndRequest) -> None:
    """Make a worker end, or take a waiting job off the queue; RunError where it does neither."""
    job, alive = run.queued, run.alive
    if not alive and not job:
        raise RunError(f"'{run.name}' is not running: it is {run.state().value}.")
    write_whole(run.stop_mark, how)
    if alive:
        return
    # Whoever takes the queue mark away decides: a worker that has just done so sees the stop mark.
    try:
        run.queue_mark.unlink()
    except FileNotFoundError:
        return
    run.stop_mark.unlink(missing_ok=True)
    view = run.view()
    if job == "score":
        run.emit(ev.Warned(text="It was taken out of the queue before it began."))
    elif job == "train" and view.ended is None:  # a run that had ended before is what it was
        cancelled = ev.Stopped(step=view.step, kept=False)
        run.emit(ev.Paused(step=view.step) if how == "pause" else cancelled)


def end_now(run: RunDir, why: Literal["end", "limit"] = "end") -> None:
    """End a worker at once, with force where it does not obey; a waiting job leaves the queue.

    What came after its last checkpoint is lost. Raises RunError where nothing works or waits.
    """
    if not run.alive:
        request_end(run, "cancel")
        return
    sign = heartbeat.read_sign(run.path)
    process = heartbeat.process_of(sign) if sign else None
    if process is None:
        raise RunError(
            f"The process of '{run.name}' cannot be found on this machine. Wait a moment, then try "
            "again; restarting the machine ends it in any case."
        )
    write_whole(run.stop_mark, why)
    end_process(process)
