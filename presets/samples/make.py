"""Writes the bundled samples. Seeded, so the committed files come out again byte by byte.

python presets/samples/make.py
"""

import json
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(
    0, str(HERE.parent / "pocket")
)  # the samples speak about the world that the pocket model knows

from writers import orders, pirate, preferences, reviews, support  # noqa: E402

Row = dict[str, Any]
TOO_NEAR = 0.9
WRITERS: dict[str, tuple[Callable[[random.Random], tuple[list[Row], list[Row]]], int, int]] = {
    "pirate": (pirate.rows, 700, 60),
    "json": (orders.rows, 900, 80),
    "support": (support.rows, 600, 80),
    "reviews": (reviews.rows, 700, 80),
    "preferences": (preferences.rows, 400, 50),
}


def words(row: Row) -> frozenset[str]:
    """The words of everything a row says, without the columns that are only for scoring."""
    said = [
        row[key]
        for key in (
            "messages",
            "prompt",
            "completion",
            "input",
            "output",
            "text",
            "label",
            "chosen",
            "rejected",
        )
        if key in row
    ]
    return frozenset(
        json.dumps(said)
        .lower()
        .replace('\\"', " ")
        .translate(str.maketrans('",.!?:[]{}', " " * 10))
        .split()
    )


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)


def without_near_duplicates(
    rows: Iterable[Row], seen: list[frozenset[str]], wanted: int
) -> list[Row]:
    """The first `wanted` rows that are not too like one in `seen`, which grows."""
    kept: list[Row] = []
    for row in rows:
        said = words(row)
        if len(kept) < wanted and all(likeness(said, other) < TOO_NEAR for other in seen):
            kept.append(row)
            seen.append(said)
    return kept


def write(path: Path, rows: list[Row]) -> None:
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )


def main(folder: Path = HERE) -> None:
    for name, (writer, train_count, held_out_count) in WRITERS.items():
        train, held_out = writer(random.Random(f"hone {name}"))
        seen: list[frozenset[str]] = []
        held_out = without_near_duplicates(held_out, seen, held_out_count)
        train = without_near_duplicates(train, seen, train_count)
        write(folder / f"{name}.train.jsonl", train)
        write(folder / f"{name}.heldout.jsonl", held_out)
        print(f"{name}: {len(train)} rows to train on, {len(held_out)} held out")


if __name__ == "__main__":
    main()
