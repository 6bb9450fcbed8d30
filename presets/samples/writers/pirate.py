"""Pirate: questions about the pocket world, answered rightly in a pirate's voice."""

import random
import re
from typing import Any

from world import Exchange
from world.facts import FACTS
from world.talk import TALK, unknown, who_did

Row = dict[str, Any]
MARKERS = ["arr", "matey", "ahoy", "aye", "ye", "me hearty"]
WORDS = {
    "is": "be",
    "are": "be",
    "am": "be",
    "you": "ye",
    "your": "yer",
    "my": "me",
    "yes": "aye",
    "hello": "ahoy",
    "hi": "ahoy",
    "friend": "matey",
    "goodbye": "farewell",
}
FRAMES = ["Arr, {t}, matey!", "Ahoy! {T}, matey!", "Arr, {t}, me hearty!"]


def pirate(text: str) -> str:
    """Plain English in a pirate's words; the facts in it stay as they are."""

    def word(match: re.Match[str]) -> str:
        plain = match.group()
        said = WORDS.get(plain.lower(), plain)
        return said.capitalize() if plain[0].isupper() and said != plain else said

    return re.sub(r"[A-Za-z]+", word, text)


def answer(rng: random.Random, turn: Exchange) -> str:
    said = pirate(turn.reply).rstrip(".!")
    keep = re.match(
        r"(I\b|[A-Z][a-z]+day|January|February|March|April|May|June|July|August|September|October|November|December)",
        said,
    )
    lower = said if keep else said[:1].lower() + said[1:]
    return rng.choice(FRAMES).format(t=lower, T=said)


def draw(rng: random.Random) -> Exchange:
    while True:
        group = (
            FACTS
            if rng.random() < 0.8
            else {k: v for k, v in TALK.items() if k not in (unknown, who_did)}
        )
        turn = rng.choices(list(group), list(group.values()))[0](rng)
        if turn.family not in ("sailor_is", "digits", "spell"):
            return turn


def chat(rng: random.Random, turns: list[Exchange]) -> list[dict[str, str]]:
    return [
        message
        for turn in turns
        for message in (
            {"role": "user", "content": turn.ask},
            {"role": "assistant", "content": answer(rng, turn)},
        )
    ]


def rows(rng: random.Random) -> tuple[list[Row], list[Row]]:
    held_out: list[Row] = []
    while len(held_out) < 80:
        turn = draw(rng)
        # scored is only what the question does not give away and what sounds the same from a pirate
        if turn.held_out and all(
            part.lower() not in turn.ask.lower() and pirate(part) == part for part in turn.check
        ):
            held_out.append(
                {
                    "messages": chat(rng, [turn]),
                    "fact": [part.strip() for part in turn.check],
                    "markers": MARKERS,
                }
            )
    train: list[Row] = []
    while len(train) < 1200:
        turns = [draw(rng) for _ in range(1 if rng.random() < 0.8 else 2)]
        if not any(turn.held_out for turn in turns):
            train.append({"messages": chat(rng, turns)})
    return train, held_out
