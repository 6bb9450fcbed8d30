"""The trainer's callback: what happens becomes events; time and the user's wishes become the trainer's flags."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from engine.estimate.duration import (
    CHECK_SECONDS,
    CHECKS_SHARE,
    FREE_CHECK_SECONDS,
    count_checks,
    replace_check_time,
)
from engine.runs import disk_space
from engine.store import events as ev
from engine.store.run_dir import RunDir
from engine.work.memory import memory_gb
from engine.work.train import checkpoints
from engine.work.train.trainer import preserved_random_state

EARLY_STOPPING_CHECKS = {"gentle": 5, "strict": 2}  # checks in a row without a gain


class CheckSchedule(NamedTuple):
    """When what is done beside training."""

    every: int  # steps from one check to the next, where time allows
    save_seconds: float  # from one checkpoint to the next
    patience: int | None  # checks without a gain after which training ends


class RunCallback(TrainerCallback):
    """Writes Step, Evaluated, Sampled and Saved; decides after every step what is checked, saved and ended."""

    def __init__(
        self,
        run: RunDir,
        pace: CheckSchedule,
        started: Callable[[int], ev.Started],
        ask: Callable[[], list[tuple[str, str]]],
    ):
        self.run, self.pace, self.started, self.ask = run, pace, started, ask
        self.before = run.view()
        self.trainable = self.total = 0
        self.first_seconds = 0.0
        self.checks_seconds = 0.0  # of first_seconds and what followed, spent in checks
        self.best = float("inf")
        self.better = False  # the newest check is the best so far
        self.idle = 0  # checks since the best one
        self.measured = -1  # the step of the newest check
        self.begun = self.saved_at = self.check_begun = time.monotonic()
        self.checking = False
        self.stop = ""  # keep, pause or cancel, once the user has asked

    @property
    def seconds(self) -> float:
        return self.first_seconds + time.monotonic() - self.begun

    @property
    def exhausted(self) -> bool:
        """Whether held-out loss has not improved for as long as the run waits."""
        return self.pace.patience is not None and self.idle >= self.pace.patience

    def recall(self, resumed: int) -> None:
        """Go on from what the events say of the way to a checkpoint."""
        longer, asked = self._wishes()
        for check in self.before.checks:
            if 0 < check.step <= resumed:
                self._measure(check.loss, check.step not in asked)
                self.idle *= check.step != longer
        saved = [one for one in self.before.saved if one.step <= resumed]
        self.checks_seconds = max((one.checks_seconds for one in saved), default=0.0)
        steps = (
            s for n, s in zip(self.before.steps, self.before.seconds, strict=True) if n <= resumed
        )
        self.first_seconds = max([*steps, *(one.seconds for one in saved)], default=0.0)

    def _wishes(self) -> tuple[int, set[int]]:
        """The last check before the user asked for more epochs: from there on it waits for a gain anew.

        And the checks that were made since he stopped: they came sooner than a gain could.
        """
        step, longer, asked = 0, 0, set()
        for event in ev.read_events(self.run.events_file)[0]:
            step = event.step if isinstance(event, ev.Evaluated) else step
            longer = step if isinstance(event, ev.Extended) else longer
            if isinstance(event, ev.Stopped) and event.kept:
                asked.add(step)
        return longer, asked

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.begun = self.saved_at = self.check_begun = time.monotonic()
        began = self.started(state.max_steps).model_copy(update={"resumed_from": state.global_step})
        self.trainable, self.total = began.trainable, state.max_steps
        self.run.emit(began)
        self.check_begun = time.monotonic()
        if not state.global_step and not args.do_eval:
            self._ask(0)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        last = state.global_step >= state.max_steps
        self.stop = "" if last else self._stop_mark()
        now = time.monotonic()
        due = state.global_step % self.pace.every == 0 and not self.stop and self._affordable()
        self.checking = (
            last or due or self.stop == "keep"
        )  # the kept version is measured like every other
        self.check_begun = now
        control.should_evaluate = self.checking and bool(args.do_eval)
        timely = now - self.saved_at >= self.pace.save_seconds
        control.should_save = (self.checking or timely or bool(self.stop)) and self.stop != "cancel"
        control.should_training_stop = last or bool(self.stop)
        if control.should_save:
            disk_space.require_room(self.run, self.trainable)

    def _stop_mark(self) -> str:
        try:
            return self.run.stop_mark.read_text().strip()
        except FileNotFoundError:
            return ""

    def _affordable(self) -> bool:
        return self.checks_seconds <= max(
            FREE_CHECK_SECONDS, CHECKS_SHARE * (self.seconds - self.checks_seconds)
        )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        **_: Any,
    ) -> None:
        if "loss" not in logs:
            return  # a log of an evaluation, or the summary at the end
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
        state.log_history.clear()  # it would stand in every checkpoint, and grow with every step

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float],
        **_: Any,
    ) -> None:
        loss, right = metrics["eval_loss"], metrics.get("eval_accuracy")  # of heads alone
        self.run.emit(
            ev.Evaluated(step=state.global_step, loss=loss, seconds=self.seconds, accuracy=right)
        )
        if state.global_step:
            self.measured = state.global_step
            self._measure(loss, self.stop != "keep")
            control.should_training_stop |= self.exhausted
        self._ask(state.global_step)

    def _measure(self, loss: float, waits: bool) -> None:
        self.better = loss < self.best
        self.best, self.idle = (loss, 0) if self.better else (self.best, self.idle + waits)

    def _ask(self, step: int) -> None:
        """The fixed questions, which end a check."""
        with preserved_random_state():
            for prompt, reply in self.ask():
                self.run.emit(ev.Sampled(step=step, prompt=prompt, reply=reply))
        spent = time.monotonic() - self.check_begun
        self.checks_seconds += spent
        if step == 0 and (told := self.run.view().estimated):
            self.run.emit(
                replace_check_time(
                    told, spent + CHECK_SECONDS, count_checks(self.total, self.pace.every)
                )
            )

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        step = state.global_step
        checkpoints.commit(self.run, step)
        # Without held-out rows nothing tells which version is best: the newest is taken.
        best = not args.do_eval or (self.measured == step and self.better)
        if best:
            checkpoints.publish_result(self.run, step)
        if self.checking and not args.do_eval:
            self.check_begun = time.monotonic()
            self._ask(step)
        self.run.emit(
            ev.Saved(step=step, best=best, checks_seconds=self.checks_seconds, seconds=self.seconds)
        )
        checkpoints.remove_old(self.run)
        self.saved_at = time.monotonic()


class LearningRateCallback(TrainerCallback):
    """A checkpoint brings the rate of the schedule that it was made with, such as the 0 at its end."""

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        optimizer: Optimizer,
        lr_scheduler: LambdaLR,
        **_: Any,
    ) -> None:
        """Set the rates that the schedule has at this step; those of a run that is not longer stay as they are."""
        rates = zip(
            optimizer.param_groups, lr_scheduler.base_lrs, lr_scheduler.lr_lambdas, strict=True
        )
        for group, base, share in rates:
            group["lr"] = base * share(lr_scheduler.last_epoch)
        lr_scheduler._last_lr = [
            group["lr"] for group in optimizer.param_groups
        ]  # what the trainer tells
