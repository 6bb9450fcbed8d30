"""A run's curves as means of windows of steps, with their standard errors."""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate, pairwise
from statistics import median
from typing import NamedTuple

from engine.store.run_view import RunView

FEW_EXAMPLES = 48  # rows that any adapter learns by heart
WEIGHTS_PER_TOKEN = 1000  # trained weights for each target token: so many learn them by heart
SIGMAS = 4.0  # standard errors that two windows must lie apart
# Median distance of neighbours in normal noise with deviation 1: 0.6745 times the square root of 2.
MEDIAN_DISTANCE = 0.954


class Level(NamedTuple):
    """The mean of a window of losses, and its standard error."""

    mean: float
    error: float


def is_below(low: Level, high: Level, sigmas: float = SIGMAS) -> bool:
    """Whether one level lies below another beyond noise."""
    return high.mean - low.mean > sigmas * math.hypot(low.error, high.error)


class CurveLevels:
    """What the rules need of a view; each value is computed when it is first asked for."""

    def __init__(self, view: RunView) -> None:
        self.view = view

    @cached_property
    def losses(self) -> list[float]:
        """Training losses that are numbers."""
        return [value for value in self.view.losses if math.isfinite(value)]

    @property
    def step_count(self) -> int:
        return len(self.losses)

    @property
    def share_done(self) -> float:
        return self.view.step / self.view.total_steps if self.view.total_steps else 0.0

    @property
    def epoch(self) -> float:
        return self.view.last.epoch if self.view.last else 0.0

    @property
    def window(self) -> int:
        """Steps in a window: an eighth of what there is, from 4 to 100."""
        return max(4, min(100, self.step_count // 8))

    @property
    def start(self) -> Level:
        """Training loss before the learning rate has done anything."""
        return self._window_level(0, max(3, min(self.window, self.step_count // 20)))

    @property
    def start_loss(self) -> float:
        """The training loss at the start, as it is told: one figure in all of a run."""
        first = self.view.start_loss
        return self.start.mean if first is None else first

    @property
    def lower_rate(self) -> float:
        """A learning rate to start again with where this one was too high."""
        advised = self.view.estimated.advised_rate if self.view.estimated else 0.0
        return float(f"{min(self.top_rate / 10, advised or math.inf):.2g}")

    @property
    def now(self) -> Level:
        """Training loss of the newest window."""
        return self._window_level(self.step_count - self.window, self.step_count)

    @cached_property
    def highest_level(self) -> Level:
        """Training loss of the highest half window."""
        size = max(4, self.window // 2)
        starts = range(0, max(1, self.step_count - size + 1), max(1, size // 4))
        return max(self._window_level(at, at + size) for at in starts)

    def level_at(self, step: int) -> Level:
        """Training loss in the window that ends at a step; 0 is the start."""
        end = bisect_right(self.view.steps, step)
        return self._window_level(end - self.window, end) if end else self.start

    def _window_level(self, begin: int, end: int) -> Level:
        begin, end = max(0, begin), min(end, self.step_count)
        count = max(1, end - begin)
        total = self._loss_sums[end] - self._loss_sums[begin]
        return Level(total / count, self._loss_noise / math.sqrt(count))

    @cached_property
    def _loss_sums(self) -> list[float]:
        return [0.0, *accumulate(self.losses)]

    @cached_property
    def _loss_noise(self) -> float:
        """Standard deviation of a single loss.

        Taken from the distances of neighbours, which a slope hardly changes.
        """
        recent = self.losses[-4 * self.window :]
        distances = [abs(after - before) for before, after in pairwise(recent)]
        return median(distances or [0.0]) / MEDIAN_DISTANCE

    @cached_property
    def checks(self) -> list[tuple[int, float]]:
        """(step, held-out loss), with the check before training."""
        return [(one.step, one.loss) for one in self.view.checks if math.isfinite(one.loss)]

    @cached_property
    def later_checks(self) -> list[tuple[int, float]]:
        """(step, held-out loss) of the checks after training began."""
        return [one for one in self.checks if one[0] > 0]

    @cached_property
    def rate_sum(self) -> float:
        """How far the optimizer can have moved a weight: the sum of the learning rates."""
        return math.fsum(self.view.lrs)

    @property
    def top_rate(self) -> float:
        return max(self.view.lrs, default=0.0)

    @property
    def rate_rises(self) -> bool:
        """Whether the learning rate is still on its way up."""
        return len(self.view.lrs) > 1 and self.view.lrs[-1] > self.view.lrs[-2]

    @property
    def writes_text(self) -> bool:
        """Whether the loss is that of tokens that the model writes."""
        began = self.view.started
        return began is not None and began.goal in ("", "write") and not began.preference

    @property
    def chooses_labels(self) -> bool:
        began = self.view.started
        return began is not None and began.goal in ("classify", "multilabel")

    @cached_property
    def accuracies(self) -> list[float]:
        """Share of right labels at each check that measured it."""
        return [one.accuracy for one in self.view.checks if one.accuracy is not None]

    @property
    def as_right(self) -> bool:
        """Whether as many labels are right as ever, and more than before training.

        A loss may rise all the same: a few wrong labels are given with more certainty.
        """
        shares, began = self.accuracies, self.view.started
        row = 1 / max(1, began.held_out) if began else 0.0
        if not self.chooses_labels or not shares:
            return False
        return shares[-1] > max(max(shares) - 1.5 * row, shares[0])

    @property
    def has_few_examples(self) -> bool:
        """Whether there are so few examples that they are soon learned by heart."""
        began = self.view.started
        if began is None:
            return False
        return began.rows <= FEW_EXAMPLES or (
            self.writes_text and began.trainable > WEIGHTS_PER_TOKEN * began.learned > 0
        )
