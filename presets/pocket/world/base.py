"""What every part of the world shares: word lists, filling of templates, the Exchange. Knows no
topic.
"""

import random
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

T = TypeVar("T")
Row = dict[str, str]

# BaseLoader: every value is a string ("no" is a word here, not a truth value)
WORDS: dict[str, Any] = yaml.load(
    Path(__file__).with_name("words.yaml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader
)
IRREGULAR_PLURALS: dict[str, str] = dict(WORDS["plurals"])
HELD_OUT_SHARE = 40
"""One question in this many is never trained on; which one is decided by a hash of its text alone.
"""


@dataclass(frozen=True)
class Exchange:
    """A question and its reply. `check` is what a right reply must contain; `short` is the reply in
    a word or two.
    """

    family: str
    ask: str
    reply: str
    check: tuple[str, ...] = ()
    short: str = ""

    @property
    def held_out(self) -> bool:
        return bool(self.check) and zlib.crc32(self.ask.lower().encode()) % HELD_OUT_SHARE == 0


def table(name: str) -> list[Row]:
    head, *rows = WORDS["tables"][name]
    return [dict(zip(head, map(str, row), strict=True)) for row in rows]


def an(word: str) -> str:
    vowel = word[0].lower() in "aeiou" and not word.startswith(("one", "uni", "use"))
    return f"{'an' if vowel else 'a'} {word}"


def plural(word: str) -> str:
    if word in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[word]
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


MARKS = {
    "a": an,
    "A": lambda w: capital(an(w)),
    "C": capital,
    "s": plural,
    "S": lambda w: capital(plural(w)),
}


def fill(template: str, row: Row) -> str:
    """`{name}` is the word, `{a:name}` with its article, `{s:name}` its plural; capital letters
    start a sentence.
    """

    def word(match: re.Match[str]) -> str:
        mark, field = match.group(1), match.group(2)
        return MARKS[mark](row[field]) if mark else row[field]

    return re.sub(r"\{(?:(\w):)?(\w+)\}", word, template)


def pick(rng: random.Random, options: Sequence[T]) -> T:
    return options[int(rng.random() * len(options))]


def some(rng: random.Random, options: Sequence[T], low: int, high: int) -> list[T]:
    return rng.sample(list(options), rng.randint(low, high))


def listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def invented(rng: random.Random) -> str:
    """A word that means nothing, so that the model has to copy it letter by letter."""
    return "".join(
        pick(rng, "bdfgklmnprstvz") + pick(rng, "aeiou") for _ in range(rng.randint(2, 3))
    )
