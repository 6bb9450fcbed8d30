"""Rules for what a run's model says, beside what its curves say."""

from __future__ import annotations

from engine.coach.message import Sign, make_sign
from engine.coach.problem_rules import lower_rate_advice
from engine.coach.windows import CurveLevels

QUOTED = 24  # characters of a reply


def replies_break(curves: CurveLevels) -> Sign | None:
    """Most of the newest replies repeat one sign or word, as none did before training."""
    broken = curves.view.broken_reply
    if broken is None:
        return None
    reply = broken.reply[:QUOTED] + ("…" if len(broken.reply) > QUOTED else "")
    return make_sign(
        "broken",
        "It repeats the same sign or word, whatever it is asked. What it knew before is lost.",
        f"After step {broken.step:,} it replied “{reply}” to “{broken.prompt}”.",
        "Stop the run.",
        lower_rate_advice(curves),
    )
