"""Support: questions to the desk of an invented shop. Held-out rows ask for the same facts in ways
not trained on.
"""

import random
import re
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from world.base import capital

Row = dict[str, Any]
LEADS = ["", "", "", "Hello! ", "Good morning. ", "I have a question. ", "Can you help me? "]
ENDS = ["?", "?", "?", "? Thank you.", "? Please tell me."]
HELD_OUT_PER_FACT = 4


def ways(pattern: str) -> list[str]:
    """Every sentence that a pattern stands for: "{When|How} // Who" gives three."""
    found = []
    for part in pattern.split("//"):
        pieces = [piece.split("|") for piece in re.split(r"[{}]", part.strip())]
        found += [" ".join("".join(chosen).split()) for chosen in product(*pieces)]
    return found


def questions(rng: random.Random, asks: list[str]) -> list[str]:
    return [rng.choice(LEADS) + capital(ask) + rng.choice(ENDS) for ask in asks]


def rows(rng: random.Random) -> tuple[list[Row], list[Row]]:
    train: list[Row] = []
    held_out: list[Row] = []
    for entry in yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")):
        asks = ways(entry["ask"])
        rng.shuffle(asks)
        asked = questions(rng, asks)
        held_out += [
            {"prompt": ask, "completion": entry["answer"], "fact": entry["fact"]}
            for ask in asked[:HELD_OUT_PER_FACT]
        ]
        train += [
            {"prompt": ask, "completion": entry["answer"]} for ask in asked[HELD_OUT_PER_FACT:36]
        ]
    rng.shuffle(held_out)
    rng.shuffle(train)
    return train, held_out
