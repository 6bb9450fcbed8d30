"""Runs that are killed, beside one that is left alone: ``python -m benchmarks.kill`` prints what
they lost.

    python -m benchmarks.kill            50 times kill -9 of the worker: training, saving, merging
    python -m benchmarks.kill --app        20 times kill -9 of the app (benchmarks.kill_app)
    python -m benchmarks.kill --faults   full disks, damaged checkpoints, a loss that is NaN

The model is tiny and all is in 32 bits on the processor, with dropout and accumulation. Every loss
and every batch of every attempt must be that of the undisturbed run, bit for bit. The exit code is
1 where one differs.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from engine.runs.engine import Engine
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.store.run_view import RunState
from tests.conftest import idle, wait_for
from tests.engine.work.train import killed_runs

INTERVAL = 1.0  # seconds from one checkpoint to the next
SETTINGS: dict[str, Any] = {
    "optim": {**killed_runs.OPTIM, "epochs": 60},
    "sampling": {"checks": 10, "save_minutes": INTERVAL / 60},
}
SHARES = {"training": 0.55, "saving": 0.35, "merging": 0.1}  # of all kills


def main() -> int:
    """Print a line for every kill and what they add up to; 1 where anything was lost or differs."""
    parser = argparse.ArgumentParser(description="Kill runs, and see what they lose.")
    parser.add_argument("--times", type=int, default=0, help="how often (50, with --app 20)")
    parser.add_argument("--seed", type=int, default=0, help="decides the moments")
    parser.add_argument("--app", action="store_true", help="kill the app instead of the worker")
    parser.add_argument(
        "--faults", action="store_true", help="spoil disk, checkpoints and losses instead"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hone-kill-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "workspace"
        if options.app:
            from benchmarks.kill_app import kill_apps

            return kill_apps(home, options.times or 20, random.Random(options.seed))
        if options.faults:
            from benchmarks.faults import spoil

            return spoil(home)
        return kill_workers(home, options.times or 50, random.Random(options.seed))


def kill_workers(home: Path, times: int, draw: random.Random) -> int:
    """Kill workers until the shares are met; a run that finishes meanwhile is merged, and another
    one takes over.
    """
    backend = killed_runs.Doomed()
    engine = Engine(home, backend)
    whole = killed_runs.make(engine, **SETTINGS)
    killed_runs.finish(whole)
    alone = whole.view()
    print(
        f"Left alone: {alone.step} steps in {alone.seconds[-1]:.0f} s, "
        f"{len(alone.saved)} checkpoints.",
        flush=True,
    )
    wanted = Counter({kind: round(times * share) for kind, share in SHARES.items()})
    wanted["training"] += times - wanted.total()
    done: Counter[str] = Counter()
    wrong: list[str] = []
    lost: list[tuple[int, float]] = []
    run, offset = killed_runs.make(engine, **SETTINGS), 0
    while any(done[kind] < wanted[kind] for kind in ("training", "saving")):
        kinds = [kind for kind in ("training", "saving") if done[kind] < wanted[kind]]
        kind = kill(run, backend, offset, draw.choice(kinds), draw)
        if not kind:  # it finished before
            wrong += _check(run, whole)
            count = min(2, wanted["merging"] - done["merging"])
            done["merging"] += _kill_merges(engine, run, backend, count, draw, wrong)
            run, offset = killed_runs.make(engine, **SETTINGS), 0
            continue
        step, offset = run.view().step, run.events_file.stat().st_size
        killed_runs.go_on(engine, run)
        lost.append(killed_runs.lost(run, step, _resumed_from(run, offset)))
        done[kind] += 1
        print(
            f"{done.total():3} {kind:8} at step {step:4}: "
            f"{lost[-1][0]:3} steps, {lost[-1][1]:.2f} s again",
            flush=True,
        )
    killed_runs.finish(run)
    wrong += _check(run, whole)
    done["merging"] += _kill_merges(
        engine, run, backend, wanted["merging"] - done["merging"], draw, wrong
    )
    engine.close()
    made = alone.seconds
    slowest = max(after - before for before, after in itertools.pairwise(made))
    print(
        f"Killed {done.total()} times: "
        + ", ".join(f"{count} {kind}" for kind, count in sorted(done.items()))
        + "."
    )
    print(
        f"To make again: {max(steps for steps, _ in lost)} steps and "
        f"{max(seconds for _, seconds in lost):.2f} s at most. A checkpoint every "
        f"{INTERVAL:.0f} s; the slowest step left alone, with check and save, {slowest:.2f} s."
    )
    print(
        "Differences: "
        + ("none; every loss and every batch is the same." if not wrong else "\n".join(wrong))
    )
    return int(bool(wrong))


def kill(
    run: RunDir, backend: killed_runs.Doomed, offset: int, kind: str, draw: random.Random
) -> str:
    """Kill once, at a random moment; what it was doing then, or an empty string where it had
    finished.
    """
    for event in killed_runs.new_events(run, offset):
        if isinstance(event, ev.Finished):
            wait_for(run, idle)
            return ""
        if isinstance(event, ev.Step) and (event.epoch > 1 or kind == "saving"):
            break
    if kind == "saving":
        while not list(run.checkpoints.glob(".saving/checkpoint-*")):
            if run.view().ended:
                wait_for(run, idle)
                return ""
            time.sleep(0.0005)
        time.sleep(draw.uniform(0, 0.05))
    else:
        time.sleep(draw.uniform(0, 1.5 * INTERVAL))
    backend.kill()
    wait_for(run, idle)
    view = run.view()
    if view.ended:
        return ""
    newest = max((int(path.name[11:]) for path in run.checkpoints.glob("checkpoint-*")), default=0)
    if list(run.checkpoints.glob(".saving/checkpoint-*")) or all(
        saved.step != newest for saved in view.saved
    ):
        return "saving"
    return "training" if view.last and view.last.epoch > 1 and view.last.epoch % 1 else "elsewhere"


def _resumed_from(run: RunDir, offset: int) -> int:
    """The step that the attempt after a kill goes on from."""
    return next(
        event.resumed_from
        for event in killed_runs.new_events(run, offset)
        if isinstance(event, ev.Started)
    )


def _check(run: RunDir, whole: RunDir) -> list[str]:
    return [f"{run.id}: {text}" for text in killed_runs.differences(run, whole)]


def _kill_merges(  # noqa: PLR0913  what it continues, and where it counts
    engine: Engine,
    run: RunDir,
    backend: killed_runs.Doomed,
    times: int,
    draw: random.Random,
    wrong: list[str],
) -> int:
    """Kill merges of a finished run, which must stay finished and merge afterwards; how many."""
    for at in range(times):
        engine.merge(run.id, "fp32")
        wait_for(run, lambda run: bool(run.view().merging), 120)
        writing = run.path / "merged" / ".fp32"
        while (
            at % 2 and not writing.exists() and run.alive
        ):  # every other one while it writes, the rest at any time
            time.sleep(0.0005)
        time.sleep(draw.uniform(0, 0.05) if at % 2 else draw.uniform(0, 12))
        if run.alive:
            backend.kill()
        wait_for(run, lambda run: idle(run) and not run.view().merging)
        print(f"    merging, {'while it wrote' if writing.exists() else 'elsewhere'}", flush=True)
        if run.state() != RunState.FINISHED:
            wrong.append(f"{run.id}: it is {run.state()} after a killed merge")
    engine.merge(run.id, "fp32")
    wait_for(
        run,
        lambda run: idle(run) and "fp32" in run.view().merged and run.view().merged["fp32"].ok,
        120,
    )
    return times


if __name__ == "__main__":
    sys.exit(main())
