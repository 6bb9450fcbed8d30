"""Short stories, told on request or given to be asked about."""

import random

from .base import WORDS, Exchange, an, capital, pick, table

ANIMALS = [row["name"] for row in table("animal") + table("quiet") if row["name"] not in ("fly",)]
FRIENDS = ["friend", "brother", "sister", "mother", "father", "grandmother", "uncle", "aunt", "neighbour", "cousin"]
Story = tuple[str, list[tuple[str, str, str]]]


def scene(rng: random.Random, hero: str | None = None) -> dict[str, str]:
    animal = hero or pick(rng, ANIMALS)
    places, names = rng.sample(WORDS["places"], 2), rng.sample(WORDS["names"], 2)
    return {"animal": animal, "name": names[0], "other": names[1], "friend": pick(rng, FRIENDS), "thing": pick(rng, WORDS["nouns"]),
            "food": pick(rng, WORDS["foods"]), "colour": pick(rng, WORDS["colours"]), "place": places[0], "place2": places[1],
            "day": pick(rng, WORDS["days"]), "feel": pick(rng, ["sad", "tired", "hungry", "lonely", "afraid", "cold"]),
            "glad": pick(rng, ["happy", "glad", "proud", "calm", "excited"]), "n": pick(rng, WORDS["numbers"][2:11]),
            "size": pick(rng, ["small", "big", "old", "young", "little"]), "town": pick(rng, WORDS["towns"]),
            "good": pick(rng, ["lovely", "great", "wonderful", "nice", "perfect", "excellent", "beautiful"]),
            "bad": pick(rng, ["terrible", "awful", "broken", "ugly", "horrible", "useless", "boring"])}


PLOTS: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "lost": ("{name} had {a_colour} {thing}. One day {name} lost the {thing} in the {place}. {name} was {feel}. Then {a_animal} came and found the {thing} "
             "near the {place2}. {name} was {glad} again and gave the {animal} {a_food}.",
             [("What did {name} lose?", "{name} lost the {thing}.", "{thing}"), ("Who found the {thing}?", "The {animal} found the {thing}.", "{animal}"),
              ("What colour was the {thing}?", "The {thing} was {colour}.", "{colour}"), ("What did the {animal} get?", "The {animal} got {a_food}.", "{food}")]),
    "walk": ("Once there was {a_size} {animal}. It lived near the {place}. On {day} it walked to the {place2} and met {name}. {name} had {n} {food} seeds "
             "and gave them to the {animal}. The {animal} was {glad}. From that day on they were friends.",
             [("Who did the {animal} meet?", "The {animal} met {name}.", "{name}"), ("Where did the {animal} live?", "It lived near the {place}.", "{place}"),
              ("When did it walk to the {place2}?", "It was on {day}.", "{day}"), ("How was the {animal} in the end?", "The {animal} was {glad}.", "{glad}")]),
    "shop": ("{name} has a little shop in {town}. A customer called {other} came on {day} and wanted {a_thing}. The price was {n} coins. {other} paid, "
             "took the receipt and went home. At home the {thing} was {bad}, so {other} brought it back and got a refund.",
             [("Where is the shop?", "The shop is in {town}.", "{town}"), ("What did {other} want?", "{other} wanted {a_thing}.", "{thing}"),
              ("What was the price?", "The price was {n} coins.", "{n}"), ("Who has a shop?", "{name} has a shop.", "{name}")]),
    "order": ("{name} ordered {a_colour} {thing} from a shop in {town}. The parcel came on {day}. {name} opened it and said, \"This {thing} is {good}!\" "
              "Then {name} wrote a review and told {other} about it.",
              [("What did {name} order?", "{name} ordered {a_colour} {thing}.", "{thing}"), ("When did the parcel come?", "It came on {day}.", "{day}"),
               ("What did {name} say about it?", "{name} said that it is {good}.", "{good}"), ("Who heard about it?", "{other} heard about it.", "{other}")]),
    "ship": ("Captain {name} had {a_colour} ship with {n} sailors. They sailed over the sea to a far island. There they looked for treasure. {A_size} parrot "
             "said \"Ahoy!\" and showed them a chest. In the chest was {a_thing}. \"Aye,\" said the captain, \"that is {good}.\"",
             [("Who was the captain?", "The captain was {name}.", "{name}"), ("What was in the chest?", "In the chest was {a_thing}.", "{thing}"),
              ("What colour was the ship?", "The ship was {colour}.", "{colour}"), ("How many sailors were there?", "There were {n} sailors.", "{n}")]),
    "bake": ("It was {day}. {name} wanted to bake a {food} cake for the {friend}. There was no flour in the house, so {name} went to the {place}. {other} had "
             "flour and said, \"Take it, please.\" The cake was {good}, and everybody was {glad}.",
             [("What did {name} want to bake?", "{name} wanted to bake a {food} cake.", "{food} cake"), ("Who had flour?", "{other} had flour.", "{other}"),
              ("For whom was the cake?", "The cake was for the {friend}.", "{friend}"), ("How was the cake?", "The cake was {good}.", "{good}")]),
    "storm": ("There was a storm in {town}. The {size} {animal} was {feel} and hid in the {place}. {name} heard it and came with {a_thing}. \"Do not be afraid,\" "
              "said {name}. In the morning the sun came out and the {animal} went home.",
              [("Where was the storm?", "The storm was in {town}.", "{town}"), ("Who came with {a_thing}?", "{name} came with {a_thing}.", "{name}"),
               ("Where did the {animal} hide?", "It hid in the {place}.", "{place}"), ("How was the {animal}?", "The {animal} was {feel}.", "{feel}")]),
    "gift": ("Tomorrow is the birthday of {other}. {name} went to the {place} to look for a gift. The first gift was {bad} and cost too much. The second was "
             "{a_colour} {thing} for {n} coins. {name} bought it. {other} said, \"Thank you, it is {good}!\"",
             [("What did {name} buy?", "{name} bought {a_colour} {thing}.", "{thing}"), ("Whose birthday is it?", "It is the birthday of {other}.", "{other}"),
              ("Where did {name} look for a gift?", "{name} looked in the {place}.", "{place}"), ("How much did it cost?", "It cost {n} coins.", "{n}")]),
}


def tell(rng: random.Random, hero: str | None = None, plots: list[str] | None = None) -> Story:
    parts = scene(rng, hero)
    parts |= {f"a_{key}": an(value) for key, value in parts.items()}
    parts["A_size"] = capital(parts["a_size"])
    text, questions = PLOTS[pick(rng, plots or list(PLOTS))]
    return text.format(**parts), [(a.format(**parts), b.format(**parts), c.format(**parts)) for a, b, c in questions]


def story(rng: random.Random) -> Exchange:
    if rng.random() < 0.3:
        return Exchange("story", pick(rng, ["Tell me a story.", "Can you tell me a story?", "I want to hear a story.", "A story, please."]), tell(rng)[0])
    hero = pick(rng, ANIMALS)
    ask = pick(rng, ["Tell me a story about {a}.", "Do you know a story about {a}?", "Please tell a short story about {a}.", "I want a story with {a} in it."])
    return Exchange("story", ask.format(a=an(hero)), tell(rng, hero, ["lost", "walk", "storm"])[0])


def reading(rng: random.Random) -> Exchange:
    text, questions = tell(rng)
    ask, reply, check = pick(rng, questions)
    whole = f"{text} {ask}" if rng.random() < 0.6 else f"{text}\n{ask}"
    return Exchange("reading", whole, reply, (check,), capital(check) + ".")


def reading_twice(rng: random.Random) -> list[Exchange]:
    text, questions = tell(rng)
    chosen = rng.sample(questions, 2)
    lead = pick(rng, ["Here is a story. ", "Read this: ", "Listen. "])
    first = Exchange("reading", f"{lead}{text} {chosen[0][0]}", chosen[0][1], (chosen[0][2],), capital(chosen[0][2]) + ".")
    return [first, Exchange("reading", chosen[1][0], chosen[1][1])]
