"""Encodes prompts: the ids that a model generates from, and the question of a row."""

from __future__ import annotations

from collections.abc import Iterable

from transformers import PreTrainedTokenizerBase

from engine.data.messages import Message
from engine.data.rows import Row
from engine.errors import DataError
from engine.spec.run import DataSpec
from engine.work.encode.encode import encode_conversation, row_messages
from engine.work.encode.messages import Tool
from engine.work.encode.plain_text import encode_text, ends_every_text
from engine.work.encode.prompts import prompt_text
from engine.work.encode.tokens import tokenize_pieces, unwrap_control_tokens, wrap_control_tokens


def prompt_ids(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    plain_text: bool,
    tools: list[Tool] | None = None,
    literal: bool = False,
) -> list[int]:
    """The ids to generate from: a conversation with generation prompt, or plain text.

    ``literal``: control tokens in texts are read as ordinary letters.
    """
    if plain_text:
        ids = encode_text(tokenizer, messages[-1]["content"], literal)
        if size := ends_every_text(tokenizer):  # which the text that goes on has not
            return ids[:-size]
        return ids[:-1] if ids[-1:] == [tokenizer.eos_token_id] else ids
    if literal:
        messages, tools = wrap_control_tokens(tokenizer, [messages, tools])
    text, borders = prompt_text(tokenizer, messages, tools or [])
    text, spans, literals = unwrap_control_tokens(text, [(border, border) for border in borders])
    return tokenize_pieces(tokenizer, text, literals, [border for border, _ in spans]).ids


def question_messages(row: Row, system: str = "") -> list[Message]:
    """All messages before a row's last answer; of plain text, the first half, cut at a space."""
    if "text" in row:
        half = row["text"][: max(8, len(row["text"]) // 2)]
        return [{"role": "user", "content": half.rsplit(" ", 1)[0].strip() or half}]
    messages = row_messages(row, system)
    last = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
    return messages[:last]


def row_prompt_ids(tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec) -> list[int]:
    """The ids before a row's last answer, exactly as in training."""
    literal = "literal" in data.fixes
    if "text" in row:
        return prompt_ids(tokenizer, question_messages(row), True, literal=literal)
    ids, _, begin = encode_conversation(tokenizer, row, data)
    if begin:
        return ids[:begin]
    question = question_messages(row, data.system)
    return prompt_ids(tokenizer, question, False, row.get("tools"), literal)


def first_questions(
    tokenizer: PreTrainedTokenizerBase, rows: Iterable[Row], count: int, limit: int, data: DataSpec
) -> list[tuple[str, list[int]]]:
    """Questions of the first rows, as text and ids; skips those over ``limit`` tokens."""
    found: list[tuple[str, list[int]]] = []
    for row in rows:
        if len(found) == count:
            break
        try:
            asked, ids = question_messages(row, data.system), row_prompt_ids(tokenizer, row, data)
        except DataError:
            if "refused" not in data.fixes:
                raise
            continue
        if asked and len(ids) <= limit:
            found.append((asked[-1]["content"], ids))
    return found
