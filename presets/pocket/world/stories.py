"""Short stories, told on request or given to be asked about."""

import random
from pathlib import Path
from typing import Any

import yaml

from .base import WORDS, Exchange, an, capital, pick, table

ANIMALS = [row["name"] for row in table("animal") + table("quiet") if row["name"] not in ("fly",)]
FRIENDS = [
    "friend",
    "brother",
    "sister",
    "mother",
    "father",
    "grandmother",
    "uncle",
    "aunt",
    "neighbour",
    "cousin",
]
Plot = dict[str, Any]
Story = tuple[str, list[tuple[str, str, str]]]


def opinion(rng: random.Random, fine: bool) -> dict[str, str]:
    """Words of one mood: a clean place has friendly people, and who liked it comes again."""
    if fine:
        words = (
            ["friendly", "kind", "helpful", "polite", "quick"],
            ["hot and fresh", "good", "delicious", "perfect", "tasty"],
            ["clean and quiet", "lovely", "beautiful", "wonderful", "great"],
            ["happy", "very happy", "glad"],
            ["I will come back", "I can recommend it", "That was worth the money", "I loved it"],
            ["lovely", "sweet", "great"],
        )
    else:
        words = (
            ["rude", "slow", "unfriendly", "lazy", "angry"],
            ["cold", "bad", "awful", "too salty", "terrible"],
            ["dirty and loud", "ugly", "horrible", "boring", "cold and wet"],
            ["not happy", "angry", "sad"],
            [
                "I will never come back",
                "I cannot recommend it",
                "That was a waste of money",
                "I hated it",
            ],
            ["awful", "too loud", "terrible"],
        )
    return dict(
        zip(
            ("manner", "taste", "room", "verdict", "again", "taste2"),
            (pick(rng, options) for options in words),
            strict=True,
        )
    )


def scene(rng: random.Random, hero: str | None = None) -> dict[str, str]:
    animal = hero or pick(rng, ANIMALS)
    places, names = rng.sample(WORDS["places"], 2), rng.sample(WORDS["names"], 2)
    fine = rng.random() < 0.5
    return opinion(rng, fine) | {
        "animal": animal,
        "name": names[0],
        "other": names[1],
        "friend": pick(rng, FRIENDS),
        "thing": pick(rng, WORDS["nouns"]),
        "food": pick(rng, WORDS["foods"]),
        "colour": pick(rng, WORDS["colours"]),
        "place": places[0],
        "place2": places[1],
        "day": pick(rng, WORDS["days"]),
        "feel": pick(rng, ["sad", "tired", "hungry", "lonely", "afraid", "cold"]),
        "glad": pick(rng, ["happy", "glad", "proud", "calm", "excited"]),
        "n": pick(rng, WORDS["numbers"][2:11]),
        "n2": pick(rng, WORDS["numbers"][2:13]),
        "n3": pick(rng, WORDS["numbers"][2:10]),
        "n4": pick(rng, WORDS["numbers"][2:8]),
        "days": pick(rng, ["ten", "fourteen", "twenty", "thirty", "sixty", "ninety"]),
        "price": str(rng.randint(2, 99)),
        "size": pick(rng, ["small", "big", "old", "young", "little"]),
        "town": pick(rng, WORDS["towns"]),
        "good": pick(
            rng, ["lovely", "great", "wonderful", "nice", "perfect", "excellent", "beautiful"]
        ),
        "bad": pick(rng, ["terrible", "awful", "broken", "ugly", "horrible", "useless", "boring"]),
    }


PLOTS: dict[str, Plot] = yaml.load(
    Path(__file__).with_name("stories.yaml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader
)


def tell(rng: random.Random, hero: str | None = None, plots: list[str] | None = None) -> Story:
    parts = scene(rng, hero)
    parts |= {f"a_{key}": an(value) for key, value in parts.items()}
    parts["A_size"] = capital(parts["a_size"])
    plot = PLOTS[pick(rng, plots or list(PLOTS))]
    return plot["text"].format(**parts), [
        (a.format(**parts), b.format(**parts), c.format(**parts)) for a, b, c in plot["questions"]
    ]


def story(rng: random.Random) -> Exchange:
    if rng.random() < 0.3:
        return Exchange(
            "story",
            pick(
                rng,
                [
                    "Tell me a story.",
                    "Can you tell me a story?",
                    "I want to hear a story.",
                    "A story, please.",
                ],
            ),
            tell(rng)[0],
        )
    hero = pick(rng, ANIMALS)
    ask = pick(
        rng,
        [
            "Tell me a story about {a}.",
            "Do you know a story about {a}?",
            "Please tell a short story about {a}.",
            "I want a story with {a} in it.",
        ],
    )
    return Exchange("story", ask.format(a=an(hero)), tell(rng, hero, ["lost", "walk", "storm"])[0])


def reading(rng: random.Random) -> Exchange:
    text, questions = tell(rng)
    ask, reply, check = pick(rng, questions)
    whole = f"{text} {ask}" if rng.random() < 0.6 else f"{text}\n{ask}"
    return Exchange("reading", whole, reply, (check,), capital(check) + ".")


def reading_twice(rng: random.Random) -> list[Exchange]:
    text, questions = tell(rng)
    chosen = rng.sample(questions, 2)
    lead = pick(rng, ["Here is a story. ", "Read this: ", "Listen. "])
    first = Exchange(
        "reading",
        f"{lead}{text} {chosen[0][0]}",
        chosen[0][1],
        (chosen[0][2],),
        capital(chosen[0][2]) + ".",
    )
    return [first, Exchange("reading", chosen[1][0], chosen[1][1])]
