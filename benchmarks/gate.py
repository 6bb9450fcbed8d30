"""What every contender of ``benchmarks.train`` has in common: turns, held-out loss, memory. Knows
nothing of Hone.

It also runs in the rival's environment, so it uses nothing but PyTorch and transformers.
"""

from __future__ import annotations

import json
import os
import re
import time
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

RANK, ALPHA = 8, 16
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RATE = 1e-3
BATCH = 8
COMMON: dict[str, Any] = {
    "per_device_train_batch_size": BATCH,
    "learning_rate": RATE,
    "seed": int(os.environ.get("SEED", "42")),  # the library's own; of the order of the examples
    "lr_scheduler_type": "constant",
    "save_strategy": "no",
    "logging_steps": 1000,
    "report_to": "none",
    "use_cpu": True,
    "disable_tqdm": True,
}


class Gate(TrainerCallback):
    """Trains one epoch, tells how long it took, and waits for its next turn; at the end it tells
    the held-out loss.
    """

    def __init__(self, work: Path) -> None:
        self.held = json.loads((work / "held.json").read_text())
        self.line = Client(os.environ["GATE"])

    def begin(self) -> None:
        """Wait for the turn."""
        self.line.send("ready")
        self.line.recv()
        self.begun, self.busy = time.perf_counter(), time.process_time()

    def end(self) -> None:
        """Say what the turn took: seconds, and seconds of processor."""
        self.line.send(
            {"seconds": time.perf_counter() - self.begun, "busy": time.process_time() - self.busy}
        )

    def close(self, model: Any, updates: int) -> None:
        """Say the held-out loss, how many updates led there, and the highest memory before it was
        measured.
        """
        peak = peak_gb()
        self.line.send({"held": held_out(model, self.held), "gb": peak, "updates": updates})

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        """A round begins."""
        self.begin()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """A round ends."""
        self.end()

    def on_train_end(self, args: Any, state: Any, *_: Any, model: Any, **__: Any) -> None:
        """All is learned."""
        self.close(model, state.global_step)


@torch.no_grad()
def held_out(model: Any, rows: list[dict[str, list[int]]]) -> float:
    """Mean loss over target tokens, each example by itself, in fp32, the same for everybody."""
    model.eval()
    total = count = 0.0
    for row in rows:
        with torch.autocast("cpu", enabled=False):
            logits = (
                model(input_ids=torch.tensor([row["input_ids"]]), use_cache=False)
                .logits[0, :-1]
                .float()
            )
        wanted = torch.tensor(row["labels"][1:])
        total += torch.nn.functional.cross_entropy(
            logits, wanted, ignore_index=-100, reduction="sum"
        ).item()
        count += (wanted != -100).sum().item()
    return float(total / count)


def peak_gb() -> float:
    """The process's highest resident memory so far."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1e6
