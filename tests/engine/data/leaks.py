"""Made-up data in which held-out rows would say what training rows say, each in a way of its own.

A builder returns rows, and for each the substance that it has in common with others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

SENTENCES = {
    "complaint": (
        "My shoes fell apart after one day and nobody helps",
        "The parcel never arrived at my house",
        "I was charged twice for the same jacket",
        "Your driver was rude to my mother",
        "The colour is different from the picture",
        "The zipper broke the first time I used it",
        "My order is missing two cups",
        "The soup bowls came broken again",
    ),
    "praise": (
        "I love the new lamp in my kitchen",
        "Great service, I will buy here again",
        "The chair arrived early and looks wonderful",
        "Best coffee machine I have ever owned",
        "The staff solved my problem in two minutes",
        "The blanket is soft and warm",
        "Thank you for the quick refund",
        "Everything fits and the price was fair",
    ),
    "question": (
        "Where can I see my invoices",
        "How do I change my delivery address",
        "Which sizes do you have for children",
        "Can I pay with a gift card",
        "When does the summer sale begin",
        "Do you ship to Norway",
        "Is the blue vase still available",
        "How long does the battery last",
    ),
}
TICKETS = [(text, label) for label, texts in SENTENCES.items() for text in texts]
GREETINGS = (
    "", "Hello, ", "Hi there! ", "Good morning, ", "Dear team, ", "Hey ", "Hi all, ",
    "To whom it may concern: ", "Greetings. ", "Good day to you, ",
)  # fmt: skip
GLUED = (
    "hello team ", "hi there ", "good morning everybody ", "hey guys ", "dear shop ", "ok so ",
    "excuse me ", "yo ", "please help ", "sorry to ask again ",
)  # fmt: skip
SIGNATURES = (
    "\nBest regards, Anna", "\nThanks, Bob", "\nCheers", "\nKind regards, the Millers",
    " Thank you.", " Bye!", "\nSent from my phone",
)  # fmt: skip
NAMES = [
    "Leo", "Finn", "Anna", "Ivy", "Otto", "Nina", "Carl", "Sara", "Felix", "Julia", "Clara",
    "Ned", "Eva", "Helen",
]  # fmt: skip
THINGS = [
    "cups", "jars", "towels", "pots", "clocks", "cards", "flags", "mirrors", "wheels", "desks",
    "pillows", "muffins",
]  # fmt: skip
TEMPLATES = (
    "My name is {} and I want {} as soon as you can",
    "Please send {} a box with {} today",
    "Could {} get the {} until the end of the week",
    "This is {} calling about my {} from last week",
    "For {} we need to reserve some {} at the counter",
    "Put {} on the list for {} please",
    "Can you tell {} when the {} will arrive",
    "We promised {} that the {} are ready",
    "Note that {} has returned {} yesterday",
    "Yesterday {} paid for {} in cash",
    "Does {} know that the {} are sold out",
    "I think {} still waits for his {} from March",
)
FACTS = {
    "Our shop closes at six o'clock in the evening.": (
        "When do you close?", "How late are you open?", "At what hour do the doors shut?",
        "Until when may I come in?",
    ),
    "Every order comes with a free candle.": (
        "Is there a present?", "What do I get for nothing?", "Any extras in the box?",
        "Do you add something?",
    ),
    "You can send things back within forty days.": (
        "How long may I think about it?", "What if I do not like it?", "Is a return possible?",
        "Until when can I give it back?",
    ),
    "Otto repairs all broken things in the cellar.": (
        "Who mends a radio?", "My lamp is dead. Help?", "Where do I bring a torn bag?",
        "Can somebody fix this?",
    ),
    "Please write to Nina with your order number.": (
        "My box got lost.", "Nothing came so far!", "Where does my delivery hide?",
        "I still wait for it.",
    ),
    "The warranty lasts seven years for everything.": (
        "What if it breaks next winter?", "Is there some guarantee?", "How safe is my money?",
        "Who pays if it stops?",
    ),
    "Children get a discount of two coins.": (
        "Is it cheaper for my son?", "What about kids?", "My daughter is nine. Less to pay?",
        "Do you have a family price?",
    ),
    "We deliver on Mondays and on Thursdays only.": (
        "Which days does the van come?", "Can you bring it on Tuesday?",
        "When will somebody ring?", "On what day do you drive?",
    ),
    "The shop takes cards, coins and vouchers.": (
        "How may I pay?", "Is cash fine?", "Do you like plastic money?",
        "What is accepted at the till?",
    ),
    "All lamps are made in a village near the sea.": (
        "Where do they come from?", "Who builds your lights?", "Is it local work?",
        "Tell me about the makers.",
    ),
}  # fmt: skip
STORY = (
    "The old lighthouse keeper climbed the stairs every evening before the storm.",
    "His daughter painted small boats on the white walls of the kitchen.",
    "In winter no ship could reach the island for many weeks.",
    "They ate dried fish and read the same three books aloud.",
    "One night a green light answered from the dark water.",
    "Nobody in the village believed what the girl had seen there.",
    "She took the red lantern and rowed out beyond the rocks.",
    "Behind the fog lay a ship without any sail or crew.",
    "A parrot on deck asked her for the name of the king.",
    "She laughed and told it that kings had ended long ago.",
    "The bird thought for a while and then began to sing.",
    "At dawn the waves carried both of them safely home.",
)


Made = Iterator[tuple[dict[str, Any], object]]


class Leak(NamedTuple):
    title: str
    build: Callable[[random.Random], Made]
    missed: float = 0.15  # share of the held-out rows that may still have their like in training


def _labelled(
    texts: Callable[[str], list[str]],
) -> Callable[..., Made]:
    """Each sentence in several forms, with its label."""

    def build(_: random.Random) -> Made:
        for sentence, label in TICKETS:
            for text in texts(sentence):
                yield {"text": text, "label": label}, sentence

    return build


def _unlabelled(
    texts: Callable[[str], list[str]],
) -> Callable[..., Made]:
    def build(_: random.Random) -> Made:
        for sentence, _label in TICKETS:
            for text in texts(sentence):
                yield {"text": text}, sentence

    return build


def _slots(chance: random.Random) -> Made:
    for template in TEMPLATES:
        for _ in range(25):
            name, thing = chance.choice(NAMES), chance.choice(THINGS)
            answer = f'{{"name": "{name}", "item": "{thing}"}}'
            yield {"prompt": template.format(name, thing), "completion": answer}, template


def _several_answers(chance: random.Random) -> Made:
    for at, (sentence, _) in enumerate(TICKETS):
        for word in chance.sample(NAMES, 8):
            answer = f"{word} says: {' '.join(chance.sample(THINGS, 4))} number {at}."
            yield {"question": f"{sentence}?", "answer": answer}, sentence


def _same_answers(_: random.Random) -> Made:
    for answer, questions in FACTS.items():
        for number, question in enumerate(questions):
            said = answer if number % 2 else f"Of course! {answer}"
            yield {"question": question, "answer": said}, answer


def _reordered(chance: random.Random) -> Made:
    for sentence, label in TICKETS:
        words = sentence.split()
        for number in range(6):
            chance.shuffle(words)
            text = " ".join(words)
            yield (
                {"text": (text.upper(), text + "!!", f"({text})")[number % 3], "label": label},
                sentence,
            )


def _conversations(chance: random.Random) -> Made:
    for number in range(30):
        words = chance.sample([*NAMES, *THINGS], 12)
        for turn in range(4):
            asked, said = words[3 * turn : 3 * turn + 2], words[3 * turn + 2]
            yield (
                {
                    "conversation_id": f"c-{number:03}",
                    "question": f"{asked[0]} {number * 7 + turn}?",
                    "answer": f"{said} {asked[1]} {turn * 31 + number}",
                },
                number,
            )


def _growing_threads(chance: random.Random) -> Made:
    """A conversation, row after row with one more question and answer."""
    for start in range(24):
        turns: list[dict[str, str]] = []
        for _ in range(4):
            said = [" ".join(chance.sample([*NAMES, *THINGS], 7)) for _ in range(2)]
            turns = [*turns, {"role": "user", "content": f"{said[0]} {start}?"},
                     {"role": "assistant", "content": f"{said[1]}."}]  # fmt: skip
            yield {"messages": turns}, start


def _windows(_: random.Random) -> Made:
    """Pieces of one text that lie over one another, beside rows that are unlike them."""
    for start in range(len(STORY) - 2):
        yield {"text": " ".join(STORY[start : start + 3])}, "story"
    for number in range(70):
        chance = random.Random(number)
        yield {"text": " ".join(chance.sample(NAMES, 8)) + f" {number}."}, number


def _reworded(chance: random.Random) -> Made:
    """A word more, a word less, a word changed; with a greeting and a signature around it."""
    for sentence, label in TICKETS:
        for _ in range(8):
            words = sentence.split()
            words.insert(chance.randrange(len(words)), chance.choice(("really", "now", "just")))
            words[chance.randrange(len(words))] = chance.choice(("thing", "it", "that"))
            text = chance.choice(GREETINGS) + " ".join(words) + chance.choice(SIGNATURES)
            yield {"text": text, "label": label}, sentence


def _greeted(text: str) -> list[str]:
    return [one + text for one in GREETINGS]


def _glued(text: str) -> list[str]:
    return [one + text.lower() for one in GLUED]


def _signed(text: str) -> list[str]:
    return [text + one for one in SIGNATURES]


def _numbered(text: str) -> list[str]:
    return [f"Ticket {37 * len(text) + 11 * number}: {text}" for number in range(9)]


LEAKS = [
    Leak("greetings before labelled sentences", _labelled(_greeted)),
    Leak("greetings without punctuation", _unlabelled(_glued)),
    Leak("signatures", _labelled(_signed)),
    Leak("numbered titles", _labelled(_numbered)),
    Leak("templates with slots", _slots, missed=0.2),
    Leak("one question, several answers", _several_answers),
    Leak("one answer, several questions", _same_answers),
    Leak("other order, case and punctuation", _reordered),
    Leak("conversations by their number", _conversations),
    Leak("threads that grow", _growing_threads),
    Leak("overlapping parts of one text", _windows),
    Leak("reworded, greeted and signed", _reworded, missed=0.6),  # and what is missed is said
]
PAIRS = (
    ("Where is the station?", "Wo befindet sich der Bahnhof?"),
    ("The soup is too cold.", "Die Suppe ist nicht warm genug."),
    ("I lost my keys.", "Mein Schlüssel ist weg."),
    ("When do you open?", "Ab wann habt ihr auf?"),
    ("She plays the violin.", "Geige ist ihr Instrument."),
    ("Bread costs two coins.", "Für Brot zahlt man zwei Münzen."),
)
