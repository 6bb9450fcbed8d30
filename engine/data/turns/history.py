"""Earlier turns in a column of their own (Alpaca's history), and texts that name their speakers."""

from __future__ import annotations

import re
from typing import Any

from engine.data.columns.cells import is_blank
from engine.data.messages import Message, make_message, read_turns
from engine.data.turns.fields import as_list
from engine.data.turns.roles import known_role
from engine.errors import DataError

HH_MARKS = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")  # of HH-RLHF
ANY_MARKS = re.compile(r"(?:^|\n)[ \t]*([^\W\d_][\w ]{0,20}?)[ \t]*[:\uff1a][ \t]*")
# Alpaca's, with which texts for other tools are written out.
HEADINGS = re.compile(r"^#{2,3} ?Instruction\b.*^#{2,3} ?Response\b", re.MULTILINE | re.DOTALL)
SHORT_MARKS = {"q": "user", "a": "assistant"}


def read_history(value: Any) -> list[Message]:
    """The turns of a history: pairs, turns, or a text with speakers; none where it is empty."""
    found = as_list(value)
    if is_blank(found):
        return []
    if isinstance(found, str):
        found = split_speakers(found, ANY_MARKS)
    if not isinstance(found, list):
        raise DataError("its earlier turns are neither a list nor a text that names its speakers.")
    turns = [turn for turn in found if turn not in ([], {}, None, "")]
    return read_turns(turns) if turns else []


def split_speakers(text: str, marks: re.Pattern[str] = HH_MARKS) -> str | list[Message]:
    """Turns of a text with "Human:" and "Assistant:" parts; of another, the text.

    A last part without words, which asks for the answer, is left out.
    """
    parts = marks.split(text)
    if len(parts) < 5 or parts[0].strip():
        return text
    roles = [SHORT_MARKS.get(name.lower()) or known_role(name) for name in parts[1::2]]
    said = [part.strip() for part in parts[2::2]]
    if not said[-1]:
        roles, said = roles[:-1], said[:-1]
    if not all(roles) or not all(said):
        return text
    return [make_message(role, words) for role, words in zip(roles, said, strict=True)]
