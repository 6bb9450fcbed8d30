"""Columns whose equal values make rows belong together: of one conversation, document or person."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

WHOLES = (
    "conversation|conv|dialog|dialogue|thread|session|document|doc|article|passage|paragraph|story|"
    "paper|url|file|filename|patient|customer|client|user|author|speaker"
)
ONLY_AS_ID = (
    "chat|case|ticket|issue|book|group|parent|family|question|context|example|sample|item|q"
)
NUMBERED = "id|ids|key|uuid|guid|no|nr|number|hash"
GROUP_COLUMN = re.compile(
    rf"(?:id|uuid|(?:\w+_)?(?:{WHOLES})|(?:\w+_)?(?:{WHOLES}|{ONLY_AS_ID})_?(?:{NUMBERED}|name))$"
)
LONGEST_VALUE = 200  # characters of a value; what is longer is a text of its own


def group_columns(columns: Collection[str], used: Collection[str]) -> list[str]:
    """The columns that name what a row belongs to, by their own names; not those in ``used``."""
    return [name for name in columns if name not in used and GROUP_COLUMN.match(_spaced(name))]


def _spaced(name: str) -> str:
    """conversationId and Conversation-ID as conversation_id."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\W_]+", "_", words).strip("_").lower()


def group_value(value: Any) -> str:
    """A name as text; empty where the value is none."""
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()
    return text if len(text) <= LONGEST_VALUE else ""
