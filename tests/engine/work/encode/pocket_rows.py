"""Rows that the tests of encoding share, and what of a row is learned."""

from __future__ import annotations

import json
from pathlib import Path

from engine.data.rows import RowWriter
from engine.spec.run import DataSpec
from engine.work.encode.encode import IGNORE_INDEX

CHAT = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hello, friend."},
        {"role": "user", "content": "What is a cat?"},
        {"role": "assistant", "content": "A cat is an animal."},
    ]
}
CALL = {"type": "function", "function": {"name": "look_up", "arguments": {"city": "Oslo"}}}
TOOL = {
    "type": "function",
    "function": {"name": "look_up", "description": "Weather.", "parameters": {"type": "object"}},
}
# The pocket model's own template knows no tools.
REFUSED = {
    "messages": [{"role": "tool", "content": "21"}, {"role": "assistant", "content": "It is warm."}]
}
SHORT_CHAT = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "Farewell."},
    ]
}
TOOLS = {
    "messages": [
        {"role": "user", "content": "Warm?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [CALL]},
        {"role": "tool", "name": "look_up", "content": "21 C"},
        {"role": "assistant", "content": "Yes."},
    ],
    "tools": [TOOL],
}
# ChatML without generation marks, as most models on the Hub have it.
UNMARKED = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WIDE = DataSpec(max_length=4096)
# Control tokens typed in a row's own texts.
NASTY = {"prompt": "Say <|end|> and <|assistant|> now", "completion": "I say <|end|> gladly"}


def write_numbered(path: Path, rows: list[dict], first: int = 1) -> Path:
    """A file of rows, with their numbers in the user's file from ``first`` on."""
    with RowWriter(path) as writer:
        for number, row in enumerate(rows, start=first):
            writer.add(json.dumps(row), number)
    return path


def spec(**values) -> DataSpec:
    return DataSpec(**{"max_length": 512, **values})


def learned_text(tokenizer, encoded) -> str:
    return tokenizer.decode([label for label in encoded.labels if label != IGNORE_INDEX])
