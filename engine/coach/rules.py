"""What the curves of a run say: one sign at a time, the worst first.

Each rule is a pure function over means of windows of steps, never over a single point.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.coach.message import Sign, loss_drop_text, make_sign
from engine.coach.problem_rules import (
    MIN_STEPS,
    RISING_CHECKS,
    STILL_SHARE,
    all_masked,
    answers_leak,
    loss_diverges,
    nothing_moves,
    rate_too_high,
    starts_memorising,
)
from engine.coach.reply_rules import replies_break
from engine.coach.windows import CurveLevels
from engine.store.run_view import RunView

NEAR_ZERO_SHARE = 0.02  # of the first loss, which leaves nothing to learn
FLAT_SHARE = 0.01  # of the best held-out loss: what the last checks must have added
FLAT_SPREAD = 0.05  # of the best held-out loss: within it a curve is flat
FAST_SHARE = 0.3  # of the highest learning rate: below it a curve becomes flat by itself


def find_sign(view: RunView) -> Sign:
    """The sign that holds now."""
    curves = CurveLevels(view)
    return next((sign for rule in RULES if (sign := rule(curves))), None) or too_early(curves)


def reached_plateau(curves: CurveLevels) -> Sign | None:
    """Several checks brought nothing, although the learning rate is still high."""
    fast = bool(curves.view.lrs) and curves.view.lrs[-1] >= FAST_SHARE * curves.top_rate
    if len(curves.later_checks) <= RISING_CHECKS or not fast:
        return None
    before, recent = curves.later_checks[:-RISING_CHECKS], curves.later_checks[-RISING_CHECKS:]
    best, now = min(loss for _, loss in before), min(loss for _, loss in recent)
    first = curves.checks[0][1]
    improves = best - now > FLAT_SHARE * abs(best)
    moves = max(loss for _, loss in recent) > (1 + FLAT_SPREAD) * best  # if not downwards
    fell = best < (1 - STILL_SHARE) * first
    if improves or moves or not fell or now < NEAR_ZERO_SHARE * first:
        return None
    return make_sign(
        "plateau",
        "More steps hardly help on held-out examples (a plateau).",
        f"Held-out loss {best:.3f} at best until step {before[-1][0]:,}, {now:.3f} in the "
        f"{RISING_CHECKS} checks since.",
        "You can stop now: the best version is kept.",
        "More examples, or more varied ones, help more than more steps.",
    )


def learns_well(curves: CurveLevels) -> Sign | None:
    """Held-out loss is below the base model's."""
    first, check = curves.view.first_loss, curves.view.best
    if first is None or check is None or not curves.later_checks:
        return None
    best_step, best = min(curves.later_checks, key=lambda one: one[1])
    if best > (1 - STILL_SHARE / 3) * first:
        return None
    training = f"; {_training_numbers(curves)}" if curves.step_count else ""
    return make_sign(
        "learning",
        loss_drop_text(first, best, check),
        f"Best at step {best_step:,}{training}.",
        "Let it run. You can stop at any time and keep the result.",
    )


def _training_numbers(curves: CurveLevels) -> str:
    return f"training loss {curves.start_loss:.3f} at the start, {curves.now.mean:.3f} now"


def nothing_held_out(curves: CurveLevels) -> Sign | None:
    """No row is held out."""
    if curves.view.started is None or curves.view.started.held_out:
        return None
    return make_sign(
        "alone",
        "Nothing is held out, so there is no telling how it does on new examples.",
        f"{_training_numbers(curves).capitalize()}." if curves.step_count >= MIN_STEPS else "",
        after="Next time hold out some examples on the Data tab (held-out share).",
    )


def too_early(curves: CurveLevels) -> Sign:
    """Nothing can be said yet."""
    view = curves.view
    done = f"Step {view.step:,} of {view.total_steps:,}" if view.total_steps else "No step yet"
    if not curves.later_checks:
        text = "The first steps are noisy. The first check on held-out examples comes next."
        return make_sign("warming", text, f"{done}.")
    first = f", {view.first_loss:.3f} before training" if view.first_loss is not None else ""
    return make_sign(
        "early",
        "Loss on held-out examples is not below the base model's yet.",
        f"{done}: held-out loss {curves.later_checks[-1][1]:.3f}{first}.",
        "Wait for the next checks.",
    )


RULES: tuple[Callable[[CurveLevels], Sign | None], ...] = (
    all_masked,
    replies_break,
    answers_leak,
    loss_diverges,
    rate_too_high,
    nothing_moves,
    starts_memorising,
    reached_plateau,
    learns_well,
    nothing_held_out,
)
