"""Copying from what was just said: repeating, notes, lists, quoting, invented words.

Fine-tuning can bend these habits towards a new format, but only a base that copies well gives it
something to bend.
"""

import random
from collections.abc import Callable

from .base import WORDS, Exchange, an, capital, invented, listed, pick, some
from .sentences import all_of, pick_out, sentence, slots
from .vocabulary import ALL_WORDS, VALUES, value_of, word, words


def notes(rng: random.Random) -> tuple[dict[str, str], str]:
    """A few keys with values, written down in one of several ways."""
    keys = some(rng, WORDS["keys"], 2, 5)
    if rng.random() < 0.3:
        keys = [
            k if rng.random() < 0.5 else w
            for k, w in zip(keys, rng.sample(ALL_WORDS, len(keys)), strict=True)
        ]
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
        return (
            "{"
            + ", ".join(
                f'"{k}": {v if v.isdigit() else chr(34) + v + chr(34)}' for k, v in pairs.items()
            )
            + "}"
        )
    if style == 4:
        return "\n".join(f"- {k}: {v}" for k, v in pairs.items())
    return "; ".join(f"({k}) {v}" for k, v in pairs.items())


def say_after(rng: random.Random) -> Exchange:
    text = " ".join(words(rng, 1, 7)) if rng.random() < 0.6 else ", ".join(words(rng, 2, 6))
    if rng.random() < 0.25:
        text = sentence(rng)[0]
    if rng.random() < 0.2:
        text = notes(rng)[1]
    ask = pick(
        rng,
        [
            "Say after me: {t}",
            "Repeat: {t}",
            "Please say: {t}",
            "Say this again: {t}",
            "Copy this: {t}",
            "Write this: {t}",
        ],
    )
    return Exchange("repeat", ask.format(t=text), text, (text,), text)


def note_question(rng: random.Random) -> Exchange:
    pairs, text = notes(rng)
    key = pick(rng, list(pairs))
    ask = pick(
        rng,
        [
            "What is the {k}?",
            "Tell me the {k}.",
            "Which {k} is in the note?",
            "Read the {k}.",
            "Give me the {k}.",
        ],
    ).format(k=key)
    ask = f"{text}\n{ask}" if rng.random() < 0.7 else f"{ask}\n{text}"
    return Exchange("note", ask, f"The {key} is {pairs[key]}.", (pairs[key],), pairs[key])


def note_keys(rng: random.Random) -> Exchange:
    pairs, text = notes(rng)
    if rng.random() < 0.5:
        return Exchange(
            "note_keys",
            f"{text}\nWhich words come first in the note?",
            listed(list(pairs)) + ".",
            (listed(list(pairs)),),
        )
    key = pick(rng, list(pairs))
    ask = pick(rng, ["What is {v}?", "What kind of entry is {v}?"]).format(v=pairs[key])
    return Exchange(
        "note_keys",
        f"{text}\n{ask}",
        f"{capital(pairs[key])} is the {key}.",
        (key,),
        capital(key) + ".",
    )


def marked(rng: random.Random) -> Exchange:
    """Words in quotes, brackets or lines: the same word, with and without a space before it."""
    items = words(rng, 1, 5)
    text = " ".join(items) if rng.random() < 0.5 else listed(items)
    how, reply = pick(
        rng,
        [
            ("in quotes", " ".join(f'"{w}"' for w in items)),
            ("in brackets", " ".join(f"({w})" for w in items)),
            ("in a list", "\n".join(f"- {w}" for w in items)),
            ("in square brackets", "[" + ", ".join(f'"{w}"' for w in items) + "]"),
            ("on lines", "\n".join(items)),
            ("with commas", ", ".join(items)),
            ("in curly brackets", " ".join("{" + w + "}" for w in items)),
        ],
    )
    ask = pick(
        rng, ["Put these words {h}: {t}", "Write {h}: {t}", "Write these words {h}: {t}"]
    ).format(h=how, t=text)
    return Exchange("marked", ask, reply, (reply,), reply)


def place_of(rng: random.Random) -> Exchange:
    items = list(dict.fromkeys(words(rng, 3, 6)))
    if len(items) < 3:
        return place_of(rng)
    at = rng.choice([0, 1, 2, len(items) - 1])
    name = ["first", "second", "third"][at] if at < 3 and at != len(items) - 1 else "last"
    ask = pick(
        rng, ["What is the {n} word: {t}", "{t}\nTell me the {n} word.", "Which word is {n}: {t}"]
    ).format(n=name, t=pick(rng, [" ", ", "]).join(items))
    return Exchange("place_of", ask, f"The {name} word is {items[at]}.", (items[at],), items[at])


def after_word(rng: random.Random) -> Exchange:
    items = list(dict.fromkeys(words(rng, 4, 8)))
    if len(items) < 3:
        return after_word(rng)
    at = rng.randrange(len(items) - 1)
    ask = pick(rng, ["Which word comes after {w}: {t}", "{t}\nWhat comes after {w}?"]).format(
        w=items[at], t=pick(rng, [" ", ", "]).join(items)
    )
    return Exchange(
        "after_word",
        ask,
        f"After {items[at]} comes {items[at + 1]}.",
        (items[at + 1],),
        items[at + 1],
    )


def missing(rng: random.Random) -> Exchange:
    items = rng.sample(ALL_WORDS, rng.randint(3, 6))
    gone = pick(rng, items)
    again = [w for w in items if w != gone]
    rng.shuffle(again)
    return Exchange(
        "missing",
        f"First: {', '.join(items)}. Now: {', '.join(again)}. What is missing?",
        f"The word {gone} is missing.",
        (gone,),
        gone,
    )


def meaning(rng: random.Random) -> Exchange:
    """Facts about invented things: nothing but the prompt can answer."""
    facts = {}
    for name in dict.fromkeys(invented(rng) for _ in range(rng.randint(1, 3))):
        facts[name] = (
            pick(rng, WORDS["colours"]),
            pick(rng, VALUES["animal"]),
            pick(rng, WORDS["places"]),
        )
    name = pick(rng, sorted(facts))
    colour, animal, place = facts[name]
    text = " ".join(
        f"{capital(an(n))} is {an(c)} {a} from the {p}." for n, (c, a, p) in facts.items()
    )
    ask, reply, check = pick(
        rng,
        [
            (f"What colour is {an(name)}?", f"{capital(an(name))} is {colour}.", colour),
            (
                f"Where does {an(name)} come from?",
                f"{capital(an(name))} comes from the {place}.",
                place,
            ),
            (
                f"What is {an(name)}?",
                f"{capital(an(name))} is {an(colour)} {animal} from the {place}.",
                animal,
            ),
        ],
    )
    return Exchange("invented", f"{text} {ask}", reply, (check,), capital(check) + ".")


def spell(rng: random.Random) -> Exchange:
    text = pick(rng, [w for w in ALL_WORDS if len(w) < 7 and w.isalpha()])
    ask = pick(rng, ["Spell {w}.", "How do you spell {w}?", "Can you spell the word {w}?"]).format(
        w=text
    )
    return Exchange(
        "spell",
        ask,
        " - ".join(text.lower()),
        (" - ".join(text.lower()),),
        " - ".join(text.lower()),
    )


COPYING: dict[Callable[[random.Random], Exchange], int] = {
    say_after: 8,
    note_question: 9,
    note_keys: 3,
    marked: 7,
    place_of: 2,
    after_word: 3,
    missing: 1,
    meaning: 4,
    pick_out: 10,
    slots: 8,
    all_of: 7,
    spell: 1,
}
