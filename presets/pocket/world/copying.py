"""Copying from what was just said: repeating, notes, picking words out of a sentence, quoting, invented words.

Fine-tuning can bend these habits towards a new format, but only a base that copies well gives it something to bend.
"""

import random
from collections.abc import Callable

from .base import WORDS, Exchange, an, capital, invented, listed, pick, plural, some

NUMBERS: list[str] = WORDS["numbers"]
_TABLE_WORDS = [row[0] for rows in WORDS["tables"].values() for row in rows[1:] if len(row[0]) < 12]
_PAIR_WORDS = [w for name in ("opposites", "pasts", "rhymes") for pair in WORDS[name] for w in pair if " " not in w]
ALL_WORDS: list[str] = sorted({
    *WORDS["nouns"], *WORDS["foods"], *WORDS["colours"], *WORDS["sizes"], *WORDS["places"], *WORDS["verbs_past"], *WORDS["days"],
    *WORDS["months"], *WORDS["feelings"], *WORDS["towns"], *NUMBERS, *_TABLE_WORDS, *_PAIR_WORDS, *WORDS["names"]})
VALUES: dict[str, list[str]] = {
    "name": WORDS["names"], "item": WORDS["nouns"] + WORDS["foods"], "colour": WORDS["colours"], "place": WORDS["places"],
    "city": WORDS["towns"], "food": WORDS["foods"], "animal": [r[0] for r in WORDS["tables"]["animal"][1:]], "size": WORDS["sizes"],
    "friend": WORDS["names"], "gift": WORDS["nouns"], "day": WORDS["days"], "team": WORDS["colours"]}


def value_of(rng: random.Random, key: str) -> str:
    return pick(rng, VALUES[key]) if key in VALUES else str(rng.randint(1, 99))


def word(rng: random.Random) -> str:
    return invented(rng) if rng.random() < 0.15 else str(rng.randint(0, 999)) if rng.random() < 0.1 else pick(rng, ALL_WORDS)


def words(rng: random.Random, low: int, high: int) -> list[str]:
    return [word(rng) for _ in range(rng.randint(low, high))]


def notes(rng: random.Random) -> tuple[dict[str, str], str]:
    """A few keys with values, written down in one of several ways."""
    keys = some(rng, WORDS["keys"], 2, 5)
    if rng.random() < 0.3:
        keys = [k if rng.random() < 0.5 else w for k, w in zip(keys, rng.sample(ALL_WORDS, len(keys)), strict=True)]
    pairs = {k: value_of(rng, k) if k in WORDS["keys"] else word(rng) for k in keys}
    return pairs, written(rng, pairs)


def written(rng: random.Random, pairs: dict[str, str]) -> str:
    style = rng.randrange(6)
    if style == 0:
        return "\n".join(f"{k}: {v}" for k, v in pairs.items())
    if style == 1:
        return ", ".join(f"{k}: {v}" for k, v in pairs.items())
    if style == 2:
        return ", ".join(f"{k} = {v}" for k, v in pairs.items())
    if style == 3:
        return "{" + ", ".join(f'"{k}": {v if v.isdigit() else chr(34) + v + chr(34)}' for k, v in pairs.items()) + "}"
    if style == 4:
        return "\n".join(f"- {k}: {v}" for k, v in pairs.items())
    return "; ".join(f"({k}) {v}" for k, v in pairs.items())


def say_after(rng: random.Random) -> Exchange:
    text = " ".join(words(rng, 1, 7)) if rng.random() < 0.6 else ", ".join(words(rng, 2, 6))
    if rng.random() < 0.25:
        text = sentence(rng)[0]
    if rng.random() < 0.2:
        text = notes(rng)[1]
    ask = pick(rng, ["Say after me: {t}", "Repeat: {t}", "Please say: {t}", "Say this again: {t}", "Copy this: {t}", "Write this: {t}"])
    return Exchange("repeat", ask.format(t=text), text, (text,), text)


def note_question(rng: random.Random) -> Exchange:
    pairs, text = notes(rng)
    key = pick(rng, list(pairs))
    ask = pick(rng, ["What is the {k}?", "Tell me the {k}.", "Which {k} is in the note?", "Read the {k}.", "Give me the {k}."]).format(k=key)
    ask = f"{text}\n{ask}" if rng.random() < 0.7 else f"{ask}\n{text}"
    return Exchange("note", ask, f"The {key} is {pairs[key]}.", (pairs[key],), pairs[key])


def note_keys(rng: random.Random) -> Exchange:
    pairs, text = notes(rng)
    if rng.random() < 0.5:
        return Exchange("note_keys", f"{text}\nWhich words come first in the note?", listed(list(pairs)) + ".", (listed(list(pairs)),))
    key = pick(rng, list(pairs))
    ask = pick(rng, ["What is {v}?", "What kind of entry is {v}?"]).format(v=pairs[key])
    return Exchange("note_keys", f"{text}\n{ask}", f"{capital(pairs[key])} is the {key}.", (key,), capital(key) + ".")


def marked(rng: random.Random) -> Exchange:
    """Words put into quotes, brackets or lines: the same word, with and without a space before it."""
    items = words(rng, 1, 5)
    text = " ".join(items) if rng.random() < 0.5 else listed(items)
    how, reply = pick(rng, [
        ("in quotes", " ".join(f'"{w}"' for w in items)), ("in brackets", " ".join(f"({w})" for w in items)),
        ("in a list", "\n".join(f"- {w}" for w in items)), ("in square brackets", "[" + ", ".join(f'"{w}"' for w in items) + "]"),
        ("on lines", "\n".join(items)), ("with commas", ", ".join(items)), ("in curly brackets", " ".join("{" + w + "}" for w in items))])
    ask = pick(rng, ["Put these words {h}: {t}", "Write {h}: {t}", "Write these words {h}: {t}"]).format(h=how, t=text)
    return Exchange("marked", ask, reply, (reply,), reply)


def place_of(rng: random.Random) -> Exchange:
    items = list(dict.fromkeys(words(rng, 3, 6)))
    if len(items) < 3:
        return place_of(rng)
    at = rng.choice([0, 1, 2, len(items) - 1])
    name = ["first", "second", "third"][at] if at < 3 and at != len(items) - 1 else "last"
    ask = pick(rng, ["What is the {n} word: {t}", "{t}\nTell me the {n} word.", "Which word is {n}: {t}"]).format(n=name, t=pick(rng, [" ", ", "]).join(items))
    return Exchange("place_of", ask, f"The {name} word is {items[at]}.", (items[at],), items[at])


def after_word(rng: random.Random) -> Exchange:
    items = list(dict.fromkeys(words(rng, 4, 8)))
    if len(items) < 3:
        return after_word(rng)
    at = rng.randrange(len(items) - 1)
    ask = pick(rng, ["Which word comes after {w}: {t}", "{t}\nWhat comes after {w}?"]).format(w=items[at], t=pick(rng, [" ", ", "]).join(items))
    return Exchange("after_word", ask, f"After {items[at]} comes {items[at + 1]}.", (items[at + 1],), items[at + 1])


def missing(rng: random.Random) -> Exchange:
    items = rng.sample(ALL_WORDS, rng.randint(3, 6))
    gone = pick(rng, items)
    again = [w for w in items if w != gone]
    rng.shuffle(again)
    return Exchange("missing", f"First: {', '.join(items)}. Now: {', '.join(again)}. What is missing?", f"The word {gone} is missing.", (gone,), gone)


def meaning(rng: random.Random) -> Exchange:
    """Facts about invented things: nothing but the prompt can answer."""
    facts = {}
    for name in {invented(rng) for _ in range(rng.randint(1, 3))}:
        facts[name] = (pick(rng, WORDS["colours"]), pick(rng, VALUES["animal"]), pick(rng, WORDS["places"]))
    name = pick(rng, sorted(facts))
    colour, animal, place = facts[name]
    text = " ".join(f"{capital(an(n))} is {an(c)} {a} from the {p}." for n, (c, a, p) in facts.items())
    ask, reply, check = pick(rng, [
        (f"What colour is {an(name)}?", f"{capital(an(name))} is {colour}.", colour), (f"Where does {an(name)} come from?", f"{capital(an(name))} comes from the {place}.", place),
        (f"What is {an(name)}?", f"{capital(an(name))} is {an(colour)} {animal} from the {place}.", animal)])
    return Exchange("invented", f"{text} {ask}", reply, (check,), capital(check) + ".")


def sentence(rng: random.Random) -> tuple[str, dict[str, str]]:
    """A sentence about one deed and the parts of it."""
    n = rng.randint(1, 20)
    item = pick(rng, VALUES["item"])
    adjective = pick(rng, WORDS["colours"] + WORDS["sizes"]) if rng.random() < 0.6 else ""
    things = f"{adjective} {item}".strip() if n == 1 else f"{adjective} {plural(item)}".strip()
    parts = {"who": pick(rng, WORDS["names"]), "verb": pick(rng, WORDS["verbs_past"]), "what": things, "item": item, "colour": adjective,
             "count": str(n) if rng.random() < 0.35 else NUMBERS[n]}
    parts["amount"] = an(things) if n == 1 else f"{parts['count']} {things}"
    text = f"{parts['who']} {parts['verb']} {parts['amount']}"
    if rng.random() < 0.35:
        parts["for"] = pick(rng, WORDS["names"])
        text += f" for {parts['for']}"
    if rng.random() < 0.5:
        parts["where"] = f"{pick(rng, ['at', 'near', 'in'])} the {pick(rng, WORDS['places'])}"
        text += f" {parts['where']}"
    if rng.random() < 0.6:
        parts["when"] = f"on {pick(rng, WORDS['days'])}" if rng.random() < 0.6 else pick(rng, WORDS["times"])
        front = rng.random() < 0.25
        text = f"{capital(parts['when'])}, {text}" if front else f"{text} {parts['when']}"
    return text + ".", parts


BASE_FORM = {"bought": "buy", "found": "find", "saw": "see", "lost": "lose", "carried": "carry", "made": "make", "sold": "sell",
             "took": "take", "brought": "bring", "painted": "paint", "cleaned": "clean", "hid": "hide", "washed": "wash",
             "ordered": "order", "wanted": "want", "dropped": "drop"}


def questions(parts: dict[str, str]) -> list[tuple[str, str, str]]:
    """Every question that the sentence answers: question, reply, what the reply must contain."""
    who, verb, base = parts["who"], parts["verb"], BASE_FORM[parts["verb"]]
    found = [(f"Who {verb} {parts['amount']}?", f"{who} {verb} {parts['amount']}.", who),
             (f"What did {who} {base}?", f"{who} {verb} {parts['amount']}.", parts["what"])]
    if parts["count"] not in ("1", "one"):
        found.append((f"How many {plural(parts['item'])} did {who} {base}?", f"{who} {verb} {parts['amount']}.", parts["count"]))
    if "for" in parts:
        found.append((f"For whom did {who} {base} {'it' if parts['count'] in ('1', 'one') else 'them'}?", f"It was for {parts['for']}.", parts["for"]))
    if "where" in parts:
        found.append((f"Where was {who}?", f"{who} was {parts['where']}.", parts["where"]))
        found.append((f"Where did {who} {base} {'it' if parts['count'] in ('1', 'one') else 'them'}?", f"It was {parts['where']}.", parts["where"]))
    if "when" in parts:
        found.append((f"When did {who} {base} {'it' if parts['count'] in ('1', 'one') else 'them'}?", f"It was {parts['when']}.", parts["when"]))
    if parts["colour"] in WORDS["colours"]:
        found.append((f"What colour was it? Tell me about {who}.", f"It was {parts['colour']}.", parts["colour"]))
    return found


def pick_out(rng: random.Random) -> Exchange:
    told = [sentence(rng) for _ in range(rng.choice([1, 1, 1, 2, 2, 3]))]
    if len({parts["who"] for _, parts in told}) < len(told):
        return pick_out(rng)
    ask, reply, check = pick(rng, questions(pick(rng, told)[1]))
    return Exchange("pick_out", f"{' '.join(text for text, _ in told)} {ask}", reply, (check,), capital(check) + ".")


FRAMES = ["{count} {items} for {name}, please, on {day}.", "{name} would like {count} {items} on {day}.", "Please bring {count} {items} to {name} in {city}.",
          "On {day} {count} {items} came to {name}.", "{name} from {city} needs {count} {items}.", "There are {count} {items} in {city} for {name}.",
          "I am {name} and I want {count} {items} by {day}.", "This is {name}. Can I have {count} {items} on {day}?", "Send {count} {items} to {city}. My name is {name}.",
          "{count} {colour} {items} for {name}.", "{name} has {count} {colour} {items}, all from {city}.", "On {day} we send {count} {items} to {name}."]


def slots(rng: random.Random) -> Exchange:
    """What is the name, the item, the count ... in a wish or a message."""
    n, item = rng.randint(2, 20), pick(rng, VALUES["item"])
    count = str(n) if rng.random() < 0.4 else NUMBERS[n]
    frame = pick(rng, FRAMES)
    parts = {"name": pick(rng, WORDS["names"]), "items": plural(item), "count": count, "day": pick(rng, WORDS["days"]),
             "city": pick(rng, WORDS["towns"]), "colour": pick(rng, WORDS["colours"])}
    text = capital(frame.format(**parts))
    key = pick(rng, [k for k in parts if "{" + k + "}" in frame])
    if key == "items":
        ask, reply, check = pick(rng, [("What is the item?", f"The item is {item}.", item), ("Which things are they?", f"They are {plural(item)}.", plural(item)),
                                       ("One of what?", f"One {item}.", item)])
    elif key == "count":
        ask, reply, check = pick(rng, [("What is the count?", f"The count is {n}.", str(n)), ("What is the count in digits?", f"The count is {n}.", str(n)),
                                       ("How many?", f"{capital(count)} {plural(item)}.", count), ("What is the number in words?", f"The number is {NUMBERS[n]}.", NUMBERS[n])])
    else:
        ask, reply, check = pick(rng, [f"What is the {key}?", f"Tell me the {key}.", f"Which {key} is it?"]), f"The {key} is {parts[key]}.", parts[key]
    return Exchange("slots", f"{text} {ask}" if rng.random() < 0.5 else f"{ask}\n{text}", reply, (check,), check)


def all_of(rng: random.Random) -> Exchange:
    """Find every word of a kind in a sentence, in the order it came."""
    text, parts = sentence(rng)
    key = pick(rng, [k for k in ("who", "item", "when", "where", "for", "count") if k in parts and (k != "count" or parts["count"] not in ("1", "one"))])
    names = {"who": "name", "item": "thing", "when": "time", "where": "place", "for": "friend", "count": "number"}
    ask = pick(rng, ["Find the {k}: {t}", "{t}\nWrite only the {k}.", "{t} Find the {k}."]).format(k=names[key], t=text)
    return Exchange("find", ask, parts[key], (parts[key],), parts[key])


def spell(rng: random.Random) -> Exchange:
    text = pick(rng, [w for w in ALL_WORDS if len(w) < 7 and w.isalpha()])
    ask = pick(rng, ["Spell {w}.", "How do you spell {w}?", "Can you spell the word {w}?"]).format(w=text)
    return Exchange("spell", ask, " - ".join(text.lower()), (" - ".join(text.lower()),), " - ".join(text.lower()))


COPYING: dict[Callable[[random.Random], Exchange], int] = {
    say_after: 8, note_question: 9, note_keys: 3, marked: 7, place_of: 2, after_word: 3, missing: 1, meaning: 4, pick_out: 10, slots: 8, all_of: 7, spell: 1}
