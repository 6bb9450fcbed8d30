"""Infers a table's schema from its columns and some of its rows, with the reason for the user.

Column names decide where they are known ones and the contents agree; otherwise what the columns
hold. Where two readings are possible the schema is uncertain, and has the other as its alternative.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.data.columns import names as known
from engine.data.columns.answers import find_answers, find_segments
from engine.data.columns.contents import all_integers, are_own_texts
from engine.data.columns.conversations import (
    find_chat_column,
    find_persons,
    find_turns_by_content,
    make_chat_schema,
)
from engine.data.columns.described import Described, find_described
from engine.data.columns.labelled import find_texts
from engine.data.columns.paths import root_column
from engine.data.columns.preferences import find_preferences
from engine.data.columns.table import Columns
from engine.data.columns.unnamed import guess_schema
from engine.data.rows import Row
from engine.data.schema import Schema
from engine.data.turns.history import ANY_MARKS, HEADINGS, split_speakers
from engine.errors import DataError
from engine.spec.run import Shape

MOST_CELLS, FEWEST_ROWS = 400_000, 50  # of a wide table fewer rows are looked at


def infer_schema(
    name: str, columns: Sequence[str], rows: Sequence[Row], described: Described | None = None
) -> Schema:
    """Infer the schema of a table, unless a file beside it describes its columns.

    Raises DataError where no row could be an example.
    """
    if not columns:
        raise DataError(
            f"'{name}': its rows have no fields. "
            "Each needs some, such as 'prompt' and 'completion'."
        )
    table = Columns.of(columns, rows[: max(FEWEST_ROWS, MOST_CELLS // len(columns))])
    found = find_described(name, described, columns) if described else None
    found = found or _infer_by_names(name, table) or _infer_by_contents(name, columns, table)
    if found.shape == Shape.TEXT and rows and all_integers(table.values(found.roles["text"])):
        raise DataError(_no_text(name, columns, table))
    if found.shape == Shape.TEXT and _name_speakers(table.texts(found.roles["text"])):
        found = found.doubted(
            "But the texts name who speaks, and both sides are learned with their names. To learn "
            "answers alone, put what is asked into 'prompt' and what is answered into 'completion'."
        )
    used = {root_column(path, columns) for path in found.roles.values()}
    rest = ", ".join(f"'{column}'" for column in columns if column not in used)
    return found._replace(reason=f"{found.reason} Columns not used: {rest}.") if rest else found


def _name_speakers(texts: Sequence[str]) -> bool:
    """Whether nearly all texts are turns with their speakers: "Q: ... A: ..."."""
    looked_at = texts[:FEWEST_ROWS]
    spoken = (HEADINGS.search(text) or isinstance(split_speakers(text, ANY_MARKS), list)
              for text in looked_at)  # fmt: skip
    return sum(map(bool, spoken)) > 0.8 * len(looked_at)


def _no_text(name: str, columns: Sequence[str], table: Columns) -> str:
    """Why a table cannot be learned from: it holds numbers, perhaps beside lists and objects."""
    nested = [
        column for column in columns
        if any(isinstance(value, list | dict) for value in table.values(column))
    ]  # fmt: skip
    if not nested:
        return (
            f"'{name}' holds nothing but numbers. If they are labels, add the file with their "
            "texts at the same time."
        )
    listed = ", ".join(f"'{column}'" for column in nested[:8])
    return (
        f"'{name}' has no column that holds text. Lists or objects stand in: {listed}. Put the "
        "texts into a column of their own, or export them as CSV."
    )


def _infer_by_names(name: str, table: Columns) -> Schema | None:
    if found := find_persons(table) or find_segments(name, table):
        return found
    chat = find_chat_column(name, table)
    if found := find_preferences(table, chat):
        return found
    if chat:
        return make_chat_schema(table, chat)
    if found := find_answers(table):
        return found
    if any(table.has(*columns) for columns in known.TURN_COLUMNS):
        raise DataError(
            f"'{name}': each row is one turn of a conversation, where Hone needs one conversation "
            "per row. Put the turns of each conversation into one list named 'messages' (JSON or "
            "JSONL)."
        )
    found = find_texts(table)
    if found and found.shape == Shape.TEXT and (chat := find_turns_by_content(table)):
        doubt = f"But '{found.roles['text']}' holds text, which is not used."
        return make_chat_schema(table, chat).doubted(doubt, found)
    return found


def _infer_by_contents(name: str, columns: Sequence[str], table: Columns) -> Schema:
    """By conversations whatever their names, by names within objects, or by what columns hold."""
    if chat := find_turns_by_content(table):
        return make_chat_schema(table, chat)
    nested = table.with_nested()
    if len(nested.names) > len(table.names) and (found := _infer_by_names(name, nested)):
        return found
    inner = [path for path in nested.nested if nested.texts(path)]
    if inner and not any(are_own_texts(table.texts(column)) for column in columns):
        flat = [column for column in columns if table.texts(column)]
        return guess_schema([*flat, *inner], Columns.of([*flat, *inner], table.rows))
    return guess_schema(columns, table)
