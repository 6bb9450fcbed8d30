"""Every method on every kind of architecture: 20 steps, merged, loaded again, compared.

``python -m benchmarks.methods`` prints the table. The models are tiny and random, so the losses say
only that something is learned; what counts is that the merged model agrees with base plus adapter.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from engine.process import oneshot
from engine.runs.engine import Engine
from engine.spec import run as specs
from engine.store.run_dir import RunDir
from tests.engine.tiny import save_model

STEPS, BATCH = 20, 8
METHODS: dict[str, dict[str, Any]] = {
    "LoRA": {"kind": "lora"},
    "LoRA, all options": {
        "kind": "lora",
        "plus": 4.0,
        "bias": "all",
        "layers": "0-1",
        "dropout": 0.1,
    },
    "rsLoRA": {"kind": "lora", "rslora": True},
    "LoRA+": {"kind": "lora", "plus": 16.0},
    "PiSSA": {"kind": "lora", "init": "pissa"},
    "OLoRA": {"kind": "lora", "init": "olora"},
    "DoRA": {"kind": "dora"},
    "QLoRA (4 bit)": {"kind": "qlora"},
    "LoRA on 8 bit": {"kind": "lora8"},
    "Head only": {"kind": "head"},
    "Full": {"kind": "full"},
}
WRITERS, CHOOSERS = ("llama", "gpt2", "mixtral"), ("bert", "distilbert", "llama")


class Row(NamedTuple):
    """One line of the table."""

    method: str
    kind: str
    goal: str
    trainable: int
    first: float  # loss of the first and of the last training step
    last: float
    share: float  # largest difference of logits, merged and adapter, over the largest logit
    agree: str
    problem: str = ""


def cases() -> Iterator[tuple[str, str, str]]:
    """(method, architecture, goal) of all that make sense."""
    for method in METHODS:
        yield from ((method, kind, "classify") for kind in CHOOSERS)
        if method != "Head only":
            # OLoRA in PEFT does not know GPT-2's transposed layers, and Hone says so.
            yield from (
                (method, kind, "write") for kind in WRITERS if (method, kind) != ("OLoRA", "gpt2")
            )


def run_one(home: Path, method: str, kind: str, goal: str) -> tuple[Row, RunDir]:
    """Train, merge and compare, in this process."""
    from engine.work.merge import merge_run
    from engine.work.train.train import train

    folder = home / "tiny" / kind
    if not folder.exists():
        save_model(folder, kind)
    sample = "reviews" if goal == "classify" else "pirate"
    engine = Engine(home / "workspace", supervise=False)
    data = specs.make_spec({"data": {"source": f"sample:{sample}"}}).data
    rows = oneshot.prepare_rows(engine.store, data).train
    values = {
        "model": {"source": str(folder)},
        "data": {"source": f"sample:{sample}", "max_length": 64, "goal": goal},
        "method": {"rank": 8, **METHODS[method]},
        "optim": {"epochs": STEPS * BATCH / rows, "batch_size": BATCH, "learning_rate": 3e-3},
        "sampling": {"checks": 1, "max_new_tokens": 4},
    }
    run = engine.start(specs.make_spec(values))
    run.queue_mark.unlink()
    train(run)
    merge_run(run, "fp32")
    view = run.view()
    assert view.started is not None
    done = view.merged["fp32"]
    row = Row(
        method,
        kind,
        goal,
        view.started.trainable,
        view.losses[0],
        view.losses[-1],
        done.share or 0.0,
        f"{done.agree} of {done.prompts}",
        done.text,
    )
    return row, run


def main() -> int:
    """Print the table; 1 where something did not merge."""
    bad = 0
    titles = (
        "method",
        "architecture",
        "goal",
        "trainable",
        "loss, step 1",
        "step 20",
        "merged differs by",
        "equal",
    )
    print("| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
    with tempfile.TemporaryDirectory(prefix="hone-") as home:
        for case in cases():
            row, _ = run_one(Path(home), *case)
            cells = (
                row.method,
                row.kind,
                row.goal,
                f"{row.trainable:,}",
                f"{row.first:.3f}",
                f"{row.last:.3f}",
                f"{row.share:.1e}",
                row.agree,
            )
            print(
                "| " + " | ".join(cells) + f" |{' ' + row.problem if row.problem else ''}",
                flush=True,
            )
            bad += bool(row.problem)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
