"""The trainer's callback: it turns what happens into events and the user's wishes into the trainer's flags."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from engine import events as ev
from engine.errors import RunError
from engine.hardware import GB
from engine.store import RunDir
from engine.work import checkpoints


class Report(TrainerCallback):
    """Writes Step, Evaluated, Sampled and Saved; reads the stop mark after every step."""

    def __init__(self, run: RunDir, started: Callable[[int], ev.Started], ask: Callable[[], list[tuple[str, str]]]):
        self.run, self.started, self.ask = run, started, ask
        before = run.view()
        self.before = before
        self.first_seconds = 0.0
        self.best = float("inf")
        self.newest_loss: float | None = None
        self.begun = time.monotonic()
        self.stop = ""  # keep or cancel, once the user has asked

    @property
    def seconds(self) -> float:
        return self.first_seconds + time.monotonic() - self.begun

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        resumed = state.global_step
        if resumed:
            self.best = min((c.loss for c in self.before.checks if 0 < c.step <= resumed), default=float("inf"))
            self.first_seconds = self._seconds_at(resumed)
        self.begun = time.monotonic()
        self.run.emit(self.started(state.max_steps).model_copy(update={"resumed_from": resumed}))
        if not resumed and not args.do_eval:
            self._ask(0)

    def _seconds_at(self, step: int) -> float:
        found = [e.seconds for e in ev.read(self.run.events_file)[0] if isinstance(e, ev.Step) and e.step <= step]
        return found[-1] if found else 0.0

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step >= state.max_steps:  # the trainer saves its last step by itself, without a check
            control.should_evaluate = args.do_eval
        try:
            self.stop = self.run.stop_mark.read_text().strip()
        except FileNotFoundError:
            return
        control.should_training_stop = True
        if self.stop == "keep":  # the kept version is measured like every other
            control.should_save = True
            control.should_evaluate = args.do_eval

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any], **_: Any
    ) -> None:
        if "loss" not in logs:
            return  # a log of an evaluation, or the summary at the end
        if not math.isfinite(logs["loss"]):
            raise RunError(
                f"At step {state.global_step} the loss was no longer a number, so training was ended. "
                f"The learning rate ({args.learning_rate:g}) is too high for this data: start again with a third of it."
            )
        self.run.emit(
            ev.Step(
                step=state.global_step,
                epoch=round(state.epoch or 0.0, 4),
                loss=float(logs["loss"]),
                lr=float(logs["learning_rate"]),
                grad_norm=float(logs["grad_norm"]) if "grad_norm" in logs else None,
                tokens=int(state.num_input_tokens_seen),
                seconds=self.seconds,
                memory_gb=memory_gb(),
            )
        )

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: dict[str, float], **_: Any
    ) -> None:
        self.newest_loss = metrics["eval_loss"]
        right = metrics.get("eval_accuracy")  # of heads alone
        self.run.emit(ev.Evaluated(step=state.global_step, loss=self.newest_loss, seconds=self.seconds, accuracy=right))
        self._ask(state.global_step)

    def _ask(self, step: int) -> None:
        for prompt, reply in self.ask():
            self.run.emit(ev.Sampled(step=step, prompt=prompt, reply=reply))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        checkpoints.mark_complete(self.run, state.global_step)
        # Without held-out rows nothing tells which version is best: the newest is taken.
        best = self.newest_loss is None or self.newest_loss < self.best
        if best:
            self.best = self.newest_loss if self.newest_loss is not None else self.best
            checkpoints.publish(self.run, state.global_step)
        self.run.emit(ev.Saved(step=state.global_step, best=best))
        if not args.do_eval:
            self._ask(state.global_step)


def memory_gb() -> float:
    """Peak memory so far: of the card's allocator on a GPU, of this process otherwise."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / GB
    if psutil.WINDOWS:
        return float(psutil.Process().memory_info().peak_wset) / GB  # type: ignore[attr-defined]
    if psutil.LINUX:  # getrusage's peak would be that of the process that started this one, where that was larger
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) * 1024 / GB if found else 0.0
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GB  # macOS counts bytes
