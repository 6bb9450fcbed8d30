"""Preferences: the same question with a good answer (short, polite, right) and a bad one (rude,
rambling or wrong).
"""

import random
from typing import Any

from world import Exchange
from world.base import WORDS, an, pick
from world.facts import FACTS, fact

Row = dict[str, Any]
POLITE = [
    "{r}",
    "Of course. {r}",
    "Good question. {r}",
    "{r} I am glad to help.",
    "Yes, I can help. {r}",
]
RUDE = [
    "That is a boring question. Look for it.",
    "I do not want to answer that. Go away.",
    "Why do you ask me? Everybody knows that.",
    "Do not ask me again. I am angry now.",
    "You are slow. Read a book about it.",
    "I hate this question. Never ask it again.",
]
CURT = ["That is all.", "What more do you want?", "I do not care.", "Now be quiet."]


def rambling(rng: random.Random, turn: Exchange) -> str:
    name, place, food = (
        pick(rng, WORDS["names"]),
        pick(rng, WORDS["places"]),
        pick(rng, WORDS["foods"]),
    )
    day, colour, thing = (
        pick(rng, WORDS["days"]),
        pick(rng, WORDS["colours"]),
        pick(rng, WORDS["nouns"]),
    )
    return (
        f"Well, {name} was in the {place} and ate {food} pie, and then it was {day}, "
        f"and I think, but I do not know, "
        f"that it was cold, and then we saw {an(colour)} {thing}, and so on. {turn.reply} Or not."
    )


def wrong(rng: random.Random, _: Exchange) -> str:
    return f"{fact(rng).reply} {pick(rng, CURT)}"


def rude(rng: random.Random, _: Exchange) -> str:
    return pick(rng, RUDE)


def rows(rng: random.Random) -> tuple[list[Row], list[Row]]:
    found: list[Row] = []
    asked: set[str] = set()
    while len(found) < 700:
        turn = rng.choices(list(FACTS), list(FACTS.values()))[0](rng)
        if turn.ask in asked:
            continue
        asked.add(turn.ask)
        bad = pick(rng, [rambling, wrong, rude])(rng, turn)
        found.append(
            {"prompt": turn.ask, "chosen": pick(rng, POLITE).format(r=turn.reply), "rejected": bad}
        )
    return found[60:], found[:60]
