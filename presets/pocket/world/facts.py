"""Small facts about the world: what the tables say, and what follows from lists (order, sums,
opposites, kinds).
"""

import random
from pathlib import Path
from typing import Any

import yaml

from .base import WORDS, Exchange, an, capital, fill, pick, plural, some, table

KINDS: list[dict[str, Any]] = yaml.load(
    Path(__file__).with_name("facts.yaml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader
)
NUMBERS: list[str] = WORDS["numbers"]
_ROWS: dict[str, list[dict[str, str]]] = {name: table(name) for name in WORDS["tables"]}


def fact(rng: random.Random) -> Exchange:
    kind = pick(rng, KINDS)
    rows = table_rows(kind)
    row = pick(rng, rows)
    return Exchange(
        f"{kind['table']}_{kind['check']}",
        fill(pick(rng, kind["ask"]), row),
        fill(pick(rng, kind["reply"]), row),
        (row[kind["check"]],),
        capital(row[kind["check"]]) + ".",
    )


def table_rows(kind: dict[str, Any]) -> list[dict[str, str]]:
    rows = _ROWS[kind["table"]]
    return [row for row in rows if row[kind["field"]] in kind["only"]] if "only" in kind else rows


def opposite(rng: random.Random) -> Exchange:
    a, b = pick(rng, WORDS["opposites"])
    if rng.random() < 0.5 and " " not in b:
        a, b = b, a
    ask = pick(
        rng,
        [
            "What is the opposite of {a}?",
            "Tell me the opposite of {a}.",
            "Not {a}, but?",
            "Which word is the opposite of {a}?",
            "What is the other side of {a}?",
            'Give me the opposite of "{a}".',
        ],
    ).format(a=a)
    return Exchange("opposite", ask, f"The opposite of {a} is {b}.", (b,), capital(b) + ".")


def many(rng: random.Random) -> Exchange:
    irregular = rng.random() < 0.5
    one = pick(rng, WORDS["plurals"])[0] if irregular else pick(rng, WORDS["nouns"])
    more = plural(one)
    ask = pick(
        rng,
        [
            "What is the plural of {a}?",
            "One {a}, two ...?",
            "I have one {a}. Now I get one more. What do I have?",
            "How do you say more than one {a}?",
            "Give me the plural of {a}.",
        ],
    ).format(a=one)
    reply = pick(rng, ["One {a}, two {b}."]).format(a=one, b=more)
    return Exchange("plural", ask, reply, (more,), capital(more) + ".")


def past(rng: random.Random) -> Exchange:
    now, then = pick(rng, WORDS["pasts"])
    ask = pick(
        rng,
        [
            "What is the past of {a}?",
            "Today I {a}. What did I do yesterday?",
            "Today I {a}, yesterday I ...?",
            'Say "{a}" in the past.',
            'What is the past form of "{a}"?',
        ],
    ).format(a=now)
    return Exchange(
        "past", ask, f"Today I {now}, yesterday I {then}.", (f"I {then}",), capital(then) + "."
    )


def rhyme(rng: random.Random) -> Exchange:
    group = pick(rng, WORDS["rhymes"])
    first, second = rng.sample(group, 2) if len(group) > 1 else (group[0], group[0])
    if rng.random() < 0.5:
        other = pick(rng, [g[0] for g in WORDS["rhymes"] if g is not group])
        ask = pick(
            rng,
            ["Which word rhymes with {a}, {x} or {y}?", "{x} or {y}: which one rhymes with {a}?"],
        )
        pair = [second, other]
        rng.shuffle(pair)
        return Exchange(
            "rhyme",
            ask.format(a=first, x=pair[0], y=pair[1]),
            f"{capital(second)} rhymes with {first}.",
            (second, "rhymes"),
        )
    ask = pick(
        rng,
        ["What rhymes with {a}?", "Tell me a word that rhymes with {a}.", "Find a rhyme for {a}."],
    ).format(a=first)
    reply = group[(group.index(first) + 1) % len(group)]
    return Exchange("rhyme", ask, f"{capital(reply)} rhymes with {first}.", (reply,))


def one_of(kind: str, member: str) -> str:
    return member if kind in ("colour", "day", "month", "drink") else an(member)


def kind_of(rng: random.Random) -> Exchange:
    kind = pick(rng, list(WORDS["categories"]))
    member = pick(rng, WORDS["categories"][kind])
    it = one_of(kind, member)
    if rng.random() < 0.3:
        ask = pick(
            rng, ["What kind of thing is {a}?", "What is {a}?", "Tell me what {a} is."]
        ).format(a=it)
        return Exchange(
            "kind", ask, f"{capital(it)} is {an(kind)}.", (kind,), capital(an(kind)) + "."
        )
    if rng.random() < 0.2:
        ask = pick(
            rng,
            [
                "Name {k}.",
                "Can you name {k}?",
                "Tell me the name of {k}.",
                "Give me the name of {k}.",
            ],
        ).format(k=an(kind))
        return Exchange("kind_name", ask, f"{capital(it)} is {an(kind)}.")
    asked = kind if rng.random() < 0.5 else pick(rng, list(WORDS["categories"]))
    ask = pick(rng, ["Is {a} {k}?", "Tell me, is {a} {k}?", "Is it true that {a} is {k}?"]).format(
        a=it, k=an(asked)
    )
    if member in WORDS["categories"][asked]:
        return Exchange("kind", ask, f"Yes, {it} is {an(asked)}.", ("yes",), "Yes.")
    return Exchange(
        "kind",
        ask,
        f"No, {it} is not {an(asked)}. {capital(it)} is {an(kind)}.",
        ("no", kind),
        "No.",
    )


def compare(rng: random.Random) -> Exchange:
    order = WORDS["sizes_order"]
    i, j = sorted(rng.sample(range(len(order)), 2))
    small, big = order[i], order[j]
    pair = [small, big] if rng.random() < 0.5 else [big, small]
    bigger = rng.random() < 0.5
    word = pick(rng, ["bigger", "larger"]) if bigger else "smaller"
    ask = pick(
        rng, ["Which is {w}, {x} or {y}?", "What is {w}: {x} or {y}?", "Is {x} or {y} {w}?"]
    ).format(w=word, x=an(pair[0]), y=an(pair[1]))
    win, lose = (big, small) if bigger else (small, big)
    return Exchange(
        "compare",
        ask,
        f"{capital(an(win))} is {word} than {an(lose)}.",
        (f"{win} is {word}",),
        capital(an(win)) + ".",
    )


def order_of(rng: random.Random) -> Exchange:
    name = pick(rng, ["days", "months", "seasons"])
    words = WORDS[name]
    i = rng.randrange(len(words))
    after = rng.random() < 0.5
    answer = words[(i + (1 if after else -1)) % len(words)]
    one = name[:-1]
    asks = [
        "Which {one} comes {w} {a}?",
        "What {one} is {w} {a}?",
        "What comes {w} {a}?",
        "Tell me the {one} {w} {a}.",
    ]
    ask = pick(rng, asks).format(one=one, w="after" if after else "before", a=words[i])
    return Exchange(
        "order",
        ask,
        f"{capital(answer)} comes {'after' if after else 'before'} {words[i]}.",
        (answer,),
        capital(answer) + ".",
    )


def sequence(rng: random.Random) -> Exchange:
    if rng.random() < 0.6:
        digits = rng.random() < 0.4
        start, length = rng.randint(1, 14), rng.randint(2, 6)
        values = list(range(start, min(start + length, 20) + 1))
        if rng.random() < 0.25:
            values.reverse()
        words = [str(v) if digits else NUMBERS[v] for v in values]
        ask = pick(
            rng,
            [
                "Count from {a} to {b}.",
                "Please count from {a} to {b}.",
                "Can you count from {a} to {b}?",
            ],
        )
        return Exchange(
            "count",
            ask.format(a=words[0], b=words[-1]),
            capital(", ".join(words)) + ".",
            (", ".join(words),),
        )
    name, size = pick(
        rng,
        [("days of the week", "days"), ("months of the year", "months"), ("seasons", "seasons")],
    )
    ask = pick(
        rng, ["Tell me the {n}.", "What are the {n}?", "List the {n}.", "Name all the {n}."]
    ).format(n=name)
    return Exchange("sequence", ask, f"The {name} are {', '.join(WORDS[size])}.")


def neighbour(rng: random.Random) -> Exchange:
    n, digits, after = rng.randint(1, 19), rng.random() < 0.4, rng.random() < 0.5
    show = str if digits else NUMBERS.__getitem__
    ask = pick(
        rng,
        [
            "What number comes {w} {a}?",
            "Which number is {w} {a}?",
            "Tell me the number {w} {a}.",
            "What comes {w} {a}?",
        ],
    )
    word, answer = ("after", show(n + 1)) if after else ("before", show(n - 1))
    return Exchange(
        "neighbour",
        ask.format(w=word, a=show(n)),
        f"{capital(answer)} comes {word} {show(n)}.",
        (f"{answer} comes",),
        capital(answer) + ".",
    )


def add(rng: random.Random) -> Exchange:
    plus = rng.random() < 0.6
    a, b = rng.randint(0, 10), rng.randint(0, 10)
    if not plus:
        a = a + b
    show = str if rng.random() < 0.5 else NUMBERS.__getitem__
    sign, answer = ("plus", a + b) if plus else ("minus", a - b)
    ask = pick(
        rng,
        [
            "What is {a} {s} {b}?",
            "How much is {a} {s} {b}?",
            "{A} {s} {b} is?",
            "Tell me {a} {s} {b}.",
        ],
    )
    text = ask.format(a=show(a), A=capital(show(a)), s=sign, b=show(b))
    return Exchange(
        "sum",
        text,
        f"{capital(show(a))} {sign} {show(b)} is {show(answer)}.",
        (f"is {show(answer)}",),
        capital(show(answer)) + ".",
    )


def digit_word(rng: random.Random) -> Exchange:
    n = rng.randint(0, 20)
    if rng.random() < 0.5:
        ask = pick(
            rng,
            [
                "How do you write {w} in digits?",
                "Write {w} as a digit.",
                "Write the number {w} with digits.",
                "{W} in digits?",
            ],
        )
        return Exchange(
            "digits",
            ask.format(w=NUMBERS[n], W=capital(NUMBERS[n])),
            f"{capital(NUMBERS[n])} is {n}.",
            (str(n),),
            f"{n}.",
        )
    ask = pick(
        rng, ["How do you say {n} in words?", "Write {n} as a word.", "What is {n} in words?"]
    ).format(n=n)
    return Exchange(
        "digits", ask, f"{n} is {NUMBERS[n]}.", (NUMBERS[n],), capital(NUMBERS[n]) + "."
    )


def story_sum(rng: random.Random) -> Exchange:
    name, thing = pick(rng, WORDS["names"]), pick(rng, WORDS["foods"] + WORDS["nouns"][:30])
    a, b = rng.randint(2, 9), rng.randint(1, 9)
    more = rng.random() < 0.5 or b >= a
    act = (
        pick(rng, ["gets", "finds", "buys"])
        if more
        else pick(rng, ["loses", "sells", "gives away"])
    )
    total = a + b if more else a - b
    things, by = plural(thing), NUMBERS[b] + (" more" if more else "")
    ask = (
        f"{name} has {NUMBERS[a]} {things} and {act} {by}. How many {things} does {name} have now?"
    )
    word = things if total != 1 else thing
    return Exchange(
        "story_sum",
        ask,
        f"{name} has {NUMBERS[total]} {word} now.",
        (f"has {NUMBERS[total]} ",),
        capital(NUMBERS[total]) + ".",
    )


def word_feeling(rng: random.Random) -> Exchange:
    good = [
        "lovely",
        "great",
        "wonderful",
        "fine",
        "nice",
        "perfect",
        "kind",
        "fresh",
        "beautiful",
        "excellent",
        "friendly",
        "delicious",
        "helpful",
        "polite",
        "tasty",
        "clean",
    ]
    bad = [
        "terrible",
        "awful",
        "broken",
        "ugly",
        "horrible",
        "dirty",
        "rude",
        "nasty",
        "useless",
        "boring",
        "slow",
        "unfriendly",
        "lazy",
        "loud",
    ]
    word = pick(rng, good + bad)
    mood = "good" if word in good else "bad"
    ask = pick(
        rng,
        [
            "Is {w} a good word or a bad word?",
            "Does {w} mean something good or bad?",
            "Good or bad: {w}?",
        ],
    ).format(w=word)
    return Exchange(
        "mood_word", ask, f"{capital(word)} is a {mood} word.", (mood,), capital(mood) + "."
    )


def pick_kind(rng: random.Random) -> Exchange:
    kind = pick(rng, list(WORDS["categories"]))
    right = pick(rng, WORDS["categories"][kind])
    others = [
        pick(rng, members)
        for k, members in WORDS["categories"].items()
        if right not in members and k != kind
    ]
    words = [right, *some(rng, others, 2, 3)]
    rng.shuffle(words)
    ask = pick(rng, ["Which of these is {k}: {w}?", "Find the {n}: {w}.", "{w}. Which one is {k}?"])
    return Exchange(
        "pick_kind",
        ask.format(k=an(kind), n=kind, w=", ".join(words)),
        f"{capital(one_of(kind, right))} is {an(kind)}.",
        (right,),
        capital(right) + ".",
    )


FACTS = {
    fact: 26,
    opposite: 3,
    many: 3,
    past: 3,
    rhyme: 2,
    kind_of: 4,
    compare: 4,
    order_of: 3,
    sequence: 3,
    neighbour: 3,
    add: 4,
    digit_word: 3,
    story_sum: 2,
    word_feeling: 2,
    pick_kind: 3,
}
