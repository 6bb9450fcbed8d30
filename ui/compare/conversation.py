"""Conversations and suggested messages of the Compare tab. Pure functions."""

from __future__ import annotations

from typing import Any

from ui.text import escape_html

Turn = dict[str, Any]  # role and content, as Gradio's chatbot holds them
LONGEST_SUGGESTION = 200  # characters


def add_message(turns: list[Turn], message: str) -> list[Turn]:
    return [*turns, {"role": "user", "content": message}]


def add_reply(turns: list[Turn], reply: str) -> list[Turn]:
    return [*turns, {"role": "assistant", "content": reply or "…"}]


def as_messages(turns: list[Turn]) -> list[dict[str, str]]:
    """Messages as the engine takes them: Gradio gives text in parts."""
    return [{"role": turn["role"], "content": _turn_text(turn["content"])} for turn in turns]


def _turn_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part if isinstance(part, str) else part.get("text", "") for part in content)


def question_of(row: dict[str, Any]) -> str:
    """What a row asks, if it is short enough to put on a button."""
    if "messages" in row:
        text = next((m["content"] for m in row["messages"] if m["role"] == "user"), "")
    else:
        text = row.get("prompt") or " ".join(row.get("text", "").split()[:8])
    return text.strip() if len(text) <= LONGEST_SUGGESTION else ""


def suggestion_buttons(texts: list[str]) -> str:
    if not texts:
        return ""
    buttons = (
        f'<button type="button" class="suggest">{escape_html(text)}</button>' for text in texts
    )
    return '<p class="try">Try one that was held out:</p>' + "".join(buttons)
