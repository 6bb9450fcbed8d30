"""Renders prompts: a conversation so far, opened for the assistant's answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from engine.data.messages import Message
from engine.errors import DataError
from engine.work.encode.messages import Tool, check_complete, message_forms, replace_words
from engine.work.encode.template import render_chat

Made = TypeVar("Made")
NEUTRAL_WORDS = ("Zq", "7x")  # they have no first letter in common
HELLO_TURN = {"role": "user", "content": "Hello."}  # precedes an answer without a question


def prompt_text(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: list[Tool]
) -> tuple[str, list[int]]:
    """The conversation with a generation prompt, and the characters where earlier answers begin.

    Raises DataError where the template leaves something out.
    """

    def render_form(form: list[Message], offered: list[Tool] | None) -> tuple[str, list[int]]:
        text = render_chat(tokenizer, form, offered, prompt=True)
        check_complete(text, form, tools)
        starts = list(ChatPrompts(tokenizer, form, offered).ends_in(text).values())
        # Some templates open <think> for the answer and then take all thinking out of it. No
        # trained answer follows such an opening, so the prompt ends before it.
        heads = [
            common_prefix([text, *_with_neutral_answers(tokenizer, form, offered, thinks)])
            for thinks in (False, True)
        ]
        head = max(heads, key=len)
        return head if text[len(head) :].strip() == "<think>" else text, starts

    return first_usable_form(render_form, tokenizer, messages, tools)


class ChatPrompts:
    """The prompts that ask for each answer of a conversation."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: list[Tool] | None
    ) -> None:
        self.tokenizer, self.messages, self.tools = tokenizer, messages, tools
        self.answers = [at for at, one in enumerate(messages) if one["role"] == "assistant"]
        self._prompts: dict[int, str | None] = {}

    def before(self, index: int) -> str | None:
        """The prompt for a turn; None where the template refuses the messages before it."""
        if index not in self._prompts:
            try:
                self._prompts[index] = render_chat(
                    self.tokenizer, self.messages[:index], self.tools, prompt=True
                )
            except DataError:
                self._prompts[index] = None
        return self._prompts[index]

    def ends_in(self, text: str) -> dict[int, int]:
        """Where each answer's prompt ends, for those prompts with which the text begins."""
        prompts = {index: self.before(index) for index in self.answers}
        return {
            index: len(prompt)
            for index, prompt in prompts.items()
            if prompt is not None and text.startswith(prompt)
        }


def _with_neutral_answers(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    tools: list[Tool] | None,
    thinks: bool,
) -> list[str]:
    """The conversation with answers that differ; empty where it cannot be rendered."""
    like = messages[-1] if messages else HELLO_TURN
    turn = {"role": "assistant", "content": like["content"]}
    answers = [
        replace_words(turn, f"<think>\n{words}\n</think>\n\n{words}" if thinks else words)
        for words in NEUTRAL_WORDS
    ]
    try:
        return [render_chat(tokenizer, [*messages, answer], tools) for answer in answers]
    except DataError:
        return []


def first_usable_form(
    make: Callable[[list[Message], list[Tool] | None], Made],
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    tools: list[Tool],
) -> Made:
    """What ``make`` returns for the first form that it accepts; raises the clearest DataError."""
    problems: list[DataError] = []
    # A template for tools may fail where there are none, unless it is given an empty list.
    choices: list[list[Tool] | None] = [tools] if tools else [None, []]
    for offered in choices:
        for form in message_forms(tokenizer.get_chat_template(tools=offered), messages):
            try:
                return make(form, offered)
            except DataError as error:
                problems.append(error)
    raise min(problems, key=_vagueness)


def _vagueness(problem: DataError) -> int:
    """Hone's own reason says most, then the template's words; least what went wrong inside it."""
    if problem.__cause__ is None:
        return 0
    return 1 if type(problem.__cause__) is TemplateError else 2


def common_prefix(texts: list[str]) -> str:
    """The characters with which all of these texts begin."""
    return os.path.commonprefix(texts)  # noqa: RUF071, PTH  these are no paths
