"""What an answer may take of its process, and the watch that sees when it is more."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from engine.errors import HoneError
from engine.process.usage import Usage, has_worked
from engine.spec.limits import UNLIMITED

PATIENCE = 30.0
START_SECONDS = 120.0  # of processor time, until a process takes up its first question
CLOCK_TIMES = 6  # a machine that others use may give a process this small a share of its time
Met = Literal["silent", "slow", "memory"]  # what a question has used up


class Allowance(NamedTuple):
    """What one question may take; beyond it, its process is ended."""

    silence: float  # seconds of processor time without a word
    patience: float = PATIENCE  # seconds without a word in which it does nothing, either
    cpu: float = UNLIMITED  # seconds of processor time in all
    memory: float = UNLIMITED  # bytes beyond what the process had before


class Failures(NamedTuple):
    """What is raised where no answer comes."""

    kind: type[HoneError]
    ended: str  # message: the process has ended
    silent: str  # message: it said nothing for ``deadline``, or did nothing, and was ended for it
    deadline: float  # seconds of processor time, for operations without an allowance of their own
    patience: float = PATIENCE  # seconds in which it does nothing, for the same operations
    slow: str = ""  # message: it used more processor time than it may
    memory: str = ""  # message: it used more memory than it may
    allowances: Mapping[str, Allowance] = MappingProxyType({})  # by operation

    def allowance_of(self, op: str) -> Allowance:
        return self.allowances.get(op) or Allowance(self.deadline, self.patience)

    @property
    def words(self) -> Mapping[Met, str]:
        """The message for each allowance that can be used up."""
        silent = self.silent
        return {"silent": silent, "slow": self.slow or silent, "memory": self.memory or self.ended}


class Watch:
    """Compares what a process uses with what the question that it answers may take."""

    def __init__(self, allowance: Allowance, usage: Usage | None) -> None:
        self.allowance, self.silence = allowance, allowance.silence
        self.begun = False  # the process has taken the question up
        self.heard = time.monotonic()  # when the process last said anything
        self._heard = 0.0  # the same, as of the newest look
        self._cpu_heard = self._cpu_before = self._memory_before = 0.0
        self._worked, self._worked_at = usage, self.heard  # what it had used, when it last worked

    def allow(self, seconds: float, usage: Usage | None) -> None:
        """The process takes the question up, or says that what comes may take so long."""
        self.silence = seconds or self.allowance.silence
        if not self.begun and usage:
            self._cpu_before, self._memory_before = usage.cpu, usage.memory
        self.begun = True

    def look(self, usage: Usage, now: float, others: float) -> Met | None:
        """What is used up; None as long as all is well.

        ``others``: seconds that the question may take which the process answers now.
        """
        if self._worked is None or has_worked(self._worked, usage):
            self._worked, self._worked_at = usage, now
        if self.heard > self._heard:
            self._heard, self._cpu_heard = self.heard, usage.cpu
        silence = self.silence if self.begun else max(START_SECONDS, others + PATIENCE)
        idle = now - max(self._worked_at, self.heard)
        spent = usage.cpu - self._cpu_heard
        by_the_clock = now - self.heard
        if idle >= min(self.allowance.patience, silence) or spent >= silence:
            return "silent"
        if by_the_clock >= CLOCK_TIMES * silence:
            return "silent"
        if not self.begun:
            return None
        if usage.cpu - self._cpu_before >= self.allowance.cpu:
            return "slow"
        if usage.memory - self._memory_before >= self.allowance.memory:
            return "memory"
        return None
