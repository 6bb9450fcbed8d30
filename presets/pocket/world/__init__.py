"""The pocket world: an endless supply of conversations about a small world, all written by rules
and word lists.

`conversation(rng)` is a pure function of its random generator. It never yields a question that is
held out.
"""

import random
from collections.abc import Callable

from .base import Exchange, pick
from .copying import COPYING
from .facts import FACTS
from .stories import reading, reading_twice, story
from .talk import TALK, memory

Message = dict[str, str]
Writer = Callable[[random.Random], Exchange]
GROUPS: list[tuple[float, dict[Writer, int]]] = [
    (0.42, FACTS),
    (0.34, COPYING),
    (0.14, TALK),
    (0.10, {story: 4, reading: 6}),
]
SYSTEM_PLAIN = [
    "You are a small helper.",
    "You are Pip, a small language model.",
    "Be kind and answer well.",
    "You talk with a friend.",
    "Answer the user.",
    "Help the user.",
]
SYSTEM_SHORT = [
    "Answer with one word.",
    "Answer in as few words as you can.",
    "Give short answers.",
    "Be very short.",
]
ASK_SHORT = [" Answer with one word.", " Just the answer, please.", " Be short."]
# families whose question is a text of its own, where "please tell me" or small letters would be
# wrong
PASSAGES = {
    "reading",
    "pick_out",
    "slots",
    "invented",
    "note",
    "note_keys",
    "place_of",
    "after_word",
    "missing",
}
PASSAGES |= {"name", "memory", "feeling"}
CONTRACTIONS = [
    ("What is", "What's"),
    ("I am", "I'm"),
    ("do not", "don't"),
    ("It is", "It's"),
    ("Who is", "Who's"),
]
POLITE = [
    "Please tell me: {q}",
    "Tell me, {q}",
    "I have a question. {q}",
    "{q} Please tell me.",
    "Hello! {q}",
    "Hi. {q}",
    "Pip, {q}",
    "{q} Thank you.",
]


def exchange(rng: random.Random) -> Exchange:
    group = rng.choices([g for _, g in GROUPS], [share for share, _ in GROUPS])[0]
    return rng.choices(list(group), list(group.values()))[0](rng)


def exchange_to_train(rng: random.Random) -> Exchange:
    while (found := exchange(rng)).held_out:
        pass
    return found


def _messages(rng: random.Random, turn: Exchange, short: bool) -> list[Message]:
    """A question and its reply; the question is sometimes put politely, sloppily or with a wish for
    few words.
    """
    ask, reply = turn.ask, turn.reply
    single = len(ask) < 70 and "\n" not in ask and turn.family not in PASSAGES
    plain = bool(turn.check) and single and turn.short != reply
    if short and turn.short:
        reply = turn.short
    elif plain and turn.short and rng.random() < 0.06:
        ask, reply = ask + pick(rng, ASK_SHORT), turn.short
    elif plain and rng.random() < 0.12:
        ask = pick(rng, POLITE).format(q=ask)
    elif plain and rng.random() < 0.05:
        ask = ask.lower().rstrip(".?!")
    if plain and rng.random() < 0.06:
        for long, brief in CONTRACTIONS:
            ask = ask.replace(long, brief)
    return [{"role": "user", "content": ask}, {"role": "assistant", "content": reply}]


def _turns(rng: random.Random) -> list[Exchange]:
    draw = rng.random()
    if draw < 0.06:
        told, asked = memory(rng)
        between = [exchange_to_train(rng) for _ in range(rng.randint(0, 2))]
        return [told, *between, asked]
    if draw < 0.09:
        told, asked = reading_twice(rng)
        return [exchange_to_train(rng)] if told.held_out else [told, asked]
    return [
        exchange_to_train(rng) for _ in range(rng.choices([1, 2, 3, 4, 9], [58, 22, 12, 6, 2])[0])
    ]


def conversation(rng: random.Random) -> list[Message]:
    turns = _turns(rng)
    system, short = "", False
    if rng.random() < 0.14:
        short = rng.random() < 0.35
        system = pick(rng, SYSTEM_SHORT if short else SYSTEM_PLAIN)
    messages = [{"role": "system", "content": system}] if system else []
    for turn in turns:
        messages += _messages(rng, turn, short)
    return messages


def held_out(count: int, seed: int = 7) -> list[Exchange]:
    """The exam: questions with a checkable answer that training never sees, spread evenly over the
    families.
    """
    rng = random.Random(seed)
    by_family: dict[str, dict[str, Exchange]] = {}
    for _ in range(60_000):
        turn = exchange(rng)
        if turn.held_out:
            by_family.setdefault(turn.family, {})[turn.ask] = turn
    exam: list[Exchange] = []
    queues = [list(by_family[name].values()) for name in sorted(by_family)]
    while len(exam) < count and any(queues):
        for queue in queues:
            if queue and len(exam) < count:
                exam.append(queue.pop())
    return exam


__all__ = ["Exchange", "Message", "conversation", "exchange", "held_out"]
