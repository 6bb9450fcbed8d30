"""Which languages and scripts texts are in, from a few hundred of them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

LANGUAGE_TEXTS = 300  # texts looked at
LANGUAGE_LETTERS = 400  # of each
MIN_PROBABILITY = 0.5  # probability from which a language counts as told


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language_shares(texts: Sequence[str]) -> dict[str, float]:
    """Share of each language (ISO 639-1 code; "?" where a text is too short to tell), the most frequent first."""
    found: Counter[str] = Counter()
    for text in texts:
        code, language_probability = (
            _identifier().classify(text[:LANGUAGE_LETTERS]) if len(text) >= 20 else ("?", 0.0)
        )
        found[code if language_probability >= MIN_PROBABILITY else "?"] += 1
    return {code: count / len(texts) for code, count in found.most_common()}


def language_probability(text: str, codes: set[str]) -> float:
    """How probable it is that a text is in one of these languages, if its language is; else 0."""
    code, probability = _identifier().classify(text[:4000])
    return float(probability) if code in codes else 0.0


def script_shares(texts: Sequence[str]) -> dict[str, float]:
    """Share of letters in each script (Unicode's names: Latin, Cyrillic, Cjk ...), the most frequent first."""
    found: Counter[str] = Counter()
    for text in texts:
        for letter in text[:LANGUAGE_LETTERS]:
            if letter.isalpha():
                found[
                    "Latin"
                    if letter.isascii()
                    else unicodedata.name(letter, "?").split(" ")[0].capitalize()
                ] += 1
    total = sum(found.values())
    return {
        script: count / total for script, count in found.most_common() if count / total >= 0.001
    }
