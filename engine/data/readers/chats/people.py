"""Chats between people in JSON: Telegram, Discord, Slack, Messenger and what is like them."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from engine.data.readers.chats.conversations import LONGEST_NAME, Chat, Said, conversation_rows
from engine.data.readers.table import objects_in
from engine.data.rows import Row
from engine.text import count_of

# Keys under which programs keep a message's author, text and time; the first found wins.
AUTHOR_KEYS = ("from", "sender_name", "author", "sender", "user_profile", "user", "username",
               "creator")  # fmt: skip
NAME_KEYS = ("nickname", "display_name", "real_name", "global_name", "name", "username", "id")
TEXT_KEYS = ("text", "content", "body", "message")
TIME_KEYS = ("date_unixtime", "timestamp_ms", "timestamp", "ts", "date", "created_at", "time",
             "created_date", "createTime")  # fmt: skip
ASSISTANT_ROLES = {
    "user", "assistant", "system", "human", "gpt", "model", "bot", "ai", "tool", "function",
    "developer", "prompter", "chatgpt", "observation",
}  # fmt: skip
WRITTEN_TYPES = {"message", "default", "reply", "text", "generic", "19"}  # 19: Discord's replies
MILLISECONDS = 1e11  # numbers above are milliseconds since 1970, not seconds


def chats_of(value: Row) -> list[list[Any]]:
    """The messages of each chat in a file's one object; empty where it is something else."""
    groups = objects_in([value.get("chats"), value.get("left_chats")])  # of a Telegram account
    listed = [chat for group in groups for chat in objects_in(group.get("list"))]
    found: list[Any] = [one.get("messages") for one in listed or [value]]
    return [messages for messages in found if is_message_list(messages)]


def is_slack_message(row: Row) -> bool:
    """Whether a row of a list is a message of a Slack channel."""
    return row.get("type") == "message" and "ts" in row and "text" in row


def is_message_list(messages: Any) -> bool:
    """Whether a list is what people wrote, and no conversation with an assistant."""
    looked_at = objects_in(messages)[:200]
    if not looked_at or any("role" in one for one in looked_at):
        return False
    authors = [_author(one) for one in looked_at if any(key in one for key in TEXT_KEYS)]
    known = [who for who in authors if who]
    timed = any(key in one for one in looked_at for key in TIME_KEYS)
    typed = any(str(one.get("type", "")).lower() in WRITTEN_TYPES for one in looked_at)
    strangers = not {who.lower() for who in known} <= ASSISTANT_ROLES
    return strangers and (timed or typed) and 2 * len(known) > len(looked_at)


def person_rows(chats: list[list[Any]], name: str, notes: list[str]) -> Iterator[Row]:
    """Yield the conversations of chats; says how many messages held no text."""
    read = [_read_chat(messages) for messages in chats]
    silent = sum(map(len, chats)) - sum(map(len, read))
    if silent:
        notes.append(
            f"Left out: {count_of(silent, 'message')} without text (pictures, calls, notices)."
        )
    yield from conversation_rows(read, name, notes)


def _read_chat(messages: list[Any]) -> Chat:
    """The messages that somebody wrote, the oldest first."""
    written = [said for one in objects_in(messages) if (said := _read_message(one))]
    times = [said.when for said in written if said.when is not None]
    if len(times) == len(written) and times != sorted(times):
        written.sort(key=lambda said: said.when or 0.0)
    return written


def _read_message(message: Row) -> Said | None:
    kind = str(message.get("type", "text")).lower()
    if kind not in WRITTEN_TYPES or message.get("subtype"):
        return None
    text = next((found for key in TEXT_KEYS if (found := _plain_text(message.get(key)))), "")
    who = _author(message)
    return Said(who, text, _time_written(message)) if who and text else None


def _author(message: Row) -> str:
    for key in AUTHOR_KEYS:
        value = message.get(key)
        if isinstance(value, dict):
            names = (value.get(inner) for inner in NAME_KEYS)
            value = next((one for one in names if isinstance(one, str) and one.strip()), "")
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())[:LONGEST_NAME]
    return ""


def _plain_text(value: Any) -> str:
    """A text, or the parts of one in which links and names are objects (Telegram)."""
    parts = value if isinstance(value, list) else [value]
    texts = (part.get("text") if isinstance(part, dict) else part for part in parts)
    return "".join(text for text in texts if isinstance(text, str)).strip()


def _time_written(message: Row) -> float | None:
    """When a message was written, in seconds; None where no known field says it."""
    value = next((message[key] for key in TIME_KEYS if message.get(key)), None)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        with suppress(ValueError, OverflowError, OSError):
            return datetime.datetime.fromisoformat(str(value)).timestamp()
        return None
    if not math.isfinite(number):
        return None
    return number / 1000 if number > MILLISECONDS else number
