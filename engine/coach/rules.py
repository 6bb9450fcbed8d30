"""What the curves of a run say: one sign at a time, each a rule over windows of steps, never over a single point.

Pure functions of a RunView; ``read`` gives the first sign that holds, the worst first. The bounds were found on the
recorded runs of ``tests/curves`` whose part is "tune"; ``benchmarks.coach`` counts how often they are right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

from engine.coach.windows import Levels, below
from engine.store.run_view import RunView

Tone = Literal["good", "info", "warn", "bad"]
Kind = Literal[
    "warming", "learning", "alone", "plateau", "memorising", "small", "diverging", "rate-high", "rate-low", "stuck",
    "leak", "masked",
]  # fmt: skip
ALARMS = (
    "plateau",
    "memorising",
    "small",
    "diverging",
    "rate-high",
    "rate-low",
    "stuck",
    "leak",
    "masked",
)

LEAST = 12  # steps before which only a disaster is called
SURE = 0.25  # share of the run after which a loss that has not moved is called
GREW = 1.25  # a training loss above its start by this much
WORSE = 1.15  # times the held-out loss before training, which has little noise
LEAP = 2.0  # times its start, for a few steps
LOW_LOSS = 0.25  # of a text that is new to a model; less means 1.3 likely tokens to choose from
NEAR_ZERO = 0.02  # share of the first loss that leaves nothing to learn
STILL = 0.03  # share of the loss that must have gone for a run to have moved at all
PATH = 0.005  # sum of the learning rates that an adapter's weights need to get anywhere
GAP = 0.2  # training loss as a share of the held-out loss, where rows are known by heart
RISES = 3  # checks above the best one
RISE = 0.02  # of the best held-out loss
KEPT = 0.4  # of the highest rise: less is a jump that it recovers from
FLAT = 0.01  # of the best held-out loss: what the last checks must have added
SPREAD = 0.05  # of the best held-out loss: within it a curve is flat
FAST = 0.3  # of the highest learning rate: below it a curve becomes flat by itself


class Sign(NamedTuple):
    """What is the matter, the numbers that say so, and what to do."""

    kind: Kind
    tone: Tone
    title: str
    text: str
    evidence: str
    now: str = ""  # what to do while it runs
    after: str = ""  # what to do in any case

    @property
    def action(self) -> str:
        return f"{self.now} {self.after}".strip()


def read(view: RunView) -> Sign:
    """The sign that holds now."""
    levels = Levels(view)
    return next((sign for rule in RULES if (sign := rule(levels))), None) or warming(levels)


# --- rules, the worst first ---


def masked(c: Levels) -> Sign | None:
    """No token has a loss, or no gradient comes through."""
    grads = [one for one in c.view.grads if math.isfinite(one)]
    if c.taken < 3 or (max(c.losses) > 0 and not (len(grads) >= 3 and max(grads) == 0)):
        return None
    what = "gradient" if grads and max(grads) == 0 else "loss"
    return Sign(
        "masked",
        "bad",
        "Nothing is learned",
        "No word of the answers counts (all are masked), so nothing can change.",
        f"The {what} is exactly 0 in all {c.taken:,} steps so far.",
        "Stop it.",
        "Look at the coloured words on the Data tab: they are what is learned. Correct the columns or Learn from, or "
        "raise the longest example if answers are cut away.",
    )


def leak(c: Levels) -> Sign | None:
    """The model knows the answers before it has learned anything."""
    first = c.view.first_loss
    if (
        not c.writes
        or c.taken < 3
        or c.start.mean > LOW_LOSS
        or (first is not None and first > LOW_LOSS)
    ):
        return None
    held = f"; held-out loss before training {first:.3f}" if first is not None else ""
    return Sign(
        "leak",
        "warn",
        "It knows the answers already",
        "It makes hardly any mistakes from the first step on. The prompt may hold the answer, or the model may have "
        "learned these rows before.",
        f"Training loss of the first steps {c.start.mean:.3f}{held}. Texts that are new to a model begin above 1.",
        after="Read some rows on the Data tab. If a prompt gives its answer away, take that out.",
    )


def diverging(c: Levels) -> Sign | None:
    """The loss stands far above where it began."""
    if (
        c.taken < 8
        or not below(c.start, c.now)
        or c.now.mean < GREW * c.start.mean
        or not _held_rose(c)
    ):
        return None
    return Sign(
        "diverging",
        "bad",
        "It is getting worse",
        "Its mistakes grow instead of becoming fewer (it diverges): the steps are too large.",
        f"Training loss {c.now.mean:.3f} now, {c.start.mean:.3f} at the start.",
        "Stop it.",
        f"Start again with a tenth of the learning rate ({c.top_rate / 10:.1g}).",
    )


def rate_high(c: Levels) -> Sign | None:
    """The loss leapt up on its way, which costs what the model knew, even where it comes down again."""
    top, start = c.highest, c.start
    # The noise of a run that leaps is the leaping itself, so a large one needs no other proof.
    leapt = top.mean > max(LEAP * start.mean, start.mean + 0.2)
    if c.taken < LEAST:
        return None
    if _held_rose(c) and (leapt or (top.mean > GREW * start.mean and below(start, top))):
        numbers = f"Training loss {start.mean:.3f} at the start, {top.mean:.3f} after the leap, {c.now.mean:.3f} now."
    elif worse := _worse(c):
        numbers = f"Held-out loss {c.checks[0][1]:.3f} before training, {worse[1]:.3f} at step {worse[0]:,}."
    else:
        return None
    return Sign(
        "rate-high",
        "warn",
        "The learning rate is too high",
        "The loss leapt up on its way. Such a leap destroys what the model knew before.",
        numbers,
        after=f"Start again with a tenth of the learning rate ({c.top_rate / 10:.1g}).",
    )


def _held_rose(c: Levels) -> bool:
    """Whether the held-out loss tells of a leap too; it need not where it is not measured, or was hardly yet."""
    first = c.view.first_loss
    return (
        first is None
        or len(c.later) < RISES
        or max(loss for _, loss in c.later) > (1 + RISE) * first
    )


def _worse(c: Levels) -> tuple[int, float] | None:
    """The check with the highest held-out loss, if it is far above the first one and training had not begun to fall."""
    if c.view.first_loss is None or not c.later:
        return None
    step, loss = max(c.later, key=lambda one: one[1])
    early = c.level_at(step).mean > 0.8 * c.start.mean
    return (step, loss) if early and loss > WORSE * c.view.first_loss else None


def memorising(c: Levels) -> Sign | None:
    """Held-out loss rises for several checks while training loss falls; with few rows it need not even rise."""
    if not c.later:
        return _by_heart_alone(c)
    best, (_, last) = min(c.checks, key=lambda one: one[1]), c.later[-1]
    after = [loss for step, loss in c.checks if step > best[0]]
    rise = max(RISE * best[1], 0.005 * c.checks[0][1])
    stays = len(after) >= RISES and last - best[1] > KEPT * (
        max(after) - best[1]
    )  # it is not on its way back
    rises = stays and min(after[-RISES:]) > best[1] and last > best[1] + rise
    falls = below(c.now, c.level_at(best[0]))
    rises = rises and not c.as_right
    apart = c.few and c.epoch >= 2 and c.now.mean < GAP * last and last > 0.1 * c.checks[0][1]
    if not (rises and falls) and not apart:
        return None
    numbers = (
        f"Held-out loss was best at step {best[0]:,} ({best[1]:.3f}) and is {last:.3f} now; "
        f"training loss went from {c.level_at(best[0]).mean:.3f} to {c.now.mean:.3f}."
    )
    return _too_few(c, numbers) if c.few else Sign(
        "memorising",
        "warn",
        "Starting to memorise",
        "It learns its examples by heart and gets worse on new ones (overfitting).",
        numbers,
        "You can stop now: the best version is kept.",
        "Next time take fewer epochs, a lower rank, or more examples.",
    )  # fmt: skip


def _by_heart_alone(c: Levels) -> Sign | None:
    """Without held-out rows: few rows whose loss has all but gone."""
    if (
        not c.few
        or c.epoch < 5
        or c.view.checks
        or c.taken < LEAST
        or c.now.mean > 0.05 * c.start.mean
    ):
        return None
    return _too_few(
        c, f"Training loss went from {c.start.mean:.3f} to {c.now.mean:.3f}; nothing is held out."
    )


def _too_few(c: Levels, numbers: str) -> Sign:
    began = c.view.started
    assert began
    rank = f" at rank {began.rank}" if began.rank else ""
    return Sign(
        "small",
        "warn",
        "Too few examples for what is trained",
        f"{began.rows:,} examples are learned by heart{rank}, so new questions gain little.",
        f"{numbers} {began.trainable:,} weights train on {began.learned:,} learned tokens.",
        after="Add examples: some hundred that differ are a good start. Until then take a lower rank and fewer epochs.",
    )


def unmoved(c: Levels) -> Sign | None:
    """After a good part of the run nothing has moved: too small a rate, or nothing to find."""
    if (
        c.taken < LEAST
        or c.share < SURE
        or c.rising
        or below(c.start, c.now, 2.5)
        or (_moved(c) and not _guesses(c))
    ):
        return None
    held, first = c.later[-1][1] if c.later else None, c.view.first_loss
    numbers = (
        f"Training loss {c.start.mean:.3f} at the start, {c.now.mean:.3f} after {c.taken:,} steps"
    )
    if held is not None and first is not None:
        numbers += f"; held-out loss {first:.3f} before, {held:.3f} now"
    if c.view.checks and (right := c.view.checks[-1].accuracy) is not None and c.chooses:
        numbers += f"; right on {100 * right:.0f} % of the held-out examples"
    if c.path < PATH:
        return Sign(
            "rate-low",
            "warn",
            "The learning rate is too low",
            "It hardly changes: the steps are so small that nothing comes of them.",
            f"{numbers}. The learning rate is {c.top_rate:.1g} at most.",
            after=f"Start again with ten times the learning rate ({10 * c.top_rate:.1g}) or more; 1e-4 to 3e-3 is "
            "usual for adapters.",
        )
    return Sign(
        "stuck",
        "warn",
        "It finds no rule",
        "It does not get better, although its steps are large enough. The answers may not follow from the prompts.",
        f"{numbers}.",
        after="Read some rows on the Data tab: could you tell the answer from the prompt? Labels or "
        "columns may be mixed up.",
    )


def _moved(c: Levels) -> bool:
    """Whether training or held-out loss has fallen."""
    held, first = c.later[-1][1] if c.later else None, c.view.first_loss
    fell = c.start.mean - c.now.mean > STILL * abs(c.start.mean) and below(c.now, c.start, 2.5)
    return fell or (held is not None and first is not None and first - held > STILL * abs(first))


def _guesses(c: Levels) -> bool:
    """Whether labels are right no more often than before training, beyond the luck of so few held-out rows."""
    told = [one.accuracy for one in c.view.checks if one.accuracy is not None]
    if (
        not c.chooses
        or len(told) <= RISES
        or c.view.started is None
        or c.now.mean < 0.7 * c.start.mean
    ):
        return False
    first, now = told[0], sum(told[-RISES:]) / RISES
    return now - first < 2 * math.sqrt(
        max(first * (1 - first), 0.01) / max(1, c.view.started.held_out)
    )


def plateau(c: Levels) -> Sign | None:
    """Several checks brought nothing, although the learning rate is still high."""
    if len(c.later) <= RISES or not FAST * c.top_rate <= c.view.lrs[-1]:
        return None
    before, recent = c.later[:-RISES], c.later[-RISES:]
    best, now = min(loss for _, loss in before), min(loss for _, loss in recent)
    first = c.checks[0][1]
    if best - now > FLAT * abs(best) or now < NEAR_ZERO * first or not best < (1 - STILL) * first:
        return None
    if max(loss for _, loss in recent) > (1 + SPREAD) * best:  # it moves, if not downwards
        return None
    return Sign(
        "plateau",
        "info",
        "It has stopped improving",
        "More steps bring hardly anything on examples it has never seen (a plateau).",
        f"Held-out loss {best:.3f} at best until step {before[-1][0]:,}, {now:.3f} in the {RISES} checks since.",
        "You can stop now: the best version is kept.",
        "More or more varied examples help more than more steps.",
    )


def learning(c: Levels) -> Sign | None:
    """Held-out loss is below the base model's."""
    if not c.later or c.view.best is None:
        return None
    first, (best_step, best) = c.view.first_loss, min(c.later, key=lambda one: one[1])
    if first is None or best > (1 - STILL / 3) * first:
        return None
    share = min(99.0, 100 * (1 - best / first))  # never "100 %": something is always left
    right = (
        f" It is right on {100 * c.view.best.accuracy:.0f} % of them."
        if c.view.best.accuracy is not None
        else ""
    )
    return Sign(
        "learning",
        "good",
        "Learning well",
        f"Loss on examples it has never seen is down {share:.0f} %, from {first:.3f} to {best:.3f}.{right}",
        f"Best at step {best_step:,}" + (f"; {_training(c)}." if c.taken else "."),
        "Let it go on. You can stop and keep it at any time.",
    )


def _training(c: Levels) -> str:
    return f"training loss {c.start.mean:.3f} at the start, {c.now.mean:.3f} now"


def alone(c: Levels) -> Sign | None:
    """Nothing is held out."""
    if c.view.started is None or c.view.started.held_out:
        return None
    numbers = f"{_training(c).capitalize()}." if c.taken >= LEAST else ""
    return Sign(
        "alone",
        "info",
        "Training",
        "Nothing is held out, so nothing says how it does on new examples.",
        numbers,
        after="Keep some examples aside on the Data tab next time (held-out share).",
    )


def warming(c: Levels) -> Sign:
    """Too early to tell."""
    done = (
        f"Step {c.view.step:,} of {c.view.total_steps:,}" if c.view.total_steps else "No step yet"
    )
    if not c.later:
        text = "The first steps are noisy. The first check on held-out examples follows."
        return Sign("warming", "info", "Warming up", text, f"{done}.")
    first = f", {c.view.first_loss:.3f} before training" if c.view.first_loss is not None else ""
    return Sign(
        "warming",
        "info",
        "Not better yet",
        "Loss on examples it has never seen is not below the base model's yet.",
        f"{done}: held-out loss {c.later[-1][1]:.3f}{first}.",
        "Wait for the next checks.",
    )


RULES: tuple[Callable[[Levels], Sign | None], ...] = (
    masked, leak, diverging, rate_high, unmoved, memorising, plateau, learning, alone,
)  # fmt: skip
