"""A run under hard limits of memory beside the same run without one. ``python -m benchmarks.limit``
prints the table.

A limited run that would fail as it is set steps down by itself. The loss of each step is compared.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from engine.process.run import ProcessBackend
from engine.store.run_dir import RunDir
from tests.engine.work.train.test_memory_limit import Grouped, Limited, control_group, losses, train

TEXTS = 320  # 20 steps of 16


def main() -> int:
    """Print the table; 1 where a loss differs by more than one in a thousand or the effective batch
    changed.
    """
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = (
        "system"  # its own pool reserves a gigabyte that it never uses
    )
    titles = (
        "limit",
        "layout",
        "stepped down",
        "peak GB",
        "loss at start",
        "loss at end",
        "largest difference",
    )
    print("| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="hone-") as home, control_group() as group:
        free = _run(Path(home) / "free", ProcessBackend())
        _print("none", free, free)
        for limit in (1.3, 1.1, 0.95):
            cases: list[tuple[str, Limited]] = [("resource limit", Limited())]
            cases += [("control group", Grouped(group))] if group else []
            for words, backend in cases:
                backend.limit = limit
                run = _run(Path(home) / f"{words}-{limit}", backend)
                worst = max(worst, _print(f"{words}, {limit} GB", run, free))
    return int(worst > 1e-3)


def _run(folder: Path, backend: ProcessBackend) -> RunDir:
    folder.mkdir()
    return train(folder / "workspace", backend, TEXTS)


def _print(words: str, run: RunDir, free: RunDir) -> float:
    """The largest difference of a step's loss, as a share; infinite where the effective batch
    differs.
    """
    view, found = run.view(), losses(run)
    fit = view.layout
    apart = max(abs(a - b) / b for a, b in zip(found, losses(free), strict=True))
    layout = f"{fit.batch} × {fit.accumulation}" if fit else "16 × 1"
    if fit and fit.checkpointing:
        layout += ", recomputed"
    assert view.last
    cells = (
        words,
        layout,
        f"{len(view.stepped)} times",
        f"{view.last.memory_gb:.2f}",
        f"{found[0]:.4f}",
        f"{found[-1]:.4f}",
        f"{apart:.1e}",
    )
    print("| " + " | ".join(cells) + " |", flush=True)
    return apart if fit is None or fit.batch * fit.accumulation == 16 else float("inf")


if __name__ == "__main__":
    sys.exit(main())
