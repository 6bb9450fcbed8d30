"""The time that runs foretell beside the time that they take: ``python -m benchmarks.times`` prints
the table.

Runs of the pocket model, each in a workspace of its own, so that none knows of another.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from engine.runs.engine import Engine
from engine.spec import presets
from engine.spec import run as specs
from engine.store import events as ev
from engine.text import format_time_range, is_within_range
from ui.context import Context

# By sample: what is set otherwise than the sample says.
RUNS: list[tuple[str, str, dict[str, dict[str, Any]]]] = [
    *(
        (sample, "as it comes", {})
        for sample in ("pirate", "json", "support", "reviews", "preferences")
    ),
    ("pirate", "1 × 8 at once", {"optim": {"batch_size": 1, "accumulation": 8, "epochs": 1}}),
    (
        "pirate",
        "32 at once, rank 64",
        {"optim": {"batch_size": 32, "epochs": 2}, "method": {"rank": 64}},
    ),
    ("pirate", "DoRA", {"method": {"kind": "dora"}, "optim": {"epochs": 1}}),
    (
        "json",
        "all weights",
        {"method": {"kind": "full"}, "optim": {"learning_rate": 1e-4, "epochs": 1}},
    ),
    ("support", "recomputed", {"optim": {"checkpointing": "on", "epochs": 1}}),
    ("reviews", "20 checks", {"sampling": {"checks": 20}}),
]


class Found(NamedTuple):
    """Seconds: estimated before Start, by the run before its first step, and as it took."""

    before: tuple[float, float]
    estimated: tuple[float, float]
    real: float
    checks: float
    steps: int

    @property
    def cells(self) -> list[str]:
        marks = [
            "" if is_within_range(self.real, *bounds) else " ✗"
            for bounds in (self.before, self.estimated)
        ]
        spans = [
            format_time_range(*bounds) + mark
            for bounds, mark in zip((self.before, self.estimated), marks, strict=True)
        ]
        return [str(self.steps), *spans, f"{self.real:.1f} s", f"{self.checks:.1f} s"]


def main() -> int:
    """Print the table; 1 where a run took another time than estimated."""
    titles = (
        "sample",
        "settings",
        "steps",
        "before Start",
        "by the run",
        "it took",
        "of it checks",
    )
    print("| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
    wrong = 0
    for sample, words, values in RUNS:
        with tempfile.TemporaryDirectory(prefix="hone-") as home:
            found = measure(Path(home), sample, values)
        wrong += "✗" in "".join(found.cells)
        print("| " + " | ".join([sample, words, *found.cells]) + " |", flush=True)
    return int(wrong > 0)


def measure(home: Path, sample: str, values: dict[str, dict[str, Any]]) -> Found:
    """Ask how long a run would take, as the page does, and train it."""
    settings = presets.sample_values(f"sample:{sample}")
    for part, changed in values.items():
        settings[part] = settings.get(part, {}) | changed
    engine = Engine(home)
    ctx, spec = Context(engine), specs.make_spec(settings)
    ctx.load_model(spec.model.source)
    ctx.count_tokens(spec.model.source, ctx.prepare(spec.data), spec.data)
    now = ctx.plan(spec)
    before = now.seconds or engine.estimate_time(now, measure=True)
    run = engine.start(spec)
    while run.queued or run.alive or engine.supervisor.at_work:
        time.sleep(0.2)
    view = run.view()
    engine.close()
    estimated, done = view.estimated, view.ended
    assert before and estimated and isinstance(done, ev.Finished)
    return Found(
        before[:2],
        (estimated.seconds_low, estimated.seconds_high),
        done.seconds,
        done.checks_seconds,
        view.step,
    )


if __name__ == "__main__":
    sys.exit(main())
