"""The parts of a turn under the names of many tools, and lists of turns in many forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.data.columns.cells import decode_cell, is_blank
from engine.data.rows import Row
from engine.data.turns.roles import known_role

# In this order. The others only where they name a known role.
ROLE_FIELDS = ("role", "from", "speaker", "author", "sender")
OTHER_ROLE_FIELDS = ("participant", "actor", "who", "name", "type", "source", "side")
TEXT_FIELDS = (
    "content", "value", "text", "utterance", "message", "body", "parts", "data", "msg",
)  # fmt: skip
LIST_FIELDS = ("messages", "conversations", "conversation", "turns", "contents", "dialog")
SPOKEN = re.compile(r"\s*([^\W\d_][\w ]{0,20}?)[ \t]*[:\uff1a]\s*(.*)", re.DOTALL)
NAME_LENGTH = 20  # letters of a speaker's name in a field of any name
RANK = {"system": 0, "user": 1, "assistant": 2, "tool": 3}


def role_name(turn: Row) -> str:
    """Whose turn it is, as the file says it; empty where it does not."""
    given = ""
    for field in ROLE_FIELDS:
        if field in turn and (name := _name_in(turn[field])):
            if known_role(name):
                return name
            given = given or name
    if given:
        return given
    more = (_name_in(turn.get(field)) for field in OTHER_ROLE_FIELDS if field in turn)
    return next(filter(known_role, more), "") or _name_by_content(turn)


def _name_by_content(turn: Row) -> str:
    """The speaker of a turn of two texts whose fields have foreign names; empty if unclear."""
    if len(turn) != 2 or not all(isinstance(text, str) for text in turn.values()):
        return ""
    names = [text for text in turn.values() if len(text) <= NAME_LENGTH and known_role(text)]
    return names[0] if len(names) == 1 and not any(map(known_role, turn)) else ""


def _name_in(value: Any) -> str:
    if isinstance(value, dict):  # ChatGPT's author
        value = value.get("role") or value.get("name")
    return "" if is_blank(value) or not isinstance(value, str) else value


def turn_content(turn: Row) -> Any:
    """What is said in a turn: a text, a list of parts or an object with either."""
    found = (turn[field] for field in TEXT_FIELDS if turn.get(field) is not None)
    if (said := next(found, None)) is not None:
        return said
    name = _name_by_content(turn)
    return next((text for text in turn.values() if text != name), None) if name else None


def as_list(value: Any) -> Any:
    """A conversation's list of turns, out of the cell, object or columns that hold it."""
    value = decode_cell(value)
    if not isinstance(value, dict):
        return list(value) if isinstance(value, tuple) else value
    if field := list_field(value):
        return decode_cell(value[field])
    lists = [one for one in value.values() if isinstance(one, list)]
    if len(lists) == len(value) > 1 and len(set(map(len, lists))) == 1:  # columns of a table
        turns = [dict(zip(value, turn, strict=True)) for turn in zip(*lists, strict=True)]
        return turns if holds_turns(turns) else value
    return value


def list_field(value: Row) -> str:
    """The field of an object in which its conversation lies; empty where it has none."""
    lists = (name for name in LIST_FIELDS if isinstance(decode_cell(value.get(name)), list))
    return next(lists, "")


def split_turns(turns: list[Any]) -> Iterator[Any]:
    """Each turn by itself: pairs of a question and its answer become two.

    A list of texts is said by the user and the assistant in turn. LangChain's pairs are of a role
    and what it says.
    """
    texts = len(turns) > 1 and all(isinstance(turn, str) for turn in turns)
    spoken = read_spoken(turns) if texts else []
    named = _are_named(turns)
    for number, turn in enumerate(turns):
        if spoken:
            yield {"role": spoken[number][0], "content": spoken[number][1]}
        elif texts:
            yield {"role": ("user", "assistant")[number % 2], "content": turn}
        elif named:
            yield {"role": turn[0], "content": turn[1]}
        elif _is_pair(turn):
            # Either may be missing, as a greeting has no question.
            said = zip(("user", "assistant"), turn, strict=True)
            yield from ({"role": role, "content": text} for role, text in said if text is not None)
        elif isinstance(turn, dict):
            yield from _turns_of_object(turn)
        else:
            yield turn


def read_spoken(turns: list[Any]) -> list[tuple[str, str]]:
    """Role and words of texts that begin with who speaks ("User: Hello"); else none."""
    found = [SPOKEN.fullmatch(turn) for turn in turns if isinstance(turn, str)]
    roles = {known_role(one[1]) if one else "" for one in found}
    if len(found) < len(turns) or "" in roles or not roles >= {"user", "assistant"}:
        return []
    return [(one[1], one[2]) for one in found if one]


def _is_pair(turn: Any) -> bool:
    """Whether a turn is a question and its answer."""
    two = isinstance(turn, list | tuple) and len(turn) == 2
    return two and all(isinstance(one, str | None) for one in turn)


def _are_named(turns: list[Any]) -> bool:
    """Whether turns are pairs of a role and what it says."""
    return all(_is_pair(turn) and known_role(turn[0] or "") for turn in turns)


def _turns_of_object(turn: Row) -> Iterator[Row]:
    if isinstance(turn.get("content"), str) and isinstance(turn.get("role"), str):
        yield turn  # as nearly all files have them
        return
    turn = {str(key).strip().lower(): value for key, value in turn.items()}
    if role_name(turn):
        yield from _tool_results(turn)
        return
    if turn_content(turn) is None and (said := _said_by_key(turn)):
        yield from said
    else:
        yield turn


def _said_by_key(turn: Row) -> list[Row]:
    """Turns of {"human": text, "assistant": text}, the question first."""
    said = [(known_role(key), text) for key, text in turn.items() if isinstance(text, str | list)]
    known = sorted((one for one in said if one[0]), key=lambda one: RANK[one[0]])
    # An empty system or first field is nothing that was said.
    kept = (one for one in known if one[0] == "assistant" or not is_blank(one[1]))
    return [{"role": role, "content": text} for role, text in kept]


def _tool_results(turn: Row) -> Iterator[Row]:
    """The turn; the results of tools that it brings (Anthropic's form) precede it as their own."""
    parts = turn_content(turn)
    if not isinstance(parts, list):
        yield turn
        return
    results = [one for one in parts if isinstance(one, dict) and one.get("type") == "tool_result"]
    yield from ({"role": "tool", "content": one.get("content") or ""} for one in results)
    rest = [part for part in parts if part not in results]
    if rest or not results:
        yield {**turn, "content": rest} if results else turn


def holds_turns(value: Any) -> bool:
    """Whether a value is a list of turns whose speakers are known."""
    if not isinstance(value, list) or not value or len(value) > 10_000:
        return False
    if not all(isinstance(turn, dict) for turn in value) and not _are_named(value):
        return False
    turns = list(split_turns(value))
    roles = {known_role(role_name(turn)) for turn in turns}
    return "" not in roles and bool(roles & {"user", "assistant"})
