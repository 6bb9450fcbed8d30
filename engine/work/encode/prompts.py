"""What is put before the model when it is asked: a conversation so far, opened for the assistant."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from engine.errors import DataError
from engine.work.encode.messages import Message, Tool, check_whole, forms, with_words
from engine.work.encode.template import render

T = TypeVar("T")
NEUTRAL = ("Zq", "7x")  # words that have no first letter in common
HELLO = {"role": "user", "content": "Hello."}  # stands before an answer that no question precedes


def prompt_text(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: list[Tool]
) -> tuple[str, list[int]]:
    """The conversation so far, opened for the assistant, and where its earlier answers begin.

    Raises DataError where something is left out.
    """

    def one(form: list[Message], offered: list[Tool] | None) -> tuple[str, list[int]]:
        text = render(tokenizer, form, offered, prompt=True)
        check_whole(text, form, tools)
        # Some templates open <think> for the answer and then take all thinking out of it: what no answer can follow
        # was never trained, so the prompt ends before it.
        heads = [
            beginning([text, *_answered(tokenizer, form, offered, thinks)])
            for thinks in (False, True)
        ]
        head = max(heads, key=len)
        return head if text[len(head) :].strip() == "<think>" else text, _borders(
            tokenizer, form, offered, text
        )

    return first(one, tokenizer, messages, tools)


def _borders(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: list[Tool] | None, text: str
) -> list[int]:
    found = []
    for index, message in enumerate(messages):
        if message["role"] == "assistant":
            try:
                earlier = render(tokenizer, messages[:index], tools, prompt=True)
            except DataError:
                continue
            if text.startswith(earlier):
                found.append(len(earlier))
    return found


def _answered(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    tools: list[Tool] | None,
    thinks: bool,
) -> list[str]:
    """The conversation with answers that have nothing in common; none where it cannot be rendered so."""
    like = messages[-1] if messages else HELLO
    turn = {"role": "assistant", "content": like["content"]}
    answers = [
        with_words(turn, f"<think>\n{words}\n</think>\n\n{words}" if thinks else words)
        for words in NEUTRAL
    ]
    try:
        return [render(tokenizer, [*messages, answer], tools) for answer in answers]
    except DataError:
        return []


def first(
    made: Callable[[list[Message], list[Tool] | None], T],
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    tools: list[Tool],
) -> T:
    """What comes of the first form of the conversation that can be used; raises the most telling DataError."""
    problems: list[DataError] = []
    # A template for tools may fail where there are none, unless it is given an empty list.
    choices: list[list[Tool] | None] = [tools] if tools else [None, []]
    for offered in choices:
        for form in forms(tokenizer.get_chat_template(tools=offered), messages):
            try:
                return made(form, offered)
            except DataError as error:
                problems.append(error)
    raise min(problems, key=_obscurity)


def _obscurity(problem: DataError) -> int:
    """Our own reason says most, then the template's own words; least what went wrong within it."""
    return 0 if problem.__cause__ is None else 1 if type(problem.__cause__) is TemplateError else 2


def beginning(texts: list[str]) -> str:
    """The letters with which all of these texts begin."""
    return os.path.commonprefix(texts)  # noqa: RUF071, these are no paths
