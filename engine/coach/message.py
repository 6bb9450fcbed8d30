"""What the coach says: a message that is shown, and the sign in the curves that it comes from."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel

from engine.store import events as ev
from engine.text import format_drop

Tone = Literal["good", "info", "warn", "bad"]
# How each sign looks, and its headline.
ALARMS: dict[str, tuple[Tone, str]] = {
    "masked": ("bad", "Nothing is learned"),
    "broken": ("bad", "Its replies are broken"),
    "leak": ("warn", "It already knows the answers"),
    "diverging": ("bad", "It is getting worse"),
    "rate-high": ("warn", "The learning rate is too high"),
    "rate-low": ("warn", "The learning rate is too low"),
    "stuck": ("warn", "It finds no pattern"),
    "small": ("warn", "Too few examples for what is trained"),
    "memorising": ("warn", "Starting to memorise"),
    "plateau": ("info", "It has stopped improving"),
}
HEALTHY_SIGNS: dict[str, tuple[Tone, str]] = {
    "warming": ("info", "Warming up"),
    "early": ("info", "Not better yet"),
    "alone": ("info", "Training"),
    "learning": ("good", "Learning well"),
}


class CoachMessage(BaseModel, frozen=True, extra="ignore"):
    """A headline, one or two sentences, and how it should look."""

    tone: Tone
    title: str
    text: str
    evidence: str = ""  # the numbers that say so, compared
    action: str = ""  # what to do

    @property
    def plain_text(self) -> str:
        """All of it, in lines."""
        lines = (f"{self.title}. {self.text}", self.evidence, self.action)
        return "\n".join(line for line in lines if line)


class Sign(NamedTuple):
    """What the curves of a run say, and what to do."""

    kind: str  # of ALARMS or HEALTHY_SIGNS
    message: CoachMessage  # while the run goes on
    after: str  # what to do in any case


def make_sign(kind: str, text: str, evidence: str, now: str = "", after: str = "") -> Sign:
    """A sign; ``now`` is what to do while it runs, ``after`` what to do in any case."""
    tone, title = (ALARMS | HEALTHY_SIGNS)[kind]
    action = f"{now} {after}".strip()
    message = CoachMessage(tone=tone, title=title, text=text, evidence=evidence, action=action)
    return Sign(kind, message, after)


# --- numbers in sentences ---


def accuracy_text(check: ev.Evaluated | None) -> str:
    """The share of right labels, for runs that choose labels."""
    if check is None or check.accuracy is None:
        return ""
    return f"right on {100 * check.accuracy:.0f} %"


def loss_drop_text(first: float, best: float, check: ev.Evaluated) -> str:
    """How far the held-out loss has fallen, and how many labels are right at its best check."""
    right = f" It is {accuracy_text(check)} of them." if accuracy_text(check) else ""
    loss = "Loss on held-out examples"
    return f"{loss} is down {format_drop(first, best)}, from {first:.3f} to {best:.3f}.{right}"
