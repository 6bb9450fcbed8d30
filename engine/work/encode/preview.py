"""What the page shows of rows as tokens: single rows in full, and a report over many.

A row whose loss mask is uncertain is reported with its reason; neither function raises for it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from transformers import PreTrainedTokenizerBase

from engine.data.normalize import last_answer
from engine.data.rows import Row
from engine.errors import DataError
from engine.spec.objective import LABEL_OBJECTIVES, has_preference
from engine.spec.run import DataSpec
from engine.work.encode.encode import (
    IGNORE_INDEX,
    Encoded,
    encode_chosen_and_rejected,
    has_targets,
    truncate_encoded,
)
from engine.work.encode.labelled import encode_label_text
from engine.work.encode.plain_text import is_templated, meant_marks
from engine.work.encode.preferences import encode_preference
from engine.work.encode.tokens import control_pattern
from engine.work.encode.turn_ends import find_turn_ends

HISTOGRAM_BINS = 30  # at most
WORST_ROWS = 20  # in each list of rows
FIELDS_READ = ("messages", "tools", "prompt", "completion", "text")  # what the model reads of a row
ROWS_PER_REPORT = 500  # between two reports of progress


def preview_row(tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec) -> dict[str, Any]:
    """One row as the fields of a PreviewRow: all its tokens, or why it cannot be shown."""
    labelled = data.goal in LABEL_OBJECTIVES
    try:
        if labelled:
            one = encode_label_text(tokenizer, row, data)
        else:
            one = encode_chosen_and_rejected(tokenizer, row, data)[0]
    except DataError as error:
        empty: dict[str, Any] = {"tokens": [], "learned": [], "special": []}
        return empty | {"kept": 0, "length": 0, "problem": str(error)}
    special = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
    special |= set(tokenizer.all_special_ids)
    return {
        "tokens": _token_texts(tokenizer, one.ids),
        "learned": [label != IGNORE_INDEX for label in one.labels],
        "special": [token in special for token in one.ids],
        "kept": min(len(one.ids), data.max_length),
        "length": one.length,
        "label": last_answer(row) if labelled else "",
    }


def token_report(  # noqa: PLR0913  the six things that a report is made of
    tokenizer: PreTrainedTokenizerBase,
    rows: list[Row],
    indices: list[int],
    total: int,
    data: DataSpec,
    on_rows: Callable[[int], None],
) -> dict[str, Any]:
    """The fields of a TokenReport over these rows, whose ``indices`` are among ``total``.

    ``on_rows`` is called with how many rows are done.
    """
    encoded: dict[int, list[Encoded]] = {}
    refused: dict[int, str] = {}
    control, templated = control_pattern(tokenizer), 0
    typed: dict[int, set[str]] = {}
    for done, (index, row) in enumerate(zip(indices, rows, strict=True)):
        if done % ROWS_PER_REPORT == 0:
            on_rows(done)
        try:
            encoded[index] = _encode_sides(tokenizer, row, data)
        except DataError as error:
            refused[index] = str(error)
        if "text" in row and is_templated(tokenizer, row["text"]):
            templated += 1
        elif found := _typed_control_tokens(tokenizer, row, control, data):
            typed[index] = found
    often = Counter(token for found in typed.values() for token in found)
    return {
        "rows": total,
        "measured": len(rows),
        **_token_counts(encoded, data.goal in LABEL_OBJECTIVES),
        "control": {
            "rows": len(typed),
            "tokens": [token for token, _ in often.most_common()],
            "example": next(iter(typed), None),
        },
        "refused": {
            "rows": len(refused),
            "first": next(iter(refused), None),
            "reason": next(iter(refused.values()), ""),
        },
        "templated": templated,
        "endless": _what_lacks_an_end(tokenizer, rows[0], data) if rows else "",
    }


def _what_lacks_an_end(tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec) -> str:
    """The field ``endless`` of a TokenReport; heads give no answers, nor do encoders."""
    if data.goal in LABEL_OBJECTIVES or tokenizer.mask_token is not None:
        return ""
    plain_text = "text" in row
    if find_turn_ends(tokenizer, plain_text).taught:
        return ""
    return "tokenizer" if plain_text else "format"


def _encode_sides(tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec) -> list[Encoded]:
    """A row as it is trained on: a text, a conversation, or one with each of two answers."""
    if data.goal in LABEL_OBJECTIVES:
        return [truncate_encoded(encode_label_text(tokenizer, row, data), data)]
    return encode_preference(tokenizer, row, data)


def _token_counts(encoded: dict[int, list[Encoded]], labelled: bool) -> dict[str, Any]:
    """What a TokenReport counts in the answers of each row, by the row's index.

    Of a ``labelled`` one the label is learned, which is no token of the text.
    """
    all_sides = [side for sides in encoded.values() for side in sides]
    longest_cut = {index: max(one.cut_tokens for one in sides) for index, sides in encoded.items()}
    cut = {index: tokens for index, tokens in longest_cut.items() if tokens > 0}
    lost = [
        index for index, sides in encoded.items() if not (labelled or all(map(has_targets, sides)))
    ]
    lengths = {index: max(one.length for one in sides) for index, sides in encoded.items()}
    edges, counts = length_histogram(list(lengths.values()))
    return {
        "tokens": sum(len(one.ids) for one in all_sides),
        "learned": len(encoded) if labelled else sum(one.target_tokens for one in all_sides),
        "cut": len(cut),
        "lost": len(lost),
        "longest": max(lengths.values(), default=0),
        "edges": edges,
        "counts": counts,
        "longest_rows": _largest_rows(lengths),
        "cut_rows": _largest_rows(cut),
        "lost_rows": lost[:WORST_ROWS],
    }


def length_histogram(lengths: list[int]) -> tuple[list[int], list[int]]:
    """Edges of bins of one round width from 0, and the number of lengths in each bin."""
    if not lengths:
        return [], []
    longest = max(lengths)
    widths = (digit * 10**power for power in range(12) for digit in (1, 2, 5))
    width = next(width for width in widths if longest // width < HISTOGRAM_BINS)
    counts = Counter(length // width for length in lengths)
    bins = range(longest // width + 1)
    return [width * index for index in range(len(bins) + 1)], [counts[index] for index in bins]


def _largest_rows(sizes: dict[int, int]) -> list[int]:
    return sorted(sizes, key=lambda index: (-sizes[index], index))[:WORST_ROWS]


def _typed_control_tokens(
    tokenizer: PreTrainedTokenizerBase, row: Row, control: re.Pattern[str], data: DataSpec
) -> set[str]:
    """The special tokens that are typed in a row's own texts, but for those meant as marks."""
    fields = [*FIELDS_READ, "rejected"] if has_preference(data, row) else FIELDS_READ
    typed = {
        found
        for field in fields
        for text in _all_strings(row.get(field))
        for found in control.findall(text)
    }
    return typed - meant_marks(tokenizer, row["text"]) if typed and "text" in row else typed


def _all_strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _all_strings(item)


def _token_texts(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    """Each token's own text; a character of several tokens stands with its last one.

    Decoded after a few neighbours, since some tokenizers drop a leading space.
    """
    texts: list[str] = []
    begin = 0  # of the tokens that have no text yet
    for end in range(1, len(ids) + 1):
        before = ids[max(0, begin - 4) : begin]
        whole, known = tokenizer.decode([*before, *ids[begin:end]]), tokenizer.decode(before)
        text = whole.removeprefix(known)
        unfinished = text.endswith("\ufffd")  # bytes of a character that goes on
        if unfinished and end < len(ids) and end - begin < 6:
            texts.append("")
            continue
        texts.append(text)
        begin = end
    return texts
