"""Conversations with assistants as ChatGPT, Claude and Open WebUI export them."""

from __future__ import annotations

from typing import Any

from engine.data.readers.chats.conversations import join_messages
from engine.data.readers.table import objects_in
from engine.data.rows import Row

SPEAKERS = {"user": "user", "human": "user", "assistant": "assistant"}  # system: the program's


def is_assistant_chat(row: Row) -> bool:
    """Whether a row is a conversation that one of these programs has exported."""
    chat = row.get("chat")
    return (
        (isinstance(row.get("mapping"), dict) and ("current_node" in row or "title" in row))
        or isinstance(row.get("chat_messages"), list)
        or (isinstance(chat, dict) and isinstance(chat.get("messages"), list))
    )


def conversation_of(row: Row) -> Row | None:
    """The row as {"messages": [...]}; None where it holds no question that was answered."""
    if isinstance(row.get("mapping"), dict):
        turns = _chatgpt_turns(row["mapping"], row.get("current_node"))
    elif isinstance(row.get("chat_messages"), list):
        turns = [(one.get("sender"), _claude_text(one)) for one in objects_in(row["chat_messages"])]
    else:
        messages = objects_in(row["chat"]["messages"])
        turns = [(one.get("role"), one.get("content")) for one in messages]
    said = (
        (SPEAKERS[str(sender).lower()], text.strip())
        for sender, text in turns
        if str(sender).lower() in SPEAKERS and isinstance(text, str) and text.strip()
    )
    joined = join_messages(said, "\n\n")
    return {"messages": joined} if joined else None


def _chatgpt_turns(mapping: Row, last: Any) -> list[tuple[Any, Any]]:
    """The turns from the first to the one shown last: what was asked again is another branch."""
    nodes = {key: node for key, node in mapping.items() if isinstance(node, dict)}
    at = last if isinstance(last, str) and last in nodes else next(reversed(nodes), None)
    path: list[Row] = []
    seen: set[Any] = set()
    while isinstance(at, str) and at in nodes and at not in seen:
        seen.add(at)
        path.append(nodes[at])
        at = nodes[at].get("parent")
    messages = (node.get("message") for node in reversed(path))
    return [turn for one in messages if isinstance(one, dict) and (turn := _chatgpt_turn(one))]


def _chatgpt_turn(message: Row) -> tuple[Any, Any] | None:
    """Who says what; None for calls of tools, thoughts and what was never shown."""
    author, content = message.get("author"), message.get("content")
    about = message.get("metadata")
    hidden = isinstance(about, dict) and about.get("is_visually_hidden_from_conversation")
    if not isinstance(author, dict) or not isinstance(content, dict) or hidden:
        return None
    if message.get("recipient", "all") != "all":
        return None
    if content.get("content_type", "text") not in ("text", "multimodal_text"):
        return None
    parts = content.get("parts")
    texts = [part for part in parts if isinstance(part, str)] if isinstance(parts, list) else []
    return author.get("role"), "\n".join(texts)


def _claude_text(message: Row) -> str:
    """A message's text, which newer exports keep in parts beside thoughts and calls of tools."""
    parts = (part for part in objects_in(message.get("content")) if part.get("type") == "text")
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    return "\n".join(texts) or str(message.get("text") or "")
