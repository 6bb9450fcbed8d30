"""Small tables for the tests of columns: rows by number, and what is made of the first."""

from __future__ import annotations

from typing import Any

from engine.data.infer_schema import infer_schema
from engine.data.normalize import normalize_row
from engine.data.rows import Row
from engine.data.schema import Schema

SYSTEM = {"role": "system", "content": "Be kind."}


def ask(number: int) -> str:
    return f"Where does thing number {number} belong, please?"


def good(number: int) -> str:
    return f"On shelf {number}, beside the window."


def bad(number: int) -> str:
    return f"I have no idea about {number}."


def user(number: int) -> Row:
    return {"role": "user", "content": ask(number)}


def assistant(number: int) -> Row:
    return {"role": "assistant", "content": good(number)}


def worse(number: int) -> Row:
    return {"role": "assistant", "content": bad(number)}


def infer(rows: list[Row]) -> Schema:
    return infer_schema("file", list(dict.fromkeys(key for row in rows for key in row)), rows)


def read_rows(make_row: Any, count: int = 20) -> tuple[Schema, list[Row]]:
    """The schema of rows made by number, and the normal rows."""
    rows = [make_row(number) for number in range(count)]
    schema = infer(rows)
    return schema, [made for row in rows for made in normalize_row(row, schema)]


def turns_of(row: Row) -> list[tuple[str, str]]:
    """A normal row's turns as (role, text), whatever its form."""
    if "messages" in row:
        return [(turn["role"], turn["content"]) for turn in row["messages"]]
    return [("user", row["prompt"]), ("assistant", row["completion"])]
