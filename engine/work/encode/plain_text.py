"""Plain texts as token ids: each begins and ends once, also where it brings its own marks."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.work.encode.templated import begins_otherwise, is_templated
from engine.work.encode.tokenizer import is_in_table, require_in_table
from engine.work.encode.tokens import tokenize_pieces, unwrap_control_tokens, wrap_control_tokens


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
        text = left.removeprefix(begin)
    right = text.rstrip()
    if end := next((one for one in ends if right.endswith(one)), ""):
        text = right.removesuffix(end)
    return OwnMarks(begin, text, end)


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
    return ("" if before else own.begin) + own.body + ("" if after else own.end)


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str, literal: bool) -> list[int]:
    """A plain text's token ids, with what the tokenizer adds to every text, unless it is there.

    ``literal``: control tokens in it are read as ordinary letters, but for those of a template that
    wrote the whole text. Raises DataError for a token that the model does not know.
    """
    begin, body, end = split_own_marks(tokenizer, text)
    if literal and not is_templated(tokenizer, text):
        body = wrap_control_tokens(tokenizer, body, meant_marks(tokenizer, text))
    plain, _, literals = unwrap_control_tokens(begin + body + end, [])
    if literals:
        ids = tokenize_pieces(tokenizer, plain, literals, []).ids
    else:
        ids = tokenizer.encode(plain, add_special_tokens=False)
    require_in_table(tokenizer, ids)
    before, after = _added_tokens(tokenizer)
    if begin or begins_otherwise(tokenizer, text):
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
