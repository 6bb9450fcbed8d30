"""Intents of a chatbot, each with what is asked and what is answered, as pairs."""

from __future__ import annotations

from engine.data.columns.cells import is_blank
from engine.data.readers.table import BadRow, FileRows, HeldOutRow
from engine.data.rows import Row
from engine.text import count_of


def is_intent(row: Row) -> bool:
    """Whether a row has what is asked with an intent, and what is answered."""
    return all(isinstance(row.get(field), list) for field in ("patterns", "responses"))


def intent_rows(rows: FileRows, notes: list[str]) -> FileRows:
    """Questions and answers of each intent, in pairs: each of both stands in one of them."""
    silent = 0
    for row in rows:
        if isinstance(row, BadRow) or not is_intent(row):
            yield row
            continue
        asked, said = ([one for one in row[field] if not is_blank(one)]
                       for field in ("patterns", "responses"))  # fmt: skip
        pairs = max(len(asked), len(said)) if asked and said else 0
        silent += not pairs
        for at in range(pairs):
            pair = {"prompt": asked[at % len(asked)], "completion": said[at % len(said)]}
            made = {"intent": row.get("tag", row.get("intent")), **pair}
            yield HeldOutRow(made) if isinstance(row, HeldOutRow) else made
    notes.append("Read as the intents of a chatbot: each of their patterns with a response.")
    if silent:
        notes.append(f"Left out: {count_of(silent, 'intent')} without patterns or responses.")
