"""What a column's texts are: labels, numbers, sentences, or nothing that could matter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from engine.data.columns.cells import is_blank

DECIMAL = re.compile(r"[-+]?\d+([\s',]\d{3})*([.,]\d+)?")
LABEL_LENGTH = 60  # letters of a label at most
SENTENCE_LENGTH = 25  # letters from which a text with a space is a sentence
# Letters of scripts that write without spaces: a sentence of them is shorter.
DENSE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0eff]")
DENSE_LENGTH = 6
DATE = re.compile(r"[\d.:/T+\- ]+(?:[AP]M|Z|UTC)?", re.IGNORECASE)
ADDRESS = re.compile(
    r"\w+://|www\.|[\w.+-]+@[\w.-]+$|[0-9a-f]{8,}(?:-[0-9a-f]{4,}){0,4}$", re.IGNORECASE
)
QUESTION_END = ("?", "\uff1f", "\u061f")  # the last two: Chinese and Arabic


def holds_labels(texts: Sequence[str], rows: int) -> bool:
    """Whether a column has a few different short values for many rows."""
    different = set(texts)
    few = 1 < len(different) <= max(2, min(200, rows // 5))
    return few and all(len(one) <= LABEL_LENGTH for one in different)


def holds_label_lists(values: Sequence[Any], rows: int) -> bool:
    """Whether a column has lists of labels: short texts that come again in other rows."""
    lists = [value for value in values if isinstance(value, list)]
    if len(lists) < 0.8 * max(1, len(values)) or not lists:
        return False
    labels = [one for value in lists for one in value]
    if not labels or not all(isinstance(one, str | int) for one in labels):
        return False
    texts = [str(one) for one in labels]
    short = all(len(one) <= LABEL_LENGTH for one in texts)
    return short and len(set(texts)) <= max(2, len(texts) // 2, rows // 5)


def are_sentences(texts: Sequence[str]) -> bool:
    """Whether most of a column's texts are sentences."""
    return sum(map(_is_sentence, texts)) > len(texts) // 2


def _is_sentence(text: str) -> bool:
    if " " in text.strip() and len(text) > SENTENCE_LENGTH:
        return True
    return len(DENSE.findall(text)) >= DENSE_LENGTH


def are_distinct(texts: Sequence[str]) -> bool:
    """Whether most of a column's texts are their own row's."""
    return len(set(texts)) > 0.5 * len(texts)


def are_own_texts(texts: Sequence[str]) -> bool:
    """Whether a column holds something said in each row: words, mostly different ones."""
    wordy = sum(_is_sentence(one) or " " in one.strip() or bool(DENSE.search(one)) for one in texts)
    return bool(texts) and wordy > 0.5 * len(texts) and are_distinct(texts)


def are_questions(texts: Sequence[str]) -> bool:
    ends = sum(one.rstrip(" \"'”»").endswith(QUESTION_END) for one in texts)
    return bool(texts) and ends > 0.5 * len(texts)


def are_references(texts: Sequence[str]) -> bool:
    """Whether a column's values name something and say nothing: numbers, dates, keys, addresses."""
    found = sum(map(_is_reference, texts))
    return bool(texts) and found > 0.9 * len(texts)


def _is_reference(text: str) -> bool:
    text = text.strip()
    if " " in text and not DATE.fullmatch(text):
        return False
    digits = sum(map(str.isdigit, text))
    return not text or digits * 2 >= len(text) or bool(ADDRESS.match(text))


def could_matter(texts: Sequence[str], rows: int) -> bool:
    """Whether a column holds sentences or a few different words; ids and dates are neither."""
    return are_sentences(texts) or (rows >= 10 and holds_labels(texts, rows))


def all_integers(values: Iterable[Any]) -> bool:
    texts = [str(value).strip().lstrip("-") for value in values if not is_blank(value)]
    return bool(texts) and all(map(str.isdigit, texts))


def all_decimals(texts: Sequence[str]) -> bool:
    """Whether a column holds measured numbers, which are labels however many there are."""
    numbers = bool(texts) and all(DECIMAL.fullmatch(one.strip()) for one in texts)
    return numbers and any("." in one or "," in one for one in texts)
