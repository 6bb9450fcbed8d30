"""What can be wrong within texts, and rows that contradict or resemble each other."""

from __future__ import annotations

import json

from tests.engine.data.leaks import GREETINGS, TICKETS
from tests.engine.data.malformed import GOOD, LINES, Case, one

GREETED = [(first + text, label) for text, label in TICKETS for first in GREETINGS]
FEW = [row for row in TICKETS if row[1] != "question"]


def with_row(**row: str) -> bytes:
    """Good rows and this one."""
    return "\n".join([*LINES, json.dumps({**GOOD[0], **row})]).encode()


def labelled(rows: list[tuple[str, str]]) -> bytes:
    return "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows).encode()


TEXTS = [
    Case(60, "An invisible character", one("a.jsonl", with_row(prompt="zero\u200bwidth, is it?")),
         "noted", ("1 row holds invisible characters", "U+200B", "Take them out"), 13),
    Case(60, "A control character other than NUL", one("a.jsonl", with_row(completion="bell\x07")),
         "noted", ("1 row holds invisible characters", "U+0007"), 13),
    Case(60, "Letters that were read in the wrong encoding",
         one("a.jsonl", with_row(prompt="Was ist fÃ¼r dich?")),
         "noted", ("1 row holds garbled letters", "für", "Put the letters right"), 13),
    Case(60, "Letters that were lost", one("a.jsonl", with_row(prompt="caf\ufffd au lait?")),
         "noted", ("1 row has lost letters", "Leave it out"), 13),
    Case(61, "The same text with two labels",
         one("a.jsonl", labelled([*FEW, (FEW[0][0].upper(), "praise")])),
         "noted", ("2 rows contradict others", "Leave these 2 out"), 17),
    Case(61, "The same question with another answer",
         one("a.jsonl", with_row(completion="No, the answer is something else altogether.")),
         "noted", ("2 rows ask what others ask, with other answers",), 13),
    Case(62, "Labels with a decimal comma",
         one("a.jsonl", labelled([(text, f"{at % 5},{at}5") for at, (text, _) in enumerate(FEW)])),
         "noted", ("16 labels may have a decimal comma", "decimal point"), 16),
    Case(63, "A prompt in a chat format already",
         one("a.jsonl", with_row(prompt="[INST] What is up? [/INST]", completion="All is well.")),
         "noted", ("1 row holds the marks of a chat format", "[INST]", "Take the marks out"), 13),
    Case(63, "Times of a chat export",
         one("a.jsonl", with_row(prompt="12.03.24, 14:22 - Anna: Are you there?")),
         "noted", ("1 row holds times of a chat export", "Take the times out"), 13),
    Case(64, "The same sentences behind many greetings",
         one("a.jsonl", labelled(GREETED)),
         "noted", ("240 rows say the same as others", "24 groups", "kept whole"), 240),
    Case(64, "Held-out rows that are worded like training rows",
         lambda: {"train.jsonl": labelled(FEW),
                  "test.jsonl": labelled([(f"{FEW[0][0]}, really", "complaint")])},
         "noted", ("1 of 1 held-out row is worded much like a training row",), 17),
]  # fmt: skip
