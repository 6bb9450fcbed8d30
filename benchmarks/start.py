"""How long the default run takes from Start to each thing that is seen: ``python -m
benchmarks.start [--tries N]`` prints a table.

The page's own way, without a browser: the sample that is selected first, the model that is selected
first, looked at before anybody presses Start. Each try begins in a workspace of its own ("new") and
starts a second run in the same one ("again"). What others do on the machine falls on both, so the
smallest and the median of several tries are printed, and the processor time of the worker beside
the seconds by the clock.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import psutil

from engine.errors import RunError
from engine.runs.engine import Engine
from engine.spec.run import RunSpec
from engine.store import events as ev
from engine.store.event_log import read_events
from engine.store.run_dir import RunDir
from ui.context import Context
from ui.train.fill_form import suited_spec

LOOK_SECONDS = 0.02
READY_SECONDS = 60.0  # that a process which waits for a run may take to be ready
PLANNED, STEP, CHANGED = "queued", "first step", "first changed reply"
ENDED, KNOWN = "ended", "its end is known"
Moments = dict[str, tuple[float, float]]  # seconds by the clock, and of the processor, since Start


def main() -> int:
    """Print the smallest and the median seconds of all tries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--cold", action="store_true", help="no worker waits for the run")
    given = parser.parse_args()
    tries = given.tries
    found: dict[str, list[Moments]] = defaultdict(list)
    for number in range(1, tries + 1):
        with tempfile.TemporaryDirectory(prefix="hone-") as home:
            engine = Engine(Path(home) / "workspace")
            if not given.cold:
                engine.keep_spare()
            try:
                for name in ("new", "again"):
                    found[name].append(measure(engine))
                    print(f"try {number}, {name}: {describe(found[name][-1])}", flush=True)
            finally:
                engine.close()
    for name, moments in found.items():
        print_table(name, moments)
    return 0


def measure(engine: Engine) -> Moments:
    """Start the default run as the page does, and watch it to its end."""
    ctx, spec = Context(engine), suited_spec(RunSpec().data.source)
    ctx.load_model(spec.model.source)
    ctx.count_tokens(spec.model.source, ctx.prepare(spec.data), spec.data)
    engine.estimate_time(ctx.plan(spec), measure=True)
    wait_for_spare(engine)
    pid = engine.spare.pid if engine.spare else 0
    before = used_by(pid)
    began = time.time()
    run = engine.start_plan(ctx.plan(spec, wait=True))
    return {PLANNED: (time.time() - began, 0.0)} | watch(engine, run, began, pid, before)


def wait_for_spare(engine: Engine) -> None:
    """Wait as somebody does who reads the page before he presses Start."""
    end, before = time.monotonic() + READY_SECONDS, -1.0
    while engine.spare and time.monotonic() < end:
        time.sleep(1)
        if engine.spare.pid:
            times = psutil.Process(engine.spare.pid).cpu_times()
            if times.user + times.system == before:
                return  # it has loaded all that it loads
            before = times.user + times.system


def watch(engine: Engine, run: RunDir, began: float, pid: int, before: float) -> Moments:
    """When each event came first; ``pid``, ``before``: of the worker that waited, and its time."""
    found: Moments = {}
    offset, cpu, first_replies = 0, 0.0, dict[str, str]()
    while run.queued or run.alive or engine.supervisor.at_work:
        events, offset = read_events(run.events_file, offset)
        pid = pid or find_worker(run)
        cpu = max(cpu, used_by(pid) - before)
        for event in events:
            if isinstance(event, ev.Sampled):
                changed = first_replies.setdefault(event.prompt, event.reply) != event.reply
            else:
                changed = False
            for name in names_of(event, changed):
                found.setdefault(name, (event.time - began, cpu))
        time.sleep(LOOK_SECONDS)
    found[KNOWN] = (time.time() - began, cpu)
    if not isinstance(run.view().ended, ev.Finished):
        raise RunError("The run did not finish: " + run.log.read_text(encoding="utf-8"))
    return found


def names_of(event: ev.Event, changed: bool) -> list[str]:
    """What an event is called in the table; nothing for those that are not in it."""
    if isinstance(event, ev.Phase):
        return [event.text.rstrip(".")]
    if isinstance(event, ev.Sampled):
        return [CHANGED] * changed or ["first reply"]
    if isinstance(event, ev.Started):
        return ["first check begins"]
    if isinstance(event, ev.Evaluated):
        return ["first check measured"]
    if isinstance(event, ev.Step):
        return [STEP]
    return [ENDED] if isinstance(event, ev.Finished) else []


def find_worker(run: RunDir) -> int:
    """The process that was started for a run; 0 where there is none yet."""
    for process in psutil.Process().children():
        with suppress(psutil.Error):
            if str(run.path) in process.cmdline():
                return process.pid
    return 0


def used_by(pid: int) -> float:
    """Seconds of processor time of a process; 0 where there is none."""
    with suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times() if pid else None
        return float(times.user + times.system) if times else 0.0
    return 0.0


def describe(moments: Moments) -> str:
    """One try in a line."""
    picked = (STEP, CHANGED, ENDED)
    parts = (f"{name} {moments[name][0]:.1f} s (CPU {moments[name][1]:.1f})" for name in picked)
    return f"{', '.join(parts)}; load {os.getloadavg()[0]:.1f}"


def print_table(title: str, tries: list[Moments]) -> None:
    """Each moment with the smallest and the median of the tries."""
    print(f"\n{title}\n| since Start | smallest s | median s | CPU s |\n|---|---|---|---|")
    for name in sorted(tries[0], key=lambda name: tries[0][name][0]):
        seen = [one[name] for one in tries if name in one]
        seconds, cpu = [one[0] for one in seen], min(one[1] for one in seen)
        print(f"| {name} | {min(seconds):.1f} | {statistics.median(seconds):.1f} | {cpu:.1f} |")


if __name__ == "__main__":
    sys.exit(main())
