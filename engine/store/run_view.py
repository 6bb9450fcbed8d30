"""RunView: what a run's events add up to. A pure fold; nothing else decides what is shown."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field, fields
from enum import StrEnum

from engine.spec.batch import BatchLayout
from engine.store import events as ev
from engine.store.score_events import NumberScore, Perplexity, Scored, ScoreEvent
from engine.store.stage_times import note_stage, stage_of
from engine.text import repeats_itself

START_STEPS = 5  # whose mean is the loss that a run started at


class RunState(StrEnum):
    """Where a run is. The worker's lock decides whether it lives; its events decide the rest."""

    QUEUED = "queued"
    PREPARING = "preparing"
    TRAINING = "training"
    STOPPED = "stopped"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    IMPORTED = "imported"

    @property
    def live(self) -> bool:
        """Whether something may still happen without the user."""
        return self in (RunState.QUEUED, RunState.PREPARING, RunState.TRAINING)

    @property
    def can_continue(self) -> bool:
        """Whether it ended before its last step."""
        return not self.live and self not in (RunState.FINISHED, RunState.IMPORTED)


END_STATES: dict[type, RunState] = {
    ev.Finished: RunState.FINISHED,
    ev.Paused: RunState.PAUSED,
    ev.Failed: RunState.FAILED,
    ev.Imported: RunState.IMPORTED,
}


@dataclass
class RunView:
    """What a run's events say so far; ``steps`` to ``seconds`` are arrays with a value per step."""

    started: ev.Started | None = None
    attempt: int = 0  # how many times a worker has started to train
    phase: str = ""
    stages: dict[str, float] = field(default_factory=dict)  # of this attempt -> when each began
    last: ev.Step | None = None  # the newest step
    steps: array[int] = field(default_factory=lambda: array("q"))
    losses: array[float] = field(default_factory=lambda: array("d"))
    lrs: array[float] = field(default_factory=lambda: array("d"))
    grads: array[float] = field(default_factory=lambda: array("d"))  # norms; NaN: not known
    speeds: array[float] = field(default_factory=lambda: array("d"))  # tokens per second
    tokens: array[int] = field(default_factory=lambda: array("q"))  # seen since the start
    seconds: array[float] = field(default_factory=lambda: array("d"))  # since the start
    memory_gb: float = 0.0  # peak, of the layout that it goes on with
    checks: list[ev.Evaluated] = field(default_factory=list)
    samples: list[ev.Sampled] = field(default_factory=list)
    saved: list[ev.Saved] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    last_word: str = ""  # the warning after which nothing more came of this attempt
    ended: ev.Stopped | ev.Paused | ev.Failed | ev.Finished | ev.Imported | None = None
    preparing: bool = True  # this attempt has not taken its first step yet
    interlude: bool = False  # the newest job was a merge or a scoring
    merging: str = ""  # precision of a merge that has begun and not ended
    merged: dict[str, ev.Merged] = field(default_factory=dict)  # precision -> last result
    scoring: bool = False  # a score was asked for and has not come yet
    scored: ScoreEvent | None = None  # the newest, of the adapter as it is now
    score_problem: str = ""  # why the last scoring came to nothing
    proving: ev.Proving | None = None  # a layout that is being tried
    proved: tuple[BatchLayout, ev.Proved] | None = None  # the newest layout that fitted
    layout: BatchLayout | None = None  # that was stepped down to
    stepped: list[ev.SteppedDown] = field(default_factory=list)
    epochs_before: list[float] = field(default_factory=list)  # the plan before each extension
    estimated: ev.Estimated | None = None

    def state(self, alive: bool, queued: bool) -> RunState:
        """The state, given whether a worker holds the run's lock and whether the run is queued."""
        if alive and not self.interlude and self.ended is None:
            return RunState.PREPARING if self.preparing else RunState.TRAINING
        if queued:
            return RunState.QUEUED
        if isinstance(self.ended, ev.Stopped):
            return RunState.STOPPED if self.ended.kept else RunState.CANCELLED
        return END_STATES.get(type(self.ended), RunState.INTERRUPTED)

    @property
    def imported(self) -> ev.Imported | None:
        """Where it came from, for a run that is an adapter made by another program."""
        return self.ended if isinstance(self.ended, ev.Imported) else None

    @property
    def model_hash(self) -> str:
        """Of the base model that the result belongs to; empty where it is not known."""
        known = self.imported or self.started
        return known.model_hash if known else ""

    @property
    def first_loss(self) -> float | None:
        """Held-out loss before the first step."""
        return self.checks[0].loss if self.checks and self.checks[0].step == 0 else None

    @property
    def start_loss(self) -> float | None:
        """Training loss at the start: of the first steps, so it never changes; None before them."""
        first = [one for one in self.losses[:START_STEPS] if math.isfinite(one)]
        enough = len(self.losses) >= min(START_STEPS, self.total_steps or START_STEPS)
        return sum(first) / len(first) if first and enough else None

    @property
    def broken_reply(self) -> ev.Sampled | None:
        """One of the newest replies, if most of them repeat themselves, as none did at first."""
        newest = max((one.step for one in self.samples), default=0)
        now = [one for one in self.samples if one.step == newest > 0]
        broken = [one for one in now if repeats_itself(one.reply)]
        sound = not any(repeats_itself(one.reply) for one in self.samples if one.step == 0)
        return broken[0] if sound and 2 * len(broken) > len(now) else None

    @property
    def got_worse(self) -> bool:
        """Whether its best version does worse on held-out rows than before, or its replies do."""
        if self.broken_reply is not None:
            return True
        best, first = self.best, self.checks[0] if self.checks else None
        if best is None or first is None or first.step:
            return False
        more_right = (best.accuracy or 0) > (first.accuracy or 0)
        return best.loss > first.loss and not more_right

    @property
    def best(self) -> ev.Evaluated | None:
        """The check with the lowest held-out loss after training began."""
        later = [check for check in self.checks if check.step > 0]
        return min(later, key=lambda check: check.loss) if later else None

    @property
    def kept(self) -> ev.Evaluated | None:
        """The check of the version that is the result; None where it was not measured."""
        step = next((saved.step for saved in reversed(self.saved) if saved.best), 0)
        return next((check for check in self.checks if check.step == step > 0), None)

    @property
    def total_steps(self) -> int:
        return self.started.steps if self.started else 0

    @property
    def step(self) -> int:
        return self.last.step if self.last else 0

    @property
    def seconds_left(self) -> float | None:
        """Time to the last step at the speed so far, with checks; None before the second step."""
        if self.last is None or self.started is None or self.last.step < 2:
            return None
        return self.last.seconds / self.last.step * max(0, self.total_steps - self.last.step)

    def copy(self) -> RunView:
        """A view that later events do not change."""
        return RunView(**{one.name: copy(getattr(self, one.name)) for one in fields(self)})


def fold_events(events: Iterable[ev.Event], view: RunView | None = None) -> RunView:
    """Add events to a view (a new one by default) and return it."""
    view = view or RunView()
    for event in events:
        _add_event(view, event)
    return view


def _add_event(view: RunView, event: ev.Event) -> None:  # noqa: C901, PLR0912  a flat list of kinds
    match event:
        case ev.Phase():
            view.phase, view.ended, view.preparing, view.last_word = event.text, None, True, ""
            note_stage(view.stages, stage_of(event), event.time)
            # A merge or a scoring that was killed could not say that it ended.
            view.interlude, view.merging, view.scoring = False, "", False
        case ev.Started():
            _cut_back(view, event.resumed_from)
            view.started, view.ended, view.preparing, view.last_word = event, None, False, ""
            view.attempt += 1
            note_stage(view.stages, "train" if event.resumed_from else "check", event.time)
        case ev.Proving():
            view.proving = event
        case ev.Proved() if view.proving:
            view.proved = (view.proving.layout, event)
            view.proving = None
        case ev.SteppedDown():
            view.layout, view.proving, view.memory_gb = event.layout, None, 0.0
            view.stepped.append(event)
        case ev.Estimated():
            view.estimated = event
        case ev.Step():
            _add_step(view, event)
        case ev.Evaluated():
            view.checks = [check for check in view.checks if check.step != event.step] + [event]
        case ev.Sampled():
            # A run that was killed before its first checkpoint asks once more.
            asked = (event.step, event.prompt)
            others = [one for one in view.samples if (one.step, one.prompt) != asked]
            view.samples = [*others, event]
        case ev.Saved():
            view.saved.append(event)
            if event.best:  # what was merged and scored was another adapter
                view.merged, view.scored = {}, None
        case ev.Warned() if view.scoring:
            view.scoring, view.score_problem = False, event.text
        case ev.Warned():
            view.warnings.append(event.text)
            view.last_word = event.text
        case ev.Stopped() | ev.Paused() | ev.Failed() | ev.Finished() | ev.Imported():
            view.ended, view.proving = event, None
        case ev.Extended():
            _extend_view(view, event)
        case ev.Merging():
            view.interlude, view.merging, view.scoring = True, event.precision, False
        case ev.Merged():
            view.merging, view.merged[event.precision] = "", event
        case ev.Scoring():
            view.interlude, view.scoring, view.score_problem, view.merging = True, True, "", ""
        case Scored() | NumberScore() | Perplexity():
            view.scoring, view.scored = False, event


def _add_step(view: RunView, event: ev.Step) -> None:
    tokens = event.tokens - (view.tokens[-1] if view.tokens else 0)
    seconds = event.seconds - (view.seconds[-1] if view.seconds else 0.0)
    view.steps.append(event.step)
    view.losses.append(event.loss)
    view.lrs.append(event.lr)
    view.grads.append(math.nan if event.grad_norm is None else event.grad_norm)
    view.speeds.append(tokens / seconds if seconds > 0 else 0.0)
    view.tokens.append(event.tokens)
    view.seconds.append(event.seconds)
    view.memory_gb = max(view.memory_gb, event.memory_gb)
    view.last = event
    if "train" not in view.stages:
        note_stage(view.stages, "train", event.time)


def _extend_view(view: RunView, event: ev.Extended) -> None:
    """A finished run has more steps to do; its estimates grow in proportion."""
    if view.started:
        times = event.epochs / view.started.epochs
        view.epochs_before.append(view.started.epochs)
        steps = math.ceil(view.started.steps * times - 1e-6)  # until the trainer has counted them
        view.started = view.started.model_copy(update={"epochs": event.epochs, "steps": steps})
        if estimate := view.estimated:
            names = ("seconds_low", "seconds_high", "checks_seconds")
            longer = {name: times * getattr(estimate, name) for name in names}
            view.estimated = estimate.model_copy(update=longer)
    view.ended = ev.Stopped(time=event.time, step=view.step, kept=True)


def _cut_back(view: RunView, step: int) -> None:
    """Forget what lies beyond the checkpoint that a resumed run starts from."""
    kept = bisect_right(view.steps, step)
    if view.last and kept < len(view.steps):
        view.last = _earlier_step(view, view.last, kept - 1) if kept else None
    for series in vars(view).values():
        if isinstance(series, array):
            del series[kept:]
    view.checks = [check for check in view.checks if check.step <= step]
    view.samples = [sample for sample in view.samples if sample.step <= step]
    view.saved = [saved for saved in view.saved if saved.step <= step]


def _earlier_step(view: RunView, last: ev.Step, at: int) -> ev.Step:
    """The event of an earlier step; its epoch is in proportion to that of the last one."""
    then = {"step": view.steps[at], "tokens": view.tokens[at], "seconds": view.seconds[at]}
    then |= {"loss": view.losses[at], "lr": view.lrs[at]}
    return last.model_copy(update=then | {"epoch": last.epoch * view.steps[at] / last.step})
