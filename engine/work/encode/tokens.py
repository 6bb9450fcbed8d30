"""Text to token ids with character offsets; control tokens typed in a row stay plain text.

A control token typed in a row, such as <|im_end|> in a question, would be read as the real one. To
prevent that, it is rendered between two private characters and tokenised as ordinary letters.
"""

from __future__ import annotations

import re
from collections.abc import Set
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.errors import DataError
from engine.work.encode.template import Span
from engine.work.encode.tokenizer import require_in_table

LITERAL_OPEN, LITERAL_CLOSE = "\U000f0020", "\U000f0021"


class TextTokens(NamedTuple):
    """Token ids, and the characters of the text that each stands for."""

    ids: list[int]
    offsets: list[Span]


def control_pattern(
    tokenizer: PreTrainedTokenizerBase, but: Set[str] = frozenset(), every: bool = False
) -> re.Pattern[str]:
    """Matches a special token of this tokenizer; longer ones first: one may contain another.

    ``but``: tokens that it does not match; ``every``: it matches added tokens that are not special,
    too.
    """
    added = tokenizer.added_tokens_decoder.values()
    texts = {token.content for token in added if every or token.special}
    texts = (texts | set(tokenizer.all_special_tokens)) - but
    longest = sorted(filter(str.strip, texts), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest)) or "(?!)")


def wrap_control_tokens(
    tokenizer: PreTrainedTokenizerBase, value: Any, but: Set[str] = frozenset()
) -> Any:
    """A row's value with each control token in its texts between the private characters.

    ``but``: tokens that are left as they are.
    """
    control = control_pattern(tokenizer, but)

    def wrap(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: wrap(item) for key, item in value.items()}
        if isinstance(value, list):
            return [wrap(item) for item in value]
        if not isinstance(value, str):
            return value
        clean = value.replace(LITERAL_OPEN, "").replace(LITERAL_CLOSE, "")
        return control.sub(rf"{LITERAL_OPEN}\g<0>{LITERAL_CLOSE}", clean)

    return wrap(value)


def unwrap_control_tokens(text: str, spans: list[Span]) -> tuple[str, list[Span], list[Span]]:
    """The text without the private characters, with the spans in it and the wrapped spans."""
    marks = [found.start() for found in re.finditer(f"[{LITERAL_OPEN}{LITERAL_CLOSE}]", text)]
    if not marks:
        return text, spans, []

    def shifted(span: Span) -> Span:
        start, end = (place - sum(mark < place for mark in marks) for place in span)
        return start, end

    wrapped = f"{LITERAL_OPEN}([^{LITERAL_OPEN}{LITERAL_CLOSE}]*){LITERAL_CLOSE}"
    literals = [shifted(found.span()) for found in re.finditer(wrapped, text)]
    plain = text.replace(LITERAL_OPEN, "").replace(LITERAL_CLOSE, "")
    return plain, [shifted(span) for span in spans], literals


def tokenize_pieces(
    tokenizer: PreTrainedTokenizerBase, text: str, literals: list[Span], borders: list[int]
) -> TextTokens:
    """The tokens of a rendered text; those of its ``literals`` without any special token.

    No token reaches over a border or depends on what follows it. To generate, the model reads a
    prompt alone, and its end (such as two newlines) would be tokenised differently with the answer
    behind it. Raises DataError where a literal cannot be kept apart from a control token.
    """
    cuts = {place for span in literals for place in span}
    if can_join_pieces(tokenizer):
        cuts |= set(borders)
    places = sorted({0, len(text)} | cuts)
    if len(places) == 2:
        return _tokenize(tokenizer, text)
    made = TextTokens([], [])
    for start, end in pairwise(places):
        plain = any(first <= start and end <= last for first, last in literals)
        piece = _tokenize_middle(tokenizer, text[start:end], plain, first=start == 0)
        if plain and tokenizer.convert_tokens_to_ids(text[start:end]) in piece.ids:
            raise DataError(
                f"This tokenizer cannot read '{text[start:end]}' as plain text. "
                "Leave these rows out."
            )
        made.ids.extend(piece.ids)
        made.offsets.extend((first + start, last + start) for first, last in piece.offsets)
    return made


@lru_cache(maxsize=4)
def can_join_pieces(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a text that is cut between tokens gives the same ids as the whole text."""
    whole = [_tokenize(tokenizer, text).ids for text in ("x:Hello", "x: Hello")]
    start = _tokenize(tokenizer, "x:").ids
    return whole == [
        start + _tokenize_middle(tokenizer, text, plain=False, first=False).ids
        for text in ("Hello", " Hello")
    ]


def _tokenize_middle(
    tokenizer: PreTrainedTokenizerBase, piece: str, plain: bool, first: bool
) -> TextTokens:
    """A piece of a text, without the blank that SentencePiece puts before each text."""
    newline = _tokenize(tokenizer, "\n").ids
    after = _tokenize(tokenizer, "\n" + piece, plain=plain)
    size = len(newline)
    if first or not newline or after.ids[:size] != newline:
        return _tokenize(tokenizer, piece, plain=plain)
    offsets = [(max(0, start - 1), max(0, end - 1)) for start, end in after.offsets[size:]]
    return TextTokens(after.ids[size:], offsets)


def _tokenize(tokenizer: PreTrainedTokenizerBase, text: str, plain: bool = False) -> TextTokens:
    """``plain``: control tokens in the text are read as ordinary letters.

    Raises DataError for a token that the model does not know.
    """
    found = tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=plain
    )
    require_in_table(tokenizer, found["input_ids"])
    return TextTokens(found["input_ids"], found["offset_mapping"])
