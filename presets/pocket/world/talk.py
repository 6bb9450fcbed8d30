"""Small talk: greetings, names, feelings, likes, thanks, goodbye, and the honest reply to what it
cannot know.
"""

import random

from .base import WORDS, Exchange, an, capital, pick

UNKNOWN_REPLY = "I do not know that. I only know small things."


def greeting(rng: random.Random) -> Exchange:
    time = pick(rng, ["morning", "evening", "afternoon"])
    ask, reply = pick(
        rng,
        [
            ("Hello!", "Hello! How are you today?"),
            ("Hi!", "Hi! How are you today?"),
            ("Hi there.", "Hi! How are you today?"),
            (f"Good {time}!", f"Good {time}! How are you?"),
            (f"Good {time}.", f"Good {time}! How are you?"),
            ("Hello, how are you?", "I am fine, thank you. And you?"),
            ("How are you?", "I am fine, thank you. And you?"),
            ("How are you today?", "I am well, thank you. And you?"),
            ("Hey!", "Hi! How are you today?"),
            ("Nice to meet you.", "Nice to meet you too."),
        ],
    )
    return Exchange("greeting", ask, reply)


def name_given(rng: random.Random) -> Exchange:
    name = pick(rng, WORDS["names"])
    ask = pick(
        rng,
        [
            "My name is {n}.",
            "Hello, I am {n}.",
            "I am called {n}.",
            "Hi, my name is {n}.",
            "You can call me {n}.",
            "{n} is my name.",
        ],
    )
    return Exchange(
        "name",
        ask.format(n=name),
        pick(rng, ["Hello, {n}! Nice to meet you.", "Nice to meet you, {n}."]).format(n=name),
        (name,),
    )


def thanks(rng: random.Random) -> Exchange:
    ask, reply = pick(
        rng,
        [
            ("Thank you.", "You are welcome."),
            ("Thanks!", "You are welcome."),
            ("Thank you very much.", "You are welcome."),
            ("Good, thanks.", "You are welcome."),
            ("Thanks for your help.", "You are welcome. I like to help."),
        ],
    )
    return Exchange("thanks", ask, reply)


def goodbye(rng: random.Random) -> Exchange:
    ask, reply = pick(
        rng,
        [
            ("Goodbye.", "Goodbye! See you soon."),
            ("Bye!", "Goodbye! See you soon."),
            ("Good night.", "Good night! Sleep well."),
            ("See you tomorrow.", "See you tomorrow!"),
            ("I have to go now.", "Goodbye! See you soon."),
        ],
    )
    return Exchange("goodbye", ask, reply)


def about_me(rng: random.Random) -> Exchange:
    """Asked in one way each, so none of these may be held out: they carry nothing to check."""
    ask, reply = pick(
        rng,
        [
            ("What is your name?", "My name is Pip."),
            ("Who are you?", "I am Pip, a small language model."),
            ("What are you?", "I am a small language model. I know small things."),
            ("How old are you?", "I am very young."),
            ("Are you a person?", "No, I am a small language model."),
            ("What can you do?", "I can talk about small things and tell short stories."),
            ("Where do you live?", "I live in this computer."),
            ("Do you sleep?", "No, I do not sleep."),
            ("Tell me about you.", "I am Pip, a small language model."),
            ("Can you help me?", "Yes, I like to help. What do you need?"),
        ],
    )
    return Exchange("about_me", ask, reply)


def feeling(rng: random.Random) -> Exchange:
    good = ["happy", "proud", "glad", "excited", "calm"]
    mood = pick(rng, good)
    thing = pick(rng, WORDS["nouns"] + WORDS["foods"])
    nice = pick(
        rng,
        [
            "lovely",
            "great",
            "wonderful",
            "nice",
            "perfect",
            "excellent",
            "beautiful",
            "very good",
            "fine",
        ],
    )
    poor = pick(
        rng,
        [
            "terrible",
            "awful",
            "broken",
            "ugly",
            "horrible",
            "too small",
            "useless",
            "boring",
            "dirty",
            "very bad",
        ],
    )
    who = pick(rng, ["I", *WORDS["names"][:20]])
    ask, reply = pick(
        rng,
        [
            (f"I am {mood} today.", "That is good to hear."),
            (f"My {thing} is {nice}.", "That is good to hear."),
            (f"My {thing} is {poor}.", "Oh, I am sorry to hear that."),
            (f"{who} got a new {thing}. It is {nice}.", "That is good to hear."),
            (f"{who} got a new {thing}. It is {poor}.", "Oh, I am sorry to hear that."),
            (f"{who} lost the {thing}.", "Oh, I am sorry to hear that."),
            (f"The {thing} was {nice} and everybody liked it.", "That is good to hear."),
            (f"The {thing} was {poor} and nobody liked it.", "Oh, I am sorry to hear that."),
            (f"I love my {thing}.", "That is good to hear."),
            (f"I do not like this {thing}.", "Oh, I am sorry to hear that."),
            (f"The {thing} came late and it was {poor}.", "Oh, I am sorry to hear that."),
            (f"The {thing} came early and it was {nice}.", "That is good to hear."),
        ],
    )
    return Exchange("feeling", ask, reply, (reply.split()[-1].strip("."),) if who == "I" else ())


def liking(rng: random.Random) -> Exchange:
    thing = pick(rng, WORDS["likes"])
    ask, reply = pick(
        rng,
        [
            ("Do you like {t}?", "Yes, I like {t}. Do you like {t} too?"),
            ("I like {t}.", "I like {t} too."),
            ("What do you think of {t}?", "I like {t}."),
            ("I do not like {t}.", "That is all right. What do you like?"),
            ("I love {t}!", "I like {t} too."),
        ],
    )
    return Exchange(
        "liking", ask.format(t=thing), reply.format(t=thing), (thing,) if "{t}" in reply else ()
    )


def unknown(rng: random.Random) -> Exchange:
    if rng.random() < 0.2:
        return Exchange("unknown", pick(rng, WORDS["requests"]), UNKNOWN_REPLY, ("do not know",))
    topic = pick(rng, WORDS["unknown"])
    ask = pick(
        rng,
        [
            "Tell me about {t}.",
            "What do you know about {t}?",
            "Can you explain {t}?",
            "Do you know {t}?",
            "I have a question about {t}.",
            "What is {t}?",
            "Explain {t} to me.",
            "Please write about {t}.",
            "How about {t}?",
        ],
    )
    return Exchange("unknown", ask.format(t=topic), UNKNOWN_REPLY, ("do not know",))


def who_did(rng: random.Random) -> Exchange:
    town, year = pick(rng, WORDS["towns"]), rng.randint(1000, 2030)
    ask = pick(
        rng,
        [
            "Who was the king of {t} in {y}?",
            "How far is it to {t}?",
            "How many people live in {t}?",
            "What happened in {y}?",
            "When was {t} built?",
            "Where is {t}?",
            "What is {y} times {z}?",
        ],
    )
    return Exchange(
        "unknown",
        ask.format(t=town, y=year, z=rng.randint(12, 99)),
        UNKNOWN_REPLY,
        ("do not know",),
    )


def memory(rng: random.Random) -> list[Exchange]:
    """The user tells a thing and asks for it later."""
    name, friend, thing, colour = (
        pick(rng, WORDS["names"]),
        pick(rng, WORDS["names"]),
        pick(rng, WORDS["nouns"]),
        pick(rng, WORDS["colours"]),
    )
    town, age, animal = (
        pick(rng, WORDS["towns"]),
        pick(rng, WORDS["numbers"][5:]),
        pick(rng, ["dog", "cat", "horse", "mouse", "parrot", "rabbit", "goat"]),
    )
    told, answer, ask, reply = pick(
        rng,
        [
            (
                f"My name is {name}.",
                f"Hello, {name}! Nice to meet you.",
                "What is my name?",
                f"Your name is {name}.",
            ),
            (f"I am {name}.", f"Nice to meet you, {name}.", "Who am I?", f"You are {name}."),
            (
                f"I live in {town}.",
                f"{town} sounds nice.",
                "Where do I live?",
                f"You live in {town}.",
            ),
            (
                f"I am {age} years old.",
                f"{capital(age)} is a good age.",
                "How old am I?",
                f"You are {age} years old.",
            ),
            (
                f"I have {an(animal)} called {friend}.",
                f"{friend} is a nice name for {an(animal)}.",
                f"What is my {animal} called?",
                f"Your {animal} is called {friend}.",
            ),
            (
                f"My favourite colour is {colour}.",
                f"{capital(colour)} is a nice colour.",
                "What is my favourite colour?",
                f"Your favourite colour is {colour}.",
            ),
            (
                f"I have a {colour} {thing}.",
                f"A {colour} {thing} sounds nice.",
                f"What colour is my {thing}?",
                f"Your {thing} is {colour}.",
            ),
            (
                f"My friend is called {friend}.",
                f"{friend} is a nice name.",
                "What is my friend called?",
                f"Your friend is called {friend}.",
            ),
        ],
    )
    return [Exchange("memory", told, answer), Exchange("memory", ask, reply)]


TALK = {
    greeting: 5,
    name_given: 3,
    thanks: 3,
    goodbye: 3,
    about_me: 3,
    feeling: 5,
    liking: 4,
    unknown: 5,
    who_did: 2,
}
