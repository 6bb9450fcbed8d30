"""Text to tokens with the characters that each stands for, and rows' own control tokens kept apart.

A control token typed in a row, such as <|im_end|> in a question, would be read as the real one. Where that is to be
mended it is rendered between two private characters and becomes the tokens of its letters.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from engine.errors import DataError
from engine.work.encode.template import Span

LITERAL_OPEN, LITERAL_CLOSE = "\U000f0020", "\U000f0021"


class TextTokens(NamedTuple):
    """Token ids, and the characters of the text that each stands for."""

    ids: list[int]
    offsets: list[Span]


def control_tokens(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    """The texts that this tokenizer reads as special tokens."""
    added = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return {text for text in added | set(tokenizer.all_special_tokens) if text.strip()}


def control_pattern(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    """Finds a control token in a text; longer ones first, since one may hold another."""
    longest = sorted(control_tokens(tokenizer), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest)) or "(?!)")


def wrap_control_tokens(value: Any, control: re.Pattern[str]) -> Any:
    """A row's value with each control token in its texts between the private characters."""
    if isinstance(value, str):
        return control.sub(
            lambda found: LITERAL_OPEN + found.group() + LITERAL_CLOSE,
            value.replace(LITERAL_OPEN, "").replace(LITERAL_CLOSE, ""),
        )
    if isinstance(value, dict):
        return {key: wrap_control_tokens(item, control) for key, item in value.items()}
    return (
        [wrap_control_tokens(item, control) for item in value] if isinstance(value, list) else value
    )


def unwrap_control_tokens(text: str, spans: list[Span]) -> tuple[str, list[Span], list[Span]]:
    """The text without the private characters, its spans moved along, and where the wrapped pieces now stand."""
    marks = [found.start() for found in re.finditer(f"[{LITERAL_OPEN}{LITERAL_CLOSE}]", text)]
    if not marks:
        return text, spans, []

    def moved(place: int) -> int:
        return place - sum(mark < place for mark in marks)

    literal = [
        (moved(found.start()), moved(found.end()))
        for found in re.finditer(
            f"{LITERAL_OPEN}([^{LITERAL_OPEN}{LITERAL_CLOSE}]*){LITERAL_CLOSE}", text
        )
    ]
    plain = text.replace(LITERAL_OPEN, "").replace(LITERAL_CLOSE, "")
    return plain, [(moved(start), moved(end)) for start, end in spans], literal


def tokenize_pieces(
    tokenizer: PreTrainedTokenizerBase, text: str, literal: list[Span], borders: list[int]
) -> TextTokens:
    """The tokens of a rendered text, those of its literal pieces without any special one.

    No token reaches over a border, and none hangs on what stands behind it: asked, the model sees a prompt alone,
    and reads its end (such as two newlines) in other tokens than it would with the answer behind it. Raises DataError
    where letters cannot be kept apart from a control token.
    """
    cuts = {place for span in literal for place in span} | (
        set(borders) if can_join_pieces(tokenizer) else set()
    )
    places = sorted({0, len(text)} | cuts)
    if len(places) == 2:
        return _tokenize(tokenizer, text)
    made = TextTokens([], [])
    for start, end in pairwise(places):
        plain = any(one <= start and end <= other for one, other in literal)
        piece = _tokenize_middle(tokenizer, text[start:end], plain, first=start == 0)
        if plain and tokenizer.convert_tokens_to_ids(text[start:end]) in piece.ids:
            raise DataError(
                f"This tokenizer cannot read '{text[start:end]}' as plain text. Leave these rows out."
            )
        made.ids.extend(piece.ids)
        made.offsets.extend((one + start, other + start) for one, other in piece.offsets)
    return made


def plain_text_ids(tokenizer: PreTrainedTokenizerBase, text: str, literal: list[Span]) -> list[int]:
    """A plain text's tokens, with what the tokenizer puts before and after each text by itself."""
    if not literal:
        return list(tokenizer.encode(text))
    bare, full = tokenizer.encode("a", add_special_tokens=False), tokenizer.encode("a")
    at = next(at for at in range(len(full)) if full[at : at + len(bare)] == bare)
    return [*full[:at], *tokenize_pieces(tokenizer, text, literal, []).ids, *full[at + len(bare) :]]


@lru_cache(maxsize=4)
def can_join_pieces(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a text's tokens are those of its parts one after the other, wherever no token would reach over."""
    whole = [_tokenize(tokenizer, text).ids for text in ("x:Hello", "x: Hello")]
    start = _tokenize(tokenizer, "x:").ids
    return whole == [
        start + _tokenize_middle(tokenizer, text, plain=False, first=False).ids
        for text in ("Hello", " Hello")
    ]


def _tokenize_middle(
    tokenizer: PreTrainedTokenizerBase, piece: str, plain: bool, first: bool
) -> TextTokens:
    """A piece from within a text, without the blank that SentencePiece puts before each text."""
    newline = _tokenize(tokenizer, "\n").ids
    after = _tokenize(tokenizer, "\n" + piece, plain=plain)
    if first or not newline or after.ids[: len(newline)] != newline:
        return _tokenize(tokenizer, piece, plain=plain)
    size = len(newline)
    return TextTokens(
        after.ids[size:], [(max(0, a - 1), max(0, b - 1)) for a, b in after.offsets[size:]]
    )


def _tokenize(tokenizer: PreTrainedTokenizerBase, text: str, plain: bool = False) -> TextTokens:
    found = tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=plain
    )
    return TextTokens(
        list(found["input_ids"]), [(start, end) for start, end in found["offset_mapping"]]
    )
