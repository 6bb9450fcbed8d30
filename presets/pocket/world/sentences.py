"""Sentences about who did what, how many, where and when, with questions that pick one of these
out.
"""

import random

from .base import WORDS, Exchange, an, capital, pick, plural
from .vocabulary import NUMBERS, VALUES

ONE = ("1", "one")


def sentence(rng: random.Random) -> tuple[str, dict[str, str]]:
    """A sentence about one deed and the parts of it."""
    n = rng.randint(1, 20)
    item = pick(rng, VALUES["item"])
    adjective = pick(rng, WORDS["colours"] + WORDS["sizes"]) if rng.random() < 0.6 else ""
    things = f"{adjective} {item}".strip() if n == 1 else f"{adjective} {plural(item)}".strip()
    parts = {
        "who": pick(rng, WORDS["names"]),
        "verb": pick(rng, WORDS["verbs_past"]),
        "what": things,
        "item": item,
        "colour": adjective,
        "count": str(n) if rng.random() < 0.35 else NUMBERS[n],
    }
    parts["amount"] = an(things) if n == 1 else f"{parts['count']} {things}"
    text = f"{parts['who']} {parts['verb']} {parts['amount']}"
    if rng.random() < 0.35:
        parts["for"] = pick(rng, WORDS["names"])
        text += f" for {parts['for']}"
    if rng.random() < 0.5:
        parts["where"] = f"{pick(rng, ['at', 'near', 'in'])} the {pick(rng, WORDS['places'])}"
        text += f" {parts['where']}"
    if rng.random() < 0.6:
        parts["when"] = (
            f"on {pick(rng, WORDS['days'])}" if rng.random() < 0.6 else pick(rng, WORDS["times"])
        )
        front = rng.random() < 0.25
        text = f"{capital(parts['when'])}, {text}" if front else f"{text} {parts['when']}"
    return text + ".", parts


def questions(parts: dict[str, str]) -> list[tuple[str, str, str]]:
    """Every question that the sentence answers: question, reply, what the reply must contain."""
    who, base = parts["who"], WORDS["base_forms"][parts["verb"]]
    it = "it" if parts["count"] in ONE else "them"
    whole = f"{who} {parts['verb']} {parts['amount']}"
    found = [(f"Who {parts['verb']} {parts['amount']}?", f"{whole}.", who)]
    found.append((f"What did {who} {base}?", f"{whole}.", parts["what"]))
    if parts["count"] not in ONE:
        found.append(
            (f"How many {plural(parts['item'])} did {who} {base}?", f"{whole}.", parts["count"])
        )
    if "for" in parts:
        found.append(
            (f"For whom did {who} {base} {it}?", f"It was for {parts['for']}.", parts["for"])
        )
    if "where" in parts:
        found.append((f"Where was {who}?", f"{who} was {parts['where']}.", parts["where"]))
        found.append((f"Where did {who} {base} {it}?", f"It was {parts['where']}.", parts["where"]))
    if "when" in parts:
        found.append((f"When did {who} {base} {it}?", f"It was {parts['when']}.", parts["when"]))
    if parts["colour"] in WORDS["colours"]:
        found.append(
            (
                f"What colour was it? Tell me about {who}.",
                f"It was {parts['colour']}.",
                parts["colour"],
            )
        )
    return found


def pick_out(rng: random.Random) -> Exchange:
    told = [sentence(rng) for _ in range(rng.choice([1, 1, 1, 2, 2, 3]))]
    if len({parts["who"] for _, parts in told}) < len(told):
        return pick_out(rng)
    ask, reply, check = pick(rng, questions(pick(rng, told)[1]))
    return Exchange(
        "pick_out",
        f"{' '.join(text for text, _ in told)} {ask}",
        reply,
        (check,),
        capital(check) + ".",
    )


FRAMES = [
    "{count} {items} for {name}, please, on {day}.",
    "{name} would like {count} {items} on {day}.",
    "Please bring {count} {items} to {name} in {city}.",
    "On {day} {count} {items} came to {name}.",
    "{name} from {city} needs {count} {items}.",
    "There are {count} {items} in {city} for {name}.",
    "I am {name} and I want {count} {items} by {day}.",
    "This is {name}. Can I have {count} {items} on {day}?",
    "Send {count} {items} to {city}. My name is {name}.",
    "{count} {colour} {items} for {name}.",
    "{name} has {count} {colour} {items}, all from {city}.",
    "{name} ordered {count} {items} on {day}.",
    "{name} bought {count} {colour} {items} on {day}.",
    "On {day} we send {count} {items} to {name}.",
]


def slots(rng: random.Random) -> Exchange:
    """What is the name, the item, the count ... in a wish or a message."""
    n, item = rng.randint(2, 20), pick(rng, VALUES["item"])
    count = str(n) if rng.random() < 0.4 else NUMBERS[n]
    frame = pick(rng, FRAMES)
    parts = {
        "name": pick(rng, WORDS["names"]),
        "items": plural(item),
        "count": count,
        "day": pick(rng, WORDS["days"]),
        "city": pick(rng, WORDS["towns"]),
        "colour": pick(rng, WORDS["colours"]),
    }
    text = capital(frame.format(**parts))
    key = pick(rng, [k for k in parts if "{" + k + "}" in frame])
    if key == "items":
        ask, reply, check = pick(
            rng,
            [
                ("What is the item?", f"The item is {item}.", item),
                ("Which things are they?", f"They are {plural(item)}.", plural(item)),
                ("One of what?", f"One {item}.", item),
            ],
        )
    elif key == "count":
        ask, reply, check = pick(
            rng,
            [
                ("What is the count?", f"The count is {n}.", str(n)),
                ("What is the count in digits?", f"The count is {n}.", str(n)),
                ("How many?", f"{capital(count)} {plural(item)}.", count),
                ("What is the number in words?", f"The number is {NUMBERS[n]}.", NUMBERS[n]),
            ],
        )
    else:
        ask, reply, check = (
            pick(rng, [f"What is the {key}?", f"Tell me the {key}.", f"Which {key} is it?"]),
            f"The {key} is {parts[key]}.",
            parts[key],
        )
    return Exchange(
        "slots", f"{text} {ask}" if rng.random() < 0.5 else f"{ask}\n{text}", reply, (check,), check
    )


def all_of(rng: random.Random) -> Exchange:
    """Find every word of a kind in a sentence, in the order it came."""
    text, parts = sentence(rng)
    key = pick(
        rng,
        [
            k
            for k in ("who", "item", "when", "where", "for", "count")
            if k in parts and (k != "count" or parts["count"] not in ONE)
        ],
    )
    names = {
        "who": "name",
        "item": "thing",
        "when": "time",
        "where": "place",
        "for": "friend",
        "count": "number",
    }
    ask = pick(rng, ["Find the {k}: {t}", "{t}\nWrite only the {k}.", "{t} Find the {k}."]).format(
        k=names[key], t=text
    )
    return Exchange("find", ask, parts[key], (parts[key],), parts[key])
