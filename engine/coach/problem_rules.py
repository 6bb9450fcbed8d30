"""Rules for what goes wrong in a run: each looks at means of windows of steps, never at one point.

The bounds were found on the recorded runs of ``tests/curves`` whose part is "tune";
``benchmarks.coach`` counts how often the rules are right.
"""

from __future__ import annotations

import math

from engine.coach.message import Sign, accuracy_text, make_sign
from engine.coach.windows import CurveLevels, is_below

MIN_STEPS = 12  # before which only a disaster is called
SURE_SHARE = 0.25  # of the run, after which a loss that has not moved is called
LOSS_GROWTH = 1.25  # a training loss above its start by this much
HELD_OUT_GROWTH = 1.15  # times the held-out loss before training, which has little noise
JUMP = 2.0  # times its start, for a few steps
LOW_LOSS = 0.25  # of a text that is new to a model; less means 1.3 likely tokens to choose from
STILL_SHARE = 0.03  # of the loss, that must have gone for a run to have moved at all
MIN_PATH = 0.005  # sum of the learning rates that an adapter's weights need to get anywhere
BY_HEART_SHARE = 0.2  # training loss as a share of the held-out loss, with rows known by heart
RISING_CHECKS = 3  # checks above the best one
RISE_SHARE = 0.02  # of the best held-out loss
LASTING_SHARE = 0.4  # of the highest rise: less is a jump that it recovers from


def all_masked(curves: CurveLevels) -> Sign | None:
    """No token has a loss, or no gradient comes through."""
    grads = [one for one in curves.view.grads if math.isfinite(one)]
    no_gradient = len(grads) >= 3 and max(grads) == 0
    if curves.step_count < 3 or (max(curves.losses) > 0 and not no_gradient):
        return None
    what = "gradient" if grads and max(grads) == 0 else "loss"
    return make_sign(
        "masked",
        "No word of the answers counts in the loss (all are masked), so nothing can change.",
        f"The {what} is exactly 0 in all {curves.step_count:,} steps so far.",
        "Stop the run.",
        "Look at the coloured words on the Data tab: those are learned. Correct the columns or "
        "Learn from, or raise the longest example if answers are cut off.",
    )


def answers_leak(curves: CurveLevels) -> Sign | None:
    """The model knows the answers before it has learned anything."""
    first = curves.view.first_loss
    low = max(curves.start.mean, first or 0) <= LOW_LOSS
    if not curves.writes_text or curves.step_count < 3 or not low:
        return None
    held = f"; held-out loss before training {first:.3f}" if first is not None else ""
    return make_sign(
        "leak",
        "It makes hardly any mistakes from the very first step. The prompts may contain the "
        "answers, or the model may have been trained on these rows before.",
        f"Training loss of the first steps {curves.start_loss:.3f}{held}. Texts that are new to a "
        "model start above 1.",
        after="Read some rows on the Data tab. If a prompt gives its answer away, take that out.",
    )


def loss_diverges(curves: CurveLevels) -> Sign | None:
    """The loss stands far above where it began."""
    start, now = curves.start, curves.now
    grew = is_below(start, now) and now.mean >= LOSS_GROWTH * start.mean
    if curves.step_count < 8 or not grew or not _held_out_rose(curves):
        return None
    return make_sign(
        "diverging",
        "The loss rises instead of falling (it diverges): the steps are too large.",
        f"Training loss {now.mean:.3f} now, {curves.start_loss:.3f} at the start.",
        "Stop the run.",
        lower_rate_advice(curves),
    )


def lower_rate_advice(curves: CurveLevels) -> str:
    """What to do where the steps were too large."""
    return f"Start again with a lower learning rate ({curves.lower_rate:g})."


def rate_too_high(curves: CurveLevels) -> Sign | None:
    """The loss jumped, which costs what the model knew, even where it comes down again."""
    if curves.step_count < MIN_STEPS:
        return None
    top, start = curves.highest_level, curves.start
    # The noise of a run that jumps is the jumping itself, so a large jump needs no other proof.
    jumped = top.mean > max(JUMP * start.mean, start.mean + 0.2) or (
        top.mean > LOSS_GROWTH * start.mean and is_below(start, top)
    )
    if jumped and _held_out_rose(curves):
        numbers = (
            f"Training loss {curves.start_loss:.3f} at the start, {top.mean:.3f} after the jump, "
            f"{curves.now.mean:.3f} now."
        )
    elif not (numbers := _early_peak_numbers(curves)):
        return None
    return make_sign(
        "rate-high",
        "The loss jumped during the run. Such a jump destroys what the model knew before.",
        numbers,
        after=lower_rate_advice(curves),
    )


def _held_out_rose(curves: CurveLevels) -> bool:
    """Whether the held-out loss jumped, too; also where it was not measured often enough to say."""
    first = curves.view.first_loss
    if first is None or len(curves.later_checks) < RISING_CHECKS:
        return True
    return max(loss for _, loss in curves.later_checks) > (1 + RISE_SHARE) * first


def _early_peak_numbers(curves: CurveLevels) -> str:
    """The highest held-out loss; empty unless it is far above the first and before any progress."""
    first = curves.view.first_loss
    if first is None or not curves.later_checks:
        return ""
    step, loss = max(curves.later_checks, key=lambda one: one[1])
    early = curves.level_at(step).mean > 0.8 * curves.start.mean
    numbers = f"Held-out loss {first:.3f} before training, {loss:.3f} at step {step:,}."
    return numbers if early and loss > HELD_OUT_GROWTH * first else ""


def starts_memorising(curves: CurveLevels) -> Sign | None:
    """Held-out loss rises over checks while training loss falls; with few rows it need not rise."""
    if not curves.later_checks:
        return _memorises_unchecked(curves)
    first, (best_step, best) = curves.checks[0][1], min(curves.checks, key=lambda one: one[1])
    last, then = curves.later_checks[-1][1], curves.level_at(best_step)
    apart = curves.now.mean < BY_HEART_SHARE * last and last > 0.1 * first
    known_by_heart = curves.has_few_examples and curves.epoch >= 2 and apart
    falls = is_below(curves.now, then)
    if not (falls and _held_out_rises(curves)) and not known_by_heart:
        return None
    began = then.mean if best_step else curves.start_loss
    numbers = (
        f"Held-out loss was best at step {best_step:,} ({best:.3f}) and is {last:.3f} now; "
        f"since then, training loss went from {began:.3f} to {curves.now.mean:.3f}."
    )
    if curves.has_few_examples:
        return _too_few_examples(curves, numbers)
    return make_sign(
        "memorising",
        "It learns its examples by heart and gets worse on new ones (overfitting).",
        numbers,
        "You can stop now: the best version is kept.",
        "Next time use fewer epochs, a lower rank, or more examples.",
    )


def _held_out_rises(curves: CurveLevels) -> bool:
    """Whether the held-out loss has been above its best for several checks, and stays there."""
    best_step, best = min(curves.checks, key=lambda one: one[1])
    after = [loss for step, loss in curves.checks if step > best_step]
    last = curves.later_checks[-1][1]
    if len(after) < RISING_CHECKS or curves.as_right:
        return False
    lasting = last - best > LASTING_SHARE * (max(after) - best)  # it is not on its way back
    enough = last > best + max(RISE_SHARE * best, 0.005 * curves.checks[0][1])
    return lasting and enough and min(after[-RISING_CHECKS:]) > best


def _memorises_unchecked(curves: CurveLevels) -> Sign | None:
    """Without held-out rows: few rows whose loss has all but gone."""
    start, now = curves.start, curves.now
    early = curves.epoch < 5 or curves.step_count < MIN_STEPS
    if not curves.has_few_examples or early or curves.view.checks or now.mean > 0.05 * start.mean:
        return None
    fell = f"from {curves.start_loss:.3f} to {now.mean:.3f}"
    numbers = f"Training loss went {fell}; nothing is held out."
    return _too_few_examples(curves, numbers)


def _too_few_examples(curves: CurveLevels, numbers: str) -> Sign:
    began = curves.view.started
    assert began
    rank = f" at rank {began.rank}" if began.rank else ""
    return make_sign(
        "small",
        f"{began.rows:,} examples are learned by heart{rank}, which helps little with new "
        "questions.",
        f"{numbers} {began.trainable:,} weights are trained on {began.learned:,} target tokens.",
        after="Add examples: a few hundred different ones are a good start. Until then use a lower "
        "rank and fewer epochs.",
    )


def nothing_moves(curves: CurveLevels) -> Sign | None:
    """After a good part of the run nothing has moved: too small a rate, or nothing to find."""
    early = curves.step_count < MIN_STEPS or curves.share_done < SURE_SHARE or curves.rate_rises
    if early or is_below(curves.start, curves.now, 2.5):
        return None
    if _loss_fell(curves) and not _labels_are_guessed(curves):
        return None
    numbers = _unmoved_numbers(curves)
    if curves.rate_sum < MIN_PATH:
        return make_sign(
            "rate-low",
            "The loss hardly changes: the steps are too small to get anywhere.",
            f"{numbers}. The learning rate is {curves.top_rate:.1g} at most.",
            after=f"Start again with ten times the learning rate ({10 * curves.top_rate:.1g}) or "
            "more; 1e-4 to 3e-3 is usual for adapters.",
        )
    return make_sign(
        "stuck",
        "It does not get better, although its steps are large enough. The answers may not follow "
        "from the prompts.",
        f"{numbers}.",
        after="Read some rows on the Data tab: could you tell the answer from the prompt? Labels "
        "or columns may be mixed up.",
    )


def _unmoved_numbers(curves: CurveLevels) -> str:
    numbers = (
        f"Training loss {curves.start_loss:.3f} at the start, {curves.now.mean:.3f} after "
        f"{curves.step_count:,} steps"
    )
    first, checks = curves.view.first_loss, curves.view.checks
    if curves.later_checks and first is not None:
        numbers += f"; held-out loss {first:.3f} before, {curves.later_checks[-1][1]:.3f} now"
    if curves.chooses_labels and checks and (right := accuracy_text(checks[-1])):
        numbers += f"; {right} of the held-out examples"
    return numbers


def _loss_fell(curves: CurveLevels) -> bool:
    """Whether training or held-out loss has fallen."""
    start, now, first = curves.start, curves.now, curves.view.first_loss
    if start.mean - now.mean > STILL_SHARE * abs(start.mean) and is_below(now, start, 2.5):
        return True
    if not curves.later_checks or first is None:
        return False
    return first - curves.later_checks[-1][1] > STILL_SHARE * abs(first)


def _labels_are_guessed(curves: CurveLevels) -> bool:
    """Whether labels are right no more often than before training, beyond chance."""
    began, shares = curves.view.started, curves.accuracies
    if began is None or not curves.chooses_labels or len(shares) <= RISING_CHECKS:
        return False
    if curves.now.mean < 0.7 * curves.start.mean:
        return False
    first, now = shares[0], sum(shares[-RISING_CHECKS:]) / RISING_CHECKS
    variance = max(first * (1 - first), 0.01) / max(1, began.held_out)
    return now - first < 2 * math.sqrt(variance)
