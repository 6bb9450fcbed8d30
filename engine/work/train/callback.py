"""The trainer's callback: writes events; turns time and the user's requests into trainer flags."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from transformers import TrainerCallback
from transformers import TrainerControl as Control
from transformers import TrainerState as State
from transformers import TrainingArguments as Args

from engine.estimate import duration
from engine.runs import disk_space
from engine.spec.run import early_checks
from engine.store import events as ev
from engine.store.event_log import read_events
from engine.store.run_dir import RunDir
from engine.work import compat
from engine.work.memory import memory_gb
from engine.work.train import checkpoints
from engine.work.train.objective import Sample
from engine.work.train.trainer import preserved_random_state


class CheckSchedule(NamedTuple):
    """Schedule of evaluation, checkpoints and early stopping."""

    every: int  # steps from one check to the next, where time allows
    save_seconds: float  # from one checkpoint to the next
    patience: int | None  # checks without a gain after which training ends

    @property
    def early(self) -> list[int]:
        """Steps of the first checks, which come too soon to show that there is no gain."""
        return early_checks(self.every)

    def is_due(self, step: int) -> bool:
        return step % self.every == 0 or step in self.early


class RunCallback(TrainerCallback):
    """Writes Step, Evaluated, Sampled, Saved; decides after each step on check, save and stop."""

    def __init__(
        self,
        run: RunDir,
        schedule: CheckSchedule,
        make_started: Callable[[int], ev.Started],
        sample_replies: Callable[[], list[Sample]],
    ):
        """``make_started``: the event Started of a run of so many steps."""
        self.run, self.schedule = run, schedule
        self.make_started, self.sample_replies = make_started, sample_replies
        self.before = run.view()
        self.trainable = self.total_steps = 0
        self.earlier_seconds = 0.0  # of the attempts before this one
        self.checks_seconds = 0.0  # of all attempts, spent in checks
        self.best_loss = float("inf")
        self.improved = False  # the newest check is the best so far
        self.checks_without_gain = 0
        self.evaluated_step = -1  # of the newest check
        self.began = self.saved_at = self.check_began = time.monotonic()
        self.checking = False
        self.stop = ""  # keep, pause or cancel, once the user has asked

    @property
    def seconds(self) -> float:
        """Seconds of training since the start of the run, all attempts."""
        return self.earlier_seconds + time.monotonic() - self.began

    @property
    def exhausted(self) -> bool:
        """Whether the held-out loss has not improved for as long as the run waits."""
        patience = self.schedule.patience
        return patience is not None and self.checks_without_gain >= patience

    def restore(self, step: int) -> None:
        """Take over times and losses of the events up to the checkpoint of a step."""
        extended_at, stopped_at = self._read_requests()
        too_soon = {*stopped_at, *self.schedule.early}
        for check in self.before.checks:
            if 0 < check.step <= step:
                self._record_loss(check.loss, counts=check.step not in too_soon)
                self.checks_without_gain *= check.step != extended_at
        saved = [one for one in self.before.saved if one.step <= step]
        self.checks_seconds = max((one.checks_seconds for one in saved), default=0.0)
        steps = zip(self.before.steps, self.before.seconds, strict=True)
        times = [seconds for number, seconds in steps if number <= step]
        self.earlier_seconds = max([*times, *(one.seconds for one in saved)], default=0.0)

    def _read_requests(self) -> tuple[int, set[int]]:
        """The last check before the run was extended, and the checks made because it was stopped.

        After the first, the wait for a gain begins anew; the others came too soon to show one.
        """
        step, extended_at, stopped_at = 0, 0, set()
        for event in read_events(self.run.events_file)[0]:
            if isinstance(event, ev.Evaluated):
                step = event.step
            elif isinstance(event, ev.Extended):
                extended_at = step
            elif isinstance(event, ev.Stopped) and event.kept:
                stopped_at.add(step)
        return extended_at, stopped_at

    def on_train_begin(self, args: Args, state: State, control: Control, **_: Any) -> None:
        self.began = self.saved_at = time.monotonic()
        started = self.make_started(state.max_steps)
        self.trainable, self.total_steps = started.trainable, state.max_steps
        self.run.emit(started.model_copy(update={"resumed_from": state.global_step}))
        self.check_began = time.monotonic()
        if not state.global_step and not args.do_eval:
            self._sample(0)

    def on_step_end(self, args: Args, state: State, control: Control, **_: Any) -> None:
        last = state.global_step >= state.max_steps
        request = self.run.end_request
        self.stop = "" if last else {"end": "cancel", "limit": "cancel"}.get(request, request)
        now = time.monotonic()
        due = self.schedule.is_due(state.global_step) and not self.stop
        # A version that is kept is measured like every other.
        self.checking = last or self.stop == "keep" or (due and self._can_afford_check())
        self.check_began = now
        control.should_evaluate = self.checking and bool(args.do_eval)
        timely = now - self.saved_at >= self.schedule.save_seconds
        control.should_save = (self.checking or timely or bool(self.stop)) and self.stop != "cancel"
        control.should_training_stop = last or bool(self.stop)
        if control.should_save:
            disk_space.require_room(self.run, self.trainable)

    def _can_afford_check(self) -> bool:
        """Whether checks have taken less than their share of the time of training."""
        training = self.seconds - self.checks_seconds
        allowed = max(duration.FREE_CHECK_SECONDS, duration.CHECKS_SHARE * training)
        return self.checks_seconds <= allowed

    def on_log(
        self, args: Args, state: State, control: Control, logs: dict[str, Any], **_: Any
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
        state.log_history.clear()  # it would be saved in every checkpoint, and grow with every step

    def on_evaluate(
        self, args: Args, state: State, control: Control, metrics: dict[str, float], **_: Any
    ) -> None:
        loss, accuracy = metrics["eval_loss"], metrics.get("eval_accuracy")
        step = state.global_step
        self.run.emit(ev.Evaluated(step=step, loss=loss, seconds=self.seconds, accuracy=accuracy))
        if step:
            self.evaluated_step = step
            soon = self.stop == "keep" or step in self.schedule.early
            self._record_loss(loss, counts=not soon)
            control.should_training_stop |= self.exhausted
        self._sample(step)

    def _record_loss(self, loss: float, counts: bool) -> None:
        """Note a held-out loss; ``counts``: whether it is one of the checks without a gain."""
        self.improved = loss < self.best_loss
        if self.improved:
            self.best_loss, self.checks_without_gain = loss, 0
        else:
            self.checks_without_gain += counts

    def _sample(self, step: int) -> None:
        """Ask the fixed prompts, which ends a check."""
        with preserved_random_state():
            for prompt, reply in self.sample_replies():
                self.run.emit(ev.Sampled(step=step, prompt=prompt, reply=reply))
        spent = time.monotonic() - self.check_began
        self.checks_seconds += spent
        estimated = self.run.view().estimated
        if step == 0 and estimated:
            count = duration.count_checks(self.total_steps, self.schedule.every)
            each = spent + duration.CHECK_SECONDS
            self.run.emit(duration.replace_check_time(estimated, each, count))

    def on_save(self, args: Args, state: State, control: Control, **_: Any) -> None:
        step = state.global_step
        checkpoints.commit(self.run, step)
        # Without held-out rows nothing tells which version is best: the newest is taken.
        best = not args.do_eval or (self.evaluated_step == step and self.improved)
        if best:
            checkpoints.publish_result(self.run, step)
        if self.checking and not args.do_eval:
            self.check_began = time.monotonic()
            self._sample(step)
        self.run.emit(
            ev.Saved(step=step, best=best, checks_seconds=self.checks_seconds, seconds=self.seconds)
        )
        checkpoints.remove_old(self.run)
        self.saved_at = time.monotonic()


class LearningRateCallback(TrainerCallback):
    """Sets the learning rate by the run's own schedule when it resumes.

    A checkpoint brings the rate of the schedule that it was made with, such as the 0 at its end.
    """

    def on_train_begin(self, args: Args, state: State, control: Control, **more: Any) -> None:
        """Set the rates of this step; those of a run that was not extended stay as they are."""
        groups, schedule = more["optimizer"].param_groups, more["lr_scheduler"]
        for group, base, share in zip(groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
            group["lr"] = base * share(schedule.last_epoch)
        compat.set_last_rates(schedule, [group["lr"] for group in groups])
