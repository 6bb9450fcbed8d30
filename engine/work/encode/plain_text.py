"""Plain texts as token ids: each begins and ends once, also where it brings its own marks.

A text that somebody has already put through a chat template is read as it stands: it opens as the
template does, and its control tokens follow each other as they do there.
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
from engine.work.encode.tokenizer import TEMPLATE_FOLDER, is_in_table, require_in_table
from engine.work.encode.tokens import (
    control_pattern,
    tokenize_pieces,
    unwrap_control_tokens,
    wrap_control_tokens,
)

QUESTION, ANSWER = NEUTRAL_WORDS
SYSTEM = "Qz."
# Of Hone's templates, those whose turns open with a mark of their own; a text may be in another
# format than the model's template.
MARKED = ("chatml", "llama3", "gemma", "phi3", "mistral")


class OwnMarks(NamedTuple):
    """A text, and the marks at its ends that a tokenizer would add."""

    begin: str  # empty where the text has none
    body: str
    end: str


def split_own_marks(tokenizer: PreTrainedTokenizerBase, text: str) -> OwnMarks:
    """Split a text from the begin and end marks that it brings, and from blanks outside them."""
    begins, ends = _outer_marks(tokenizer)
    left = text.lstrip()
    if begin := next((one for one in begins if left.startswith(one)), ""):
        text = _without_copies(left, begin)
    right = text.rstrip()
    if end := next((one for one in ends if right.endswith(one)), ""):
        text = _without_copies(right[::-1], end[::-1])[::-1]
    return OwnMarks(begin, text, end)


def _without_copies(text: str, mark: str) -> str:
    """The text without the mark that it begins with, however often (another tool added it, too)."""
    while text.startswith(mark):
        text = text.removeprefix(mark)
    return text


def meant_marks(tokenizer: PreTrainedTokenizerBase, text: str) -> set[str]:
    """The marks that are no accident in a text that brings its own: it may be several in one."""
    own = split_own_marks(tokenizer, text)
    return {one for marks in _outer_marks(tokenizer) for one in marks if own.begin or own.end}


def _outer_marks(tokenizer: PreTrainedTokenizerBase) -> tuple[list[str], list[str]]:
    """What begins a text, and what ends one."""
    before, after = _added_tokens(tokenizer)
    begins = [tokenizer.bos_token, *tokenizer.convert_ids_to_tokens(before)[:1]]
    ends = [tokenizer.eos_token, *tokenizer.convert_ids_to_tokens(after)[-1:]]
    return [str(one) for one in begins if one], [str(one) for one in ends if one]


def without_own_marks(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """A text without those marks at its ends that the tokenizer adds to every text anyway."""
    (before, after), own = _added_tokens(tokenizer), split_own_marks(tokenizer, text)
    begin = "" if before else own.begin
    return begin + own.body + ("" if after else own.end)


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str, literal: bool) -> list[int]:
    """A plain text's token ids, with what the tokenizer adds to every text, unless it is there.

    ``literal``: control tokens in it are read as ordinary letters, but for those of a template that
    wrote the whole text. Raises DataError for a token that the model does not know.
    """
    begin, body, end = split_own_marks(tokenizer, text)
    written = _find_format(tokenizer, text)
    if literal and not written:
        body = wrap_control_tokens(tokenizer, body, meant_marks(tokenizer, text))
    plain, _, literals = unwrap_control_tokens(begin + body + end, [])
    if literals:
        ids = tokenize_pieces(tokenizer, plain, literals, []).ids
    else:
        ids = tokenizer.encode(plain, add_special_tokens=False)
    require_in_table(tokenizer, ids)
    before, after = _added_tokens(tokenizer)
    if begin or (written and not written.begun):
        before = []
    return [*before, *ids, *([] if end else after)]


def encode_whole_text(tokenizer: PreTrainedTokenizerBase, text: str, literal: bool) -> list[int]:
    """``encode_text`` with the end token behind it, so that the model learns to stop."""
    ids, end = encode_text(tokenizer, text, literal), tokenizer.eos_token_id
    if end is None or ids[-1:] == [end] or not is_in_table(tokenizer, end):
        return ids
    return [*ids, end]


def ends_every_text(tokenizer: PreTrainedTokenizerBase) -> int:
    """How many tokens the tokenizer puts after every text."""
    return len(_added_tokens(tokenizer)[1])


@lru_cache(maxsize=4)
def _added_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The tokens that the tokenizer puts before and after every text."""
    bare, full = tokenizer.encode("a", add_special_tokens=False), tokenizer.encode("a")
    starts = range(len(full) - len(bare) + 1)
    at = next((at for at in starts if full[at : at + len(bare)] == bare), 0)
    return full[:at], full[at + len(bare) :]


# --- texts that a chat template has written ---


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
