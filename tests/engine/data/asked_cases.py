"""Inputs that have to be asked about, or whose columns overlap: as ``malformed.CASES``."""

from __future__ import annotations

import json
from typing import Any

from engine.data.quality.findings import Finding
from tests.engine.data.malformed import GOOD, Case, one

KINDS = ("a", "b", "c")
VERDICTS = ("accept", "accept", "reject", "accept", "accept", "ignore")


def with_fields(*fields: dict[str, Any]) -> str:
    """Good rows as JSON lines, with one of these dicts of more fields each, in turn."""
    return "\n".join(json.dumps(row | fields[n % len(fields)]) for n, row in enumerate(GOOD))


def foreign(columns: str) -> str:
    lines = (f"{KINDS[n % 2]};{row['prompt']};{row['completion']}" for n, row in enumerate(GOOD))
    return f"{columns}\n" + "\n".join(lines)


def compared(question: str) -> str:
    """A row of a preference table whose prompt is this, and whose conversations ask for 'a'."""
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    other = [turns[0], {"role": "assistant", "content": "c"}]
    return json.dumps({"prompt": question, "chosen": turns, "rejected": other})


def preferences(*odd: str) -> str:
    good = ({"prompt": row["prompt"], "chosen": row["completion"], "rejected": f"No, {n}."}
            for n, row in enumerate(GOOD))  # fmt: skip
    return "\n".join([*map(json.dumps, good), *odd])


def answers(*texts: str) -> str:
    nested = [{"question": row["prompt"], "answers": {"text": [row["completion"]]}} for row in GOOD]
    odd = [{"question": text, "answers": {"text": []}} for text in texts]
    return "\n".join(map(json.dumps, [*nested, *odd]))


ASKED = [
    Case(37, "Category, question and answer under foreign names",
         one("a.csv", foreign("Kategorie;Frage;Antwort")),
         "asked", ("Which column is which", "Two readings are possible", "'Frage'"), 12),
    Case(37, "A text and a second text",
         one("a.jsonl", "\n".join(json.dumps({"text": row["prompt"], "note": row["completion"]})
                                  for row in GOOD)),
         "asked", ("Which column is which", "could be a label or an answer"), 12),
    Case(38, "An annotation tool's verdict",
         one("a.jsonl", with_fields(*({"verdict": one} for one in VERDICTS))),
         "asked", ("Does 'verdict' say which rows are good", "accept (8)"), 8),
    Case(38, "A mark under an unknown name",
         one("a.jsonl", with_fields({"Urteil": "gut"}, {"Urteil": "schlecht"})),
         "asked", ("'Urteil' says whether the answer is good", "Two readings"), 12),
    Case(38, "A column that repeats beside the texts",
         one("a.jsonl", with_fields({"has_code": True}, {"has_code": False})),
         "noted", ("'has_code' repeats with 2 values", "does not matter"), 12),
    Case(38, "A score of each row",
         one("a.jsonl", with_fields(*({"quality": n / 7} for n in range(1, 12)))),
         "noted", ("'quality' may say how good a row is", "from 0.142857 to 1.57143"), 12),
    Case(39, "A prompt that is not what the answers were given to",
         one("a.jsonl", preferences(compared("z"))),
         "fix", ("Row 13", "not the one that the conversation of its answer has"), 12),
    Case(39, "A prompt that ends with the answer",
         one("a.jsonl", "\n".join(json.dumps(row | {"prompt": f"{row['prompt']} "
                                                    f"{row['completion']}"}) for row in GOOD)),
         "asked", ("'prompt' ends with the answer", "cannot be the question"), 12),
    Case(40, "A nested answer that one row lacks", one("a.jsonl", answers("Who?")),
         "fix", ("Row 13", "no answer: the field 'answers.text[0]' is empty"), 12),
    Case(41, "A history that is no list",
         one("a.jsonl", with_fields({"history": []}) + "\n" + json.dumps(
             {"prompt": "a", "completion": "b", "history": "Some notes."})),
         "fix", ("Row 13", "earlier turns are neither a list nor a text"), 12),
]  # fmt: skip


def answer_to(stops: list[Finding]) -> dict[str, Any]:
    """The settings that answer what is asked: the first reading, and the suggested values."""
    answer: dict[str, Any] = {}
    for stop in stops:
        if stop.readings:
            first = stop.readings[0]
            answer |= {"shape": first.shape, "roles": first.roles}
        elif stop.column:
            answer.setdefault("left_out", {})[stop.column] = stop.suggested
    return answer
