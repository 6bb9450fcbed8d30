"""How to ask a result as Hone does, for programs that have only its files.

It is kept beside the weights (``asking.json``); the Export tab's lines of Python follow it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, get_args

from transformers import PreTrainedTokenizerBase

from engine.data.messages import Message, make_message, with_system
from engine.errors import DataError
from engine.spec.data import Template
from engine.spec.run import DataSpec
from engine.work.encode.messages import message_forms
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
    empty_tools: bool = False  # the template wants a list of tools, even an empty one
    left_off: str = ""  # what the template writes at the end of a prompt and training has not
    left_off_tokens: int = 0  # that the tokenizer puts behind every text
    stop_texts: tuple[str, ...] = ()  # words that end a reply, beside the end tokens


def find_asking(tokenizer: PreTrainedTokenizerBase, data: DataSpec, plain_text: bool) -> Asking:
    """How a run with these settings is asked."""
    if plain_text:
        return Asking(True, left_off_tokens=ends_every_text(tokenizer))
    found = Asking(False, data.system.strip(), stop_texts=find_turn_ends(tokenizer).texts)
    chat = hello_chat(data)
    try:
        asked, _ = prompt_text(tokenizer, chat, [])
    except DataError:  # each row has more than this one, such as a tool
        return found
    choices: tuple[list[Any] | None, ...] = (None, [])
    for tools in choices:
        for form in message_forms(tokenizer.get_chat_template(tools=tools), chat):
            in_parts, text = not isinstance(form[0]["content"], str), ""
            with suppress(DataError):
                text = render_chat(tokenizer, form, tools, prompt=True)
            if text.startswith(asked):
                left_off, empty_tools = text.removeprefix(asked), tools is not None
                return found._replace(in_parts=in_parts, empty_tools=empty_tools, left_off=left_off)
    return found


def hello_chat(data: DataSpec) -> list[Message]:
    """A conversation that begins as those of a run with these settings."""
    return with_system([make_message("user", HELLO)], data.system)


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
    fits = (name for name, one in sources.items() if _written_samples(tokenizer, one) == wanted)
    return next(fits, "") if any(wanted) else ""


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
