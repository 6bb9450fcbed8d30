"""Encodes rows as token ids and labels: what the model reads, and the targets that it learns.

The loss covers the assistant's turns, or the whole of a plain text. A row whose loss mask is
uncertain is refused; nothing is ever trained on silently.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from transformers import PreTrainedTokenizerBase

from engine.data.messages import Message, make_message, with_system
from engine.data.rows import Row, Rows
from engine.errors import DataError
from engine.spec.objective import has_preference
from engine.spec.run import DataSpec
from engine.work.encode.loss_mask import compute_loss_mask
from engine.work.encode.plain_text import encode_whole_text
from engine.work.encode.template import Span
from engine.work.encode.tokens import (
    TextTokens,
    tokenize_pieces,
    unwrap_control_tokens,
    wrap_control_tokens,
)

EncodedRow = TypeVar("EncodedRow")
IGNORE_INDEX = -100  # the label of a token without a loss, as in PyTorch's cross-entropy
TOKENS_KEPT_AT_ENDS = 16  # of a stretch of tokens that is shortened in the middle


class Encoded(NamedTuple):
    """One row as token ids with labels."""

    ids: list[int]
    labels: list[int]  # the id of a target token, else IGNORE_INDEX
    length: int  # tokens before anything was cut

    @property
    def cut_tokens(self) -> int:
        """How many tokens were cut off, or out of the middle."""
        return self.length - len(self.ids)

    @property
    def target_tokens(self) -> int:
        return sum(label != IGNORE_INDEX for label in self.labels)


def row_messages(row: Row, system: str = "") -> list[Message]:
    """A chat or prompt/completion row as messages; ``system`` is the prompt where it has none."""
    if "messages" in row:
        return with_system(list(row["messages"]), system)
    pair = [make_message("user", row["prompt"]), make_message("assistant", row["completion"])]
    return with_system(pair, system)


def encode_row(tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec) -> Encoded:
    """One row, truncated to ``data.max_length``; raises DataError if its loss mask is uncertain."""
    return truncate_encoded(encode_chosen_and_rejected(tokenizer, row, data)[0], data)


def truncate_encoded(encoded: Encoded, data: DataSpec) -> Encoded:
    """The row without the tokens after ``data.max_length``."""
    ids, labels = encoded.ids[: data.max_length], encoded.labels[: data.max_length]
    return Encoded(ids, labels, encoded.length)


def encode_chosen_and_rejected(
    tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec
) -> list[Encoded]:
    """The row and, of a preference, the row with its rejected answer; both untruncated.

    If ``data.fixes`` has "shorten", their prompts are shortened alike, as the longer one needs.
    """
    if "text" in row:
        ids = encode_whole_text(tokenizer, row["text"], "literal" in data.fixes)
        return [Encoded(ids, ids, len(ids))]
    rows = [row]
    if has_preference(data, row):
        # Earlier answers are the same in both; only the last ones are compared.
        data = data.model_copy(update={"learn": "last"})
        rows += [_replace_answer(row, row["rejected"])] if "rejected" in row else []
    encoded = [encode_conversation(tokenizer, one, data) for one in rows]
    excess = 0
    if "shorten" in data.fixes:
        excess = max(0, max(len(ids) for ids, _, _ in encoded) - data.max_length)
    return [_shorten_prompt(ids, labels, len(ids) - excess) for ids, labels, _ in encoded]


def _replace_answer(row: Row, answer: str) -> Row:
    if "messages" in row:
        return row | {"messages": [*row["messages"][:-1], make_message("assistant", answer)]}
    return row | {"completion": answer}


def encode_conversation(
    tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec
) -> tuple[list[int], list[int], int]:
    """Ids, labels, and the index of the token with which the last answer begins."""
    messages, tools = row_messages(row, data.system), row.get("tools") or []
    if "literal" in data.fixes:
        messages, tools = wrap_control_tokens(tokenizer, [messages, tools])
    mask = compute_loss_mask(tokenizer, messages, tools, data.learn)
    borders = [(border, border) for border in mask.borders]
    text, spans, literals = unwrap_control_tokens(mask.text, [*mask.spans, *borders])
    spans, ends = spans[: len(mask.spans)], [end for end, _ in spans[len(mask.spans) :]]
    tokens = tokenize_pieces(tokenizer, text, literals, ends)
    labels = list(tokens.ids) if data.learn == "all" else _make_labels(tokens, spans)
    return tokens.ids, labels, _first_token(tokens, ends[-1] if ends else len(text))


def _first_token(tokens: TextTokens, start: int) -> int:
    """The index of the first token at or after this character; 0 where there is none."""
    offsets = enumerate(tokens.offsets)
    return next((index for index, (begin, end) in offsets if begin >= start and end > begin), 0)


def encode_rows(
    tokenizer: PreTrainedTokenizerBase, rows: Rows, data: DataSpec, left: Counter[str]
) -> Iterator[Encoded]:
    """The rows that have targets, truncated; raises DataError as ``encode_each`` does.

    ``left`` counts the rows left out: ``lost`` have no target within the maximum length,
    ``refused`` have an uncertain loss mask.
    """
    for _, encoded in encode_each(rows, lambda row: encode_row(tokenizer, row, data), data, left):
        if has_targets(encoded):
            yield encoded
        else:
            left["lost"] += 1


def encode_each(
    rows: Rows, encode: Callable[[Row], EncodedRow], data: DataSpec, left: Counter[str]
) -> Iterator[tuple[Row, EncodedRow]]:
    """Each row, encoded. A row that is refused raises DataError with its number in the user's file.

    Where ``data.fixes`` has "refused", ``left["refused"]`` counts it instead.
    """
    for row, number, _ in rows.items():
        try:
            made = encode(row)
        except DataError as error:
            if "refused" not in data.fixes:
                raise DataError(f"Row {number}: {error}") from error
            left["refused"] += 1
        else:
            yield row, made


def has_targets(encoded: Encoded) -> bool:
    """Whether any label is left after the shift (the first token is never predicted)."""
    return any(label != IGNORE_INDEX for label in encoded.labels[1:])


def _make_labels(tokens: TextTokens, spans: list[Span]) -> list[int]:
    """Labels of the tokens that begin inside one of these spans of characters.

    A token that begins before an answer and reaches into it has no label: its beginning is part of
    the prompt, so the model can never choose it. A token that begins in the answer and reaches out
    of it is the model's to write.
    """
    spans = sorted(spans)
    starts = [start for start, _ in spans]
    labels = []
    for token, (start, end) in zip(tokens.ids, tokens.offsets, strict=True):
        at = bisect_right(starts, start) - 1
        inside = at >= 0 and start < spans[at][1] and end > start
        labels.append(token if inside else IGNORE_INDEX)
    return labels


def _shorten_prompt(ids: list[int], labels: list[int], limit: int) -> Encoded:
    """Cut tokens out of the middle of the longest stretch without labels until the row fits.

    TOKENS_KEPT_AT_ENDS stay at both ends of a stretch, so a row may stay too long.
    """
    length = len(ids)
    while (excess := len(ids) - limit) > 0:
        start, end = _longest_ignored(labels)
        spare = min(excess, end - start - 2 * TOKENS_KEPT_AT_ENDS)
        if spare <= 0:
            break
        first = start + (end - start - spare) // 2
        del ids[first : first + spare], labels[first : first + spare]
    return Encoded(ids, labels, length)


def _longest_ignored(labels: list[int]) -> Span:
    """Start and end of the longest run of tokens without labels."""
    best, start = (0, 0), 0
    for index, label in enumerate([*labels, 0]):
        if label != IGNORE_INDEX:
            best = max(best, (start, index), key=lambda run: run[1] - run[0])
            start = index + 1
    return best
