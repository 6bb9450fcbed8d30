"""Settings that are allowed and hardly ever right: what a user should know before he starts.

The bounds are far from anything recommended (engine.estimate.recommend), so that whoever knows what
he does is seldom told.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.estimate.case import Case
from engine.estimate.recommend import rate_for, recommend_epochs, recommend_rank, tried_settings
from engine.spec.run import RunSpec
from engine.text import count_of

RATE_TIMES = 8  # the advised learning rate: above it, or below its inverse
USUAL_SCALE = 2  # alpha / rank
SCALE_TIMES = 4
EPOCHS_TIMES = 5
RANK_TIMES = 8
FEWEST_STEPS = 10


def unwise_values(spec: RunSpec, case: Case) -> dict[str, str]:
    """A sentence by the path of each setting that is far from what is advised."""
    return dict([*_of_rates(spec, case), *_of_adapter(spec, case), *_of_length(spec, case)])


def _of_rates(spec: RunSpec, case: Case) -> Iterator[tuple[str, str]]:
    rate = spec.optim.learning_rate
    advised = rate_for(spec, case.info, case.preference)
    if rate >= RATE_TIMES * advised:
        yield (
            "optim.learning_rate",
            f"{rate / advised:,.0f} times the advised {advised:g}: it will probably get worse "
            "instead of better.",
        )
    elif rate * RATE_TIMES <= advised:
        yield (
            "optim.learning_rate",
            f"Only 1/{advised / rate:,.0f} of the advised {advised:g}: it will hardly learn.",
        )


def _of_adapter(spec: RunSpec, case: Case) -> Iterator[tuple[str, str]]:
    method = spec.method
    if not method.adapts:
        return
    scale = method.scale_alpha / method.rank
    if scale >= SCALE_TIMES * USUAL_SCALE and not method.rslora:
        yield (
            "method.alpha",
            f"Alpha / rank is {scale:.0f}, and {USUAL_SCALE} is usual: it acts like a learning "
            f"rate {scale / USUAL_SCALE:.0f} times as high.",
        )
    elif scale * SCALE_TIMES * USUAL_SCALE <= 1:
        yield (
            "method.alpha",
            f"Alpha / rank is {scale:.2g}, and {USUAL_SCALE} is usual: the adapter will hardly "
            "act.",
        )
    advised, _ = recommend_rank(case)
    if method.rank >= RANK_TIMES * advised:
        yield (
            "method.rank",
            f"{advised} is advised for {count_of(case.rows, 'row')}: with this much room it may "
            "learn them by heart.",
        )


def _of_length(spec: RunSpec, case: Case) -> Iterator[tuple[str, str]]:
    optim, tried = spec.optim, tried_settings(spec)
    advised = tried.optim.epochs if tried else recommend_epochs(case)[0]
    steps, rows = optim.steps(case.rows), count_of(case.rows, "row")
    if optim.epochs >= EPOCHS_TIMES * advised:
        yield (
            "optim.epochs",
            f"{advised:g} is advised for {rows}: after many more it knows them by heart.",
        )
    elif steps < FEWEST_STEPS and optim.effective_batch > 1:
        yield (
            "optim.batch_size",
            f"With {optim.effective_batch} rows a step there are only {count_of(steps, 'step')} in "
            "all: it will hardly learn.",
        )
