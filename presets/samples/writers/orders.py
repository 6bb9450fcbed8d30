"""JSON: a sentence about an order becomes JSON with four fields. Held-out rows are unseen
combinations of values.
"""

import json
import random
from typing import Any

from world.base import WORDS, an, capital, plural
from world.vocabulary import VALUES

Row = dict[str, Any]
INSTRUCTION = "Write the order as JSON."
FRAMES = [
    "{name} ordered {amount} on {day}.",
    "{name} bought {amount} on {day}.",
    "On {day}, {name} ordered {amount}.",
    "On {day}, {name} wanted {amount}.",
    "{name} would like {amount} on {day}.",
    "{amount} for {name}, please, on {day}.",
    "Please send {amount} to {name} on {day}.",
    "This is {name}. Can I have {amount} on {day}?",
    "I am {name} and I want {amount} by {day}.",
    "My name is {name}. Please bring {amount} on {day}.",
    "It was {day} and {name} took {amount}.",
    "{name} needs {amount} by {day}, please.",
]


def order(rng: random.Random) -> tuple[Row, dict[str, Any]]:
    item, count = rng.choice(VALUES["item"]), rng.randint(1, 20)
    number = str(count) if rng.random() < 0.5 else WORDS["numbers"][count]
    amount = an(item) if count == 1 else f"{number} {plural(item)}"
    found = {
        "name": rng.choice(WORDS["names"]),
        "item": item,
        "count": count,
        "day": rng.choice(WORDS["days"]),
    }
    text = rng.choice(FRAMES).format(amount=amount, **found)
    return {"instruction": INSTRUCTION, "input": capital(text), "output": json.dumps(found)}, found


def rows(rng: random.Random) -> tuple[list[Row], list[Row]]:
    held_out = []
    for _ in range(90):
        row, found = order(rng)
        held_out.append(row | {"expected": found})
    kept_back = {(row["expected"]["name"], row["expected"]["item"]) for row in held_out}
    drawn = [order(rng) for _ in range(1200)]
    return [
        row for row, found in drawn if (found["name"], found["item"]) not in kept_back
    ], held_out
