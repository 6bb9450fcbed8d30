"""Columns as a file beside the data describes them: LLaMA-Factory's dataset_info.json."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.data.columns.paths import root_column
from engine.data.schema import REQUIRED_ROLES, ROLES, Schema
from engine.errors import DataError
from engine.spec.run import Shape

DESCRIPTION = "dataset_info.json"
DESCRIPTION_SIZE = 5_000_000  # bytes
# Its words for columns -> our roles.
COLUMN_ROLES = {
    "prompt": "prompt", "query": "input", "response": "completion", "history": "history",
    "system": "system", "messages": "messages", "tools": "tools", "chosen": "chosen",
    "rejected": "rejected", "kto_tag": "mark",
}  # fmt: skip
UNREADABLE_INFO = (OSError, ValueError, RecursionError)

Described = Mapping[str, str]  # role -> column, or a path to what lies in it


def read_described(path: Path, name: str, files: Collection[str]) -> Described:
    """The columns that a dataset_info.json maps for these files; none where it maps none.

    Raises DataError where it describes the files in different ways.
    """
    if Path(name).name.lower() != DESCRIPTION or path.stat().st_size > DESCRIPTION_SIZE:
        return {}
    try:
        info = json.loads(path.read_text(encoding="utf-8-sig"))
    except UNREADABLE_INFO:
        return {}
    entries = [
        one for one in (info.values() if isinstance(info, dict) else ())
        if isinstance(one, dict) and isinstance(one.get("columns"), dict)
    ]  # fmt: skip
    ours = [one for one in entries if Path(str(one.get("file_name", ""))).name in files]
    found = [_map_columns(one) for one in ours or entries]
    if any(one != found[0] for one in found):
        if not ours:
            return {}  # of other files
        raise DataError(
            f"'{name}' describes the columns of these files in different ways. Add each of them "
            f"alone with '{name}'."
        )
    return found[0] if found else {}


def _map_columns(entry: Mapping[str, Any]) -> Described:
    """Our roles of an entry's columns; in older files a list holds the better and worse answer."""
    found = {role: column for key, role in COLUMN_ROLES.items()
             if isinstance(column := entry["columns"].get(key), str) and column}  # fmt: skip
    if entry.get("ranking") is True and "chosen" not in found and "completion" in found:
        both = found.pop("completion")
        found |= {"chosen": f"{both}[0]", "rejected": f"{both}[1]"}
    return found


def find_described(name: str, described: Described, columns: Sequence[str]) -> Schema | None:
    """The schema that a description gives these columns; None where it is about others."""
    absent = [path for path in described.values() if not root_column(path, columns)]
    if len(absent) == len(described):
        return None
    if absent:
        raise DataError(
            f"'{DESCRIPTION}' names a column '{absent[0]}', which '{name}' does not have. Correct "
            "it, or add the data without it."
        )
    asked = described.get("messages") or described.get("prompt", "")
    shape = _described_shape(described)
    named = {**described, ("text" if shape == Shape.TEXT else "prompt"): asked}
    if shape == Shape.FEEDBACK and "messages" in described:  # which holds the answer
        named.pop("completion", None)
    roles = {role: named[role] for role in ROLES[shape] if named.get(role)}
    if any(role not in roles for role in list(ROLES[shape])[: REQUIRED_ROLES[shape]]):
        return None
    return Schema(shape, f"The columns are as '{DESCRIPTION}' describes them.", roles)


def _described_shape(described: Described) -> Shape:
    if {"chosen", "rejected"} <= described.keys():
        return Shape.PREFERENCE
    if "mark" in described:
        return Shape.FEEDBACK
    if "messages" in described:
        return Shape.CHAT
    return Shape.ALPACA if "completion" in described else Shape.TEXT
