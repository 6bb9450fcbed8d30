"""Which languages and scripts texts are in, from a few hundred of them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

LANGUAGE_TEXTS = 300  # texts looked at
LANGUAGE_LETTERS = 400  # of each
MIN_PROBABILITY = 0.5  # from which a language is named
SHORT_TEXT = 20  # Latin letters; in fewer a language cannot be told
WHOLE_WORDS = 4  # Latin letters that a letter which stands for a syllable or a word counts for
# Scripts of one language; Chinese characters without kana are Chinese.
ONE_LANGUAGE = {
    "Hiragana": "ja", "Katakana": "ja", "Hangul": "ko", "Thai": "th", "Greek": "el",
    "Hebrew": "he", "Armenian": "hy", "Georgian": "ka", "Tamil": "ta", "Telugu": "te",
    "Kannada": "kn", "Malayalam": "ml", "Gujarati": "gu", "Gurmukhi": "pa", "Sinhala": "si",
    "Khmer": "km", "Lao": "lo", "Myanmar": "my", "Ethiopic": "am",
}  # fmt: skip
SYLLABLES = {"Cjk", "Hiragana", "Katakana", "Hangul", "Ethiopic"}


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language_shares(texts: Sequence[str]) -> dict[str, float]:
    """Share of texts in each language (ISO 639-1 code, "?" where uncertain), largest first."""
    found = Counter(_language_of(text[:LANGUAGE_LETTERS]) for text in texts)
    return {code: count / len(texts) for code, count in found.most_common()}


def _language_of(text: str) -> str:
    scripts = Counter(_script_of(letter) for letter in text if letter.isalpha())
    size = sum(count * (WHOLE_WORDS if script in SYLLABLES else 1)
               for script, count in scripts.items())  # fmt: skip
    letters = scripts.total()
    for script, code in ONE_LANGUAGE.items():
        # Japanese is written with Chinese characters as well.
        if scripts[script] > (0.1 if code == "ja" else 0.5) * letters:
            return code
    if scripts["Cjk"] > 0.5 * letters:
        return "zh"
    if size < SHORT_TEXT:
        return "?"
    code, probability = _identifier().classify(text)
    return str(code) if probability >= MIN_PROBABILITY else "?"


def language_probability(text: str, codes: set[str]) -> float:
    """The probability of a text's language if it is one of these; else 0."""
    code, probability = _identifier().classify(text[:4000])
    return float(probability) if code in codes else 0.0


def script_shares(texts: Sequence[str]) -> dict[str, float]:
    """Share of letters in each script (Latin, Cyrillic, Cjk ... as in Unicode), largest first."""
    letters = (letter for text in texts for letter in text[:LANGUAGE_LETTERS] if letter.isalpha())
    found = Counter(map(_script_of, letters))
    total = found.total()
    return {
        script: count / total for script, count in found.most_common() if count / total >= 0.001
    }


def _script_of(letter: str) -> str:
    if letter.isascii():
        return "Latin"
    return unicodedata.name(letter, "?").split(" ")[0].capitalize()
