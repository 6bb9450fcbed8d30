"""Plain texts that somebody has already put through a chat template: they are read as they stand.

Such a text opens as the template does, and its control tokens follow each other as they do there.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.data.messages import make_message
from engine.errors import DataError
from engine.work.encode.prompts import NEUTRAL_WORDS
from engine.work.encode.template import render_chat
from engine.work.encode.tokenizer import TEMPLATE_FOLDER
from engine.work.encode.tokens import control_pattern

QUESTION, ANSWER = NEUTRAL_WORDS
SYSTEM = "Qz."
# Of Hone's templates, those whose turns open with a mark of their own; a text may be in another
# format than the model's template.
MARKED = ("chatml", "llama3", "gemma", "phi3", "mistral")


class _Format(NamedTuple):
    """How the texts of a template look."""

    begun: bool  # whether they begin with the token that begins every text
    openings: frozenset[str]  # what stands before the first turn's words
    pairs: frozenset[tuple[str, str]]  # control tokens that follow each other; first after ""

    @property
    def marks(self) -> set[str]:
        return {mark for pair in self.pairs for mark in pair}


def is_templated(tokenizer: PreTrainedTokenizerBase, text: str) -> bool:
    """Whether a text has been written by a chat template."""
    return _find_format(tokenizer, text) is not None


def begins_otherwise(tokenizer: PreTrainedTokenizerBase, text: str) -> bool:
    """Whether a text is in a format that does not begin with the tokenizer's begin token."""
    found = _find_format(tokenizer, text)
    return found is not None and not found.begun


def _find_format(tokenizer: PreTrainedTokenizerBase, text: str) -> _Format | None:
    begin = tokenizer.bos_token or ""
    body = text.lstrip().removeprefix(begin).lstrip()
    marks = ["", *control_pattern(tokenizer).findall(body)]
    for one in _formats(tokenizer, str(tokenizer.chat_template)):
        # Others, such as a tool's, may stand within the turns.
        known = [mark for mark in marks if mark in one.marks]
        if body.startswith(tuple(one.openings)) and one.pairs.issuperset(pairwise(known)):
            return one
    return None


@lru_cache(maxsize=4)
def _formats(tokenizer: PreTrainedTokenizerBase, _template: str) -> tuple[_Format, ...]:
    """The formats of the tokenizer's template and of Hone's own, the tokenizer's first.

    ``_template`` is part of the key: a tokenizer's template may be replaced.
    """
    files = (TEMPLATE_FOLDER / f"{name}.jinja" for name in MARKED)
    formats = [_format(tokenizer, file.read_text(encoding="utf-8"), own=False) for file in files]
    with suppress(ValueError):  # it has templates for some uses and none for the others
        formats.insert(0, _format(tokenizer, tokenizer.get_chat_template(), own=True))
    return tuple(one for one in formats if one)


def _format(tokenizer: PreTrainedTokenizerBase, source: str, own: bool) -> _Format | None:
    """A template's format; None where nothing in it tells a text from any other.

    ``own``: the tokenizer's own template tells by its words too; of others, by its marks alone.
    """
    turns = [make_message("user", QUESTION), make_message("assistant", ANSWER)]
    system = make_message("system", SYSTEM)
    begin, end = tokenizer.bos_token or "", tokenizer.eos_token or ""
    control, openings = control_pattern(tokenizer), set[str]()
    pairs, begun = {(end, begin), ("", end)}, False
    for first, messages in ((QUESTION, turns), (SYSTEM, [system, *turns])):
        for chat in (messages, [*messages, *turns]):
            try:
                text = render_chat(tokenizer, chat, None, template=source)
            except DataError:
                continue
            begun = bool(begin) and text.startswith(begin)
            body = text.removeprefix(begin)
            openings.add(body.partition(first)[0].strip())
            pairs.update(pairwise(["", *control.findall(body)]))
    telling = {one for one in openings if len(one) > 2} if own else set()
    marked = telling | {one for one in openings if "[INST]" in one or control.search(one)}
    return _Format(begun, frozenset(marked), frozenset(pairs)) if marked else None
