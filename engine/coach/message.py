"""What the coach says: a message that is shown, and the sign in the curves that it comes from."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

Tone = Literal["good", "info", "warn", "bad"]
SignKind = Literal[
    "warming", "learning", "alone", "plateau", "memorising", "small", "diverging", "rate-high",
    "rate-low", "stuck", "leak", "masked",
]  # fmt: skip
ALARMS: tuple[SignKind, ...] = (
    "plateau", "memorising", "small", "diverging", "rate-high", "rate-low", "stuck", "leak",
    "masked",
)  # fmt: skip


class CoachMessage(BaseModel):
    """A headline, one or two sentences, and how it should look."""

    model_config = ConfigDict(frozen=True, extra="ignore")
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

    kind: SignKind
    message: CoachMessage  # while the run goes on
    after: str  # what to do in any case


def make_sign(  # noqa: PLR0913  the fields of a sentence, in the order in which they are read
    kind: SignKind, tone: Tone, title: str, text: str, evidence: str, now: str = "", after: str = ""
) -> Sign:
    """A sign; ``now`` is what to do while it runs, ``after`` what to do in any case."""
    action = f"{now} {after}".strip()
    message = CoachMessage(tone=tone, title=title, text=text, evidence=evidence, action=action)
    return Sign(kind, message, after)
