"""Words to draw from when any word will do, and the values that a key such as `day` may have."""

import random

from .base import WORDS, invented, pick

NUMBERS: list[str] = WORDS["numbers"]
_TABLE_WORDS = [row[0] for rows in WORDS["tables"].values() for row in rows[1:] if len(row[0]) < 12]
_PAIR_WORDS = [
    w
    for name in ("opposites", "pasts", "rhymes")
    for pair in WORDS[name]
    for w in pair
    if " " not in w
]
_LISTS = (
    "nouns",
    "foods",
    "colours",
    "sizes",
    "places",
    "verbs_past",
    "days",
    "months",
    "feelings",
    "towns",
    "names",
)
ALL_WORDS: list[str] = sorted(
    {word for name in _LISTS for word in WORDS[name]}
    | set(NUMBERS)
    | set(_TABLE_WORDS)
    | set(_PAIR_WORDS)
)
"""Sorted, because a set has another order in every process."""
VALUES: dict[str, list[str]] = {
    "name": WORDS["names"],
    "item": WORDS["nouns"] + WORDS["foods"],
    "colour": WORDS["colours"],
    "place": WORDS["places"],
    "city": WORDS["towns"],
    "food": WORDS["foods"],
    "animal": [r[0] for r in WORDS["tables"]["animal"][1:]],
    "size": WORDS["sizes"],
    "friend": WORDS["names"],
    "gift": WORDS["nouns"],
    "day": WORDS["days"],
    "team": WORDS["colours"],
}


def value_of(rng: random.Random, key: str) -> str:
    return pick(rng, VALUES[key]) if key in VALUES else str(rng.randint(1, 99))


def word(rng: random.Random) -> str:
    if rng.random() < 0.15:
        return invented(rng)
    return str(rng.randint(0, 999)) if rng.random() < 0.1 else pick(rng, ALL_WORDS)


def words(rng: random.Random, low: int, high: int) -> list[str]:
    return [word(rng) for _ in range(rng.randint(low, high))]
