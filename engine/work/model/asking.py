"""How a result is asked as Hone asks it, for programs that have nothing but its files.

It is kept beside the weights (``asking.json``); the Export tab's lines follow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

from transformers import PreTrainedTokenizerBase

from engine.data.messages import Message, make_message, with_system
from engine.errors import DataError
from engine.spec.data import Template
from engine.spec.run import DataSpec
from engine.work.encode.plain_text import ends_every_text
from engine.work.encode.prompts import prompt_text
from engine.work.encode.template import render_chat
from engine.work.encode.tokenizer import TEMPLATE_FOLDER, load_tokenizer
from engine.work.encode.turn_ends import find_turn_ends

ASKING_FILE = "asking.json"
HELLO = "Hello!"


class Asking(NamedTuple):
    """What a question to the model consists of."""

    plain_text: bool  # a text to be continued, without turns
    system: str = ""  # the first turn of each conversation
    in_parts: bool = False  # the template wants each turn's text as a list of parts
    empty_tools: bool = False  # the template wants a list of tools, be it empty
    left_off: str = ""  # what the template writes at the end of a prompt and training has not
    left_off_tokens: int = 0  # that the tokenizer puts behind every text
    stop_texts: tuple[str, ...] = ()  # words that end a reply, beside the end tokens


def find_asking(tokenizer: PreTrainedTokenizerBase, data: DataSpec, plain_text: bool) -> Asking:
    """How a run with these settings is asked."""
    if plain_text:
        return Asking(True, left_off_tokens=ends_every_text(tokenizer))
    stop_texts = find_turn_ends(tokenizer).texts
    chat = with_system([make_message("user", HELLO)], data.system)
    system = data.system.strip()
    try:
        asked, _ = prompt_text(tokenizer, chat, [])
    except DataError:  # each row has more than this one, such as a tool
        return Asking(False, system, stop_texts=stop_texts)
    for in_parts, empty_tools, text in _ways_to_render(tokenizer, chat):
        if text.startswith(asked):
            left_off = text[len(asked) :]
            return Asking(False, system, in_parts, empty_tools, left_off, 0, stop_texts)
    return Asking(False, system, stop_texts=stop_texts)


def _ways_to_render(
    tokenizer: PreTrainedTokenizerBase, chat: list[Message]
) -> Iterator[tuple[bool, bool, str]]:
    """The conversation's prompt in each form that ``prompt_text`` may have taken."""
    for in_parts in (False, True):
        form = [_with_parts(message) if in_parts else message for message in chat]
        for empty_tools in (False, True):
            tools: list[Any] | None = [] if empty_tools else None
            try:
                yield in_parts, empty_tools, render_chat(tokenizer, form, tools, prompt=True)
            except DataError:
                continue


def _with_parts(message: Message) -> Message:
    return message | {"content": [{"type": "text", "text": message["content"]}]}


# --- the chat template of a result that another program made ---

SAMPLE_CHATS = tuple(
    [make_message(role, f"{role} {at}") for at, role in enumerate(roles)]
    for roles in (
        ("user",),
        ("user", "assistant", "user"),
        ("system", "user", "assistant", "user", "assistant"),
    )
)


def matching_template(folder: Path, own: str) -> str:
    """The setting (data.template) that writes chats as a template does; empty where none does."""
    tokenizer = load_tokenizer(folder)
    sources = {"model": tokenizer.chat_template}
    for name in get_args(Template)[1:]:
        sources[name] = (TEMPLATE_FOLDER / f"{name}.jinja").read_text(encoding="utf-8")
    wanted = _written_samples(tokenizer, own)
    if not any(wanted):
        return ""
    for name, source in sources.items():
        if _written_samples(tokenizer, source) == wanted:
            return name
    return ""


def _written_samples(tokenizer: PreTrainedTokenizerBase, source: Any) -> list[str]:
    """The sample chats as a template writes them; empty texts for those that it refuses."""
    tokenizer.chat_template = source
    found = []
    for chat in SAMPLE_CHATS:
        try:
            prompt = chat[-1]["role"] == "user"
            found.append(render_chat(tokenizer, chat, None, prompt=prompt))
        except DataError:
            found.append("")
    return found
