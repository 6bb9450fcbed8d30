"""What the page shows of rows as tokens: a few rows in full, and a report over many.

A row whose mask is uncertain is told with its reason; neither function raises for it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from transformers import PreTrainedTokenizerBase

from engine.errors import DataError
from engine.spec.objective import has_preference
from engine.spec.run import DataSpec
from engine.work.encode.encode import IGNORE_INDEX, Encoded, Row, encode_uncut, has_targets
from engine.work.encode.preferences import encode_preference
from engine.work.encode.tokens import control_pattern

HISTOGRAM_BINS = 30  # at most, in the histogram of lengths
ROWS_NAMED = 20  # rows named of each kind
MODEL_FIELDS = (
    "messages",
    "tools",
    "prompt",
    "completion",
    "text",
)  # a row's fields that the model reads
ROWS_PER_REPORT = 500  # rows


def preview_row(tokenizer: PreTrainedTokenizerBase, row: Row, data: DataSpec) -> dict[str, Any]:
    """One row as the fields of a PreviewRow: all its tokens, or why it cannot be shown."""
    try:
        one = encode_uncut(tokenizer, row, data)
    except DataError as error:
        return {
            "tokens": [],
            "learned": [],
            "special": [],
            "kept": 0,
            "length": 0,
            "problem": str(error),
        }
    special = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
    special |= set(tokenizer.all_special_ids)
    return {
        "tokens": _token_texts(tokenizer, one.ids),
        "learned": [label != IGNORE_INDEX for label in one.labels],
        "special": [token in special for token in one.ids],
        "kept": min(len(one.ids), data.max_length),
        "length": one.length,
    }


def token_report(
    tokenizer: PreTrainedTokenizerBase,
    rows: list[Row],
    indices: list[int],
    total: int,
    data: DataSpec,
    tell: Callable[[int], None],
) -> dict[str, Any]:
    """The fields of a TokenReport over these rows, which stand at these indices among ``total``."""
    encoded: dict[int, list[Encoded]] = {}  # one or, with a worse answer, two
    refused: dict[int, str] = {}
    control = control_pattern(tokenizer)
    typed: dict[int, set[str]] = {}
    for done, (index, row) in enumerate(zip(indices, rows, strict=True)):
        if done % ROWS_PER_REPORT == 0:
            tell(done)
        try:
            encoded[index] = encode_preference(tokenizer, row, data)
        except DataError as error:
            refused[index] = str(error)
        if found := _typed_control_tokens(row, control, data):
            typed[index] = found
    cut = {
        index: most
        for index, sides in encoded.items()
        if (most := max(one.cut for one in sides)) > 0
    }
    lost = [index for index, sides in encoded.items() if not all(map(has_targets, sides))]
    often = Counter(token for found in typed.values() for token in found)
    lengths = {index: max(one.length for one in sides) for index, sides in encoded.items()}
    edges, counts = length_histogram(list(lengths.values()))
    return {
        "rows": total,
        "measured": len(rows),
        "tokens": sum(len(one.ids) for sides in encoded.values() for one in sides),
        "learned": sum(one.learned for sides in encoded.values() for one in sides),
        "cut": len(cut),
        "lost": len(lost),
        "longest": max(lengths.values(), default=0),
        "edges": edges,
        "counts": counts,
        "longest_rows": _largest_rows(lengths),
        "cut_rows": _largest_rows(cut),
        "lost_rows": lost[:ROWS_NAMED],
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
    }


def length_histogram(lengths: list[int]) -> tuple[list[int], list[int]]:
    """Edges of bins of one round width from 0, and how many lengths are in each: from its edge up to the next."""
    if not lengths:
        return [], []
    longest = max(lengths)
    widths = (digit * 10**power for power in range(12) for digit in (1, 2, 5))
    width = next(width for width in widths if longest // width < HISTOGRAM_BINS)
    counts = Counter(length // width for length in lengths)
    bins = longest // width + 1
    return [width * bin for bin in range(bins + 1)], [counts[bin] for bin in range(bins)]


def _largest_rows(sizes: dict[int, int]) -> list[int]:
    """The rows with the largest sizes, largest first."""
    return sorted(sizes, key=lambda index: (-sizes[index], index))[:ROWS_NAMED]


def _typed_control_tokens(row: Row, control: re.Pattern[str], data: DataSpec) -> set[str]:
    """The tokenizer's special tokens that are typed in a row's own texts."""
    fields = [*MODEL_FIELDS, "rejected"] if has_preference(data, row) else MODEL_FIELDS
    return {
        found
        for field in fields
        for text in _all_strings(row.get(field))
        for found in control.findall(text)
    }


def _all_strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _all_strings(item)


def _token_texts(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    """Each token's own text; a letter of several tokens stands with its last one.

    Decoded after a few neighbours, since some tokenizers drop a leading space.
    """
    texts: list[str] = []
    begin = 0  # of the tokens that have no text yet
    for end in range(1, len(ids) + 1):
        before = ids[max(0, begin - 4) : begin]
        whole, known = tokenizer.decode([*before, *ids[begin:end]]), tokenizer.decode(before)
        text = whole.removeprefix(known)
        if (
            text.endswith("\ufffd") and end < len(ids) and end - begin < 6
        ):  # bytes of an unfinished letter
            texts.append("")
            continue
        texts.append(text)
        begin = end
    return texts
