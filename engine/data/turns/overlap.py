"""Columns that hold the same turns: each turn once, and the answer never in what is asked."""

from __future__ import annotations

from collections.abc import Sequence

from engine.data.messages import Message


def same_text(one: str, other: str) -> bool:
    """Whether two texts differ in white space at most."""
    return one.split() == other.split()


def without_answer(turns: list[Message], answers: Sequence[str]) -> list[Message]:
    """The turns before the last one, where that is one of these answers; else all of them."""
    if turns and turns[-1]["role"] == "assistant":
        last = turns[-1]["content"]
        if any(same_text(last, answer) for answer in answers):
            return turns[:-1]
    return turns


def split_system(turns: list[Message]) -> tuple[list[Message], list[Message]]:
    """The system turn that comes first, if there is one, and the other turns."""
    at = int(bool(turns) and turns[0]["role"] == "system")
    return turns[:at], turns[at:]


def join_turns(before: list[Message], later: list[Message]) -> list[Message]:
    """Both, one after the other, with the turns once that end the first and begin the second.

    What lies within the other is no more than the other. A system turn of ``later`` comes first.
    """
    system, earlier = split_system(before)
    own_system, rest = split_system(later)
    system = own_system or system
    if _lies_within(earlier, rest):
        return [*system, *rest]
    shared = (size for size in range(min(len(earlier), len(rest)), 0, -1)
              if same_turns(earlier[-size:], rest[:size]))  # fmt: skip
    return [*system, *earlier, *rest[next(shared, 0) :]]


def same_turns(some: list[Message], others: list[Message]) -> bool:
    """Whether these are the same turns, but for white space."""
    return len(some) == len(others) and all(
        one["role"] == other["role"] and same_text(one["content"], other["content"])
        for one, other in zip(some, others, strict=True)
    )


def _lies_within(some: list[Message], others: list[Message]) -> bool:
    starts = range(len(others) - len(some) + 1)
    return any(same_turns(some, others[start : start + len(some)]) for start in starts)
