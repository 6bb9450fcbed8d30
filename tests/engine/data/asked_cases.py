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


def segments(*learned: bool) -> str:
    rows = ([{"label": one, "text": row["completion" if one else "prompt"]} for one in learned]
            for row in GOOD)  # fmt: skip
    return "\n".join(json.dumps({"segments": row}) for row in rows)


def turns_with(*fields: dict[str, Any]) -> str:
    """Conversations whose answers have one of these dicts of more fields each, in turn."""
    rows = ([{"role": "user", "content": row["prompt"]},
             {"role": "assistant", "content": row["completion"]} | fields[n % len(fields)]]
            for n, row in enumerate(GOOD))  # fmt: skip
    return "\n".join(json.dumps({"messages": row}) for row in rows)


def duels(*winners: Any) -> str:
    rows = ({"prompt": row["prompt"], "response_a": row["completion"],
             "response_b": f"No, not {n} at all.", "winner": winners[n % len(winners)]}
            for n, row in enumerate(GOOD))  # fmt: skip
    return "\n".join(map(json.dumps, rows))


ASKED = [
    Case(37, "Category, question and answer under names that say nothing",
         one("a.csv", foreign("Kategorie;Erstes;Zweites")),
         "asked", ("Which column is which", "Two readings are possible", "'Erstes'"), 12),
    Case(37, "A text and a second text",
         one("a.jsonl", "\n".join(json.dumps({"text": row["prompt"], "note": row["completion"]})
                                  for row in GOOD)),
         "asked", ("Which column is which", "could be a label or an answer"), 12),
    Case(37, "An answer that somebody has corrected",
         one("a.jsonl", with_fields(*({"corrected": f"Rather this, as number {n} says."}
                                      for n in range(12)))),
         "asked", ("Which column is which", "'corrected' could be the answer", "Two readings"), 12),
    Case(37, "Choices that the model would not see",
         one("a.jsonl", "\n".join(json.dumps(
             {"question": row["prompt"], "choices": ["so", "not so"], "answer": n % 2})
             for n, row in enumerate(GOOD))),
         "asked", ("Which column is which", "'choices' holds choices that the model"), 12),
    Case(37, "Two answers in a list",
         one("a.jsonl", "\n".join(json.dumps(
             {"instruction": row["prompt"], "output": [row["completion"], f"No, not {n} at all."]})
             for n, row in enumerate(GOOD))),
         "asked", ("several answers, of which only the first ('output[0]')", "Two readings"), 12),
    Case(37, "Numbers for the names of labels",
         one("a.jsonl", "\n".join(json.dumps(
             {"text": row["completion"], "cats": {"GOOD": 0.7, "BAD": 0.3}}) for row in GOOD)),
         "asked", ("Which column is which", "'cats' holds numbers from 0 to 1 for names"), 12),
    Case(37, "Two texts of a kind and a mark",
         one("a.jsonl", "\n".join(json.dumps(
             {"question1": row["prompt"], "question2": f"Is it {n}, or not?",
              "is_duplicate": n % 2})
             for n, row in enumerate(GOOD))),
         "asked", ("'is_duplicate' is the label of two texts", "Two readings"), 12),
    Case(37, "Parts of a text that are learned, and others",
         one("a.jsonl", segments(False, True)),
         "asked", ("a part that is read and one that is learned",), 12),
    Case(37, "Parts of a text in any order", one("a.jsonl", segments(True, False, True)),
         "refused", ("a.jsonl", "axolotl's segments", "into 'prompt'")),
    Case(38, "Marks in the turns of a conversation",
         one("a.jsonl", turns_with({"feedback": "thumbs_up"}, {"feedback": "thumbs_down"})),
         "asked", ("Its turns have marks ('feedback'), which are not used", "all answers"), 12),
    Case(38, "A mask in the turns of a conversation",
         one("a.jsonl", turns_with({"mask": 1}, {"mask": 0})),
         "asked", ("Its turns have 'mask', which may say which answers to learn", "\"train\""), 12),
    Case(38, "Two answers of which one won",
         one("a.jsonl", duels("model_a", "model_b")),
         "noted", ("the better answer is the one that 'winner' names",), 12),
    Case(38, "Two answers, and a number for which is better",
         one("a.jsonl", duels(-2, 1)),
         "refused", ("'winner' should say which", "into a column 'chosen'", "leave ties out")),
    Case(38, "An annotation tool's verdict",
         one("a.jsonl", with_fields(*({"verdict": one} for one in VERDICTS))),
         "asked", ("Does 'verdict' say which rows are good", "accept (8)"), 8),
    Case(38, "A mark under an unknown name",
         one("a.jsonl", with_fields({"Urteil": "gut"}, {"Urteil": "schlecht"})),
         "asked", ("'Urteil' says whether the answer is good", "Two readings"), 12),
    Case(38, "A column that repeats beside the texts",
         one("a.jsonl", with_fields({"has_code": True}, {"has_code": False})),
         "noted", ("'has_code' has only 2 values", "does not matter"), 12),
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
