"""Reviews: short opinions about rooms, meals, films and things, with the label positive or
negative.
"""

import random
from typing import Any

from world.base import WORDS, capital, pick

Row = dict[str, Any]
PLACES = {
    "hotel": {
        "part": ["room", "bed", "breakfast", "garden", "kitchen"],
        "people": ["people", "waiter", "cook"],
    },
    "restaurant": {
        "part": ["soup", "food", "table", "coffee", "cake"],
        "people": ["waiter", "cook", "people"],
    },
    "film": {"part": ["story", "music", "end", "start"], "people": ["singer", "captain", "people"]},
    "shop": {
        "part": ["price", "delivery", "parcel", "order"],
        "people": ["shopkeeper", "people", "driver"],
    },
}
WORDING = {
    "positive": {
        "part": [
            "lovely",
            "great",
            "wonderful",
            "nice",
            "perfect",
            "excellent",
            "beautiful",
            "very good",
            "fine",
            "clean",
        ],
        "people": ["friendly", "kind", "helpful", "polite", "quick"],
        "end": [
            "I will come back.",
            "I can recommend it.",
            "That was worth the money.",
            "I loved it.",
            "We were very happy.",
            "Thank you!",
            "My {who} liked it too.",
            "I am glad that I went there.",
            "It made me smile.",
            "Five stars.",
        ],
        "thing": [
            "The {colour} {thing} is {w} and it works well.",
            "I love my new {thing}. It is {w}.",
            "This {thing} is {w}, just what I wanted.",
            "The {thing} came early and it was {w}.",
            "A {w} {thing} for a good price.",
            "We use the {thing} every day and it is still {w}.",
        ],
        "not": ["not bad at all", "never boring", "better than I thought", "not too expensive"],
    },
    "negative": {
        "part": [
            "terrible",
            "awful",
            "broken",
            "ugly",
            "horrible",
            "useless",
            "boring",
            "dirty",
            "very bad",
            "too small",
        ],
        "people": ["rude", "slow", "unfriendly", "lazy", "angry"],
        "end": [
            "I will never come back.",
            "I cannot recommend it.",
            "That was a waste of money.",
            "I hated it.",
            "We were not happy.",
            "Never again!",
            "My {who} did not like it either.",
            "I am sorry that I went there.",
            "It made me sad.",
            "One star.",
        ],
        "thing": [
            "The {colour} {thing} is {w} and it does not work.",
            "I do not like my new {thing}. It is {w}.",
            "This {thing} is {w}, not what I wanted.",
            "The {thing} came late and it was {w}.",
            "A {w} {thing} for a bad price.",
            "We used the {thing} one day and now it is {w}.",
        ],
        "not": ["not good at all", "never clean", "worse than I thought", "much too expensive"],
    },
}


def review(rng: random.Random, label: str) -> str:
    mood = WORDING[label]
    end = pick(rng, mood["end"]).format(
        who=pick(rng, ["mother", "friend", "sister", "brother", "uncle", "aunt"])
    )
    if rng.random() < 0.4:
        thing = pick(rng, mood["thing"]).format(
            w=pick(rng, mood["part"]),
            thing=pick(rng, WORDS["nouns"]),
            colour=pick(rng, WORDS["colours"]),
        )
        return f"{thing} {end}" if rng.random() < 0.7 else thing
    kind = pick(rng, list(PLACES))
    part, people = pick(rng, PLACES[kind]["part"]), pick(rng, PLACES[kind]["people"])
    about = pick(rng, mood["part"]) if rng.random() < 0.75 else pick(rng, mood["not"])
    manner = f"the {people} {'were' if people == 'people' else 'was'} {pick(rng, mood['people'])}"
    town = f" in {pick(rng, WORDS['towns'])}" if kind != "film" and rng.random() < 0.5 else ""
    text = pick(
        rng,
        [
            f"The {part} of the {kind}{town} was {about} and {manner}.",
            f"We went to the {kind}{town} on {pick(rng, WORDS['days'])}. The {part} was {about}.",
            f"At the {kind}{town} {manner}. The {part} was {about}.",
            f"This {kind}{town} is {about}. The {part} was {pick(rng, mood['part'])}.",
        ],
    )
    return f"{text} {end}" if rng.random() < 0.8 else text


def rows(rng: random.Random) -> tuple[list[Row], list[Row]]:
    texts: dict[str, str] = {}
    for i in range(1600):
        label = ("positive", "negative")[i % 2]
        texts.setdefault(capital(review(rng, label)), label)
    found = [{"text": text, "label": label} for text, label in texts.items()]
    return found[100:], found[:100]
