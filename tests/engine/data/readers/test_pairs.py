"""Questions and answers that stand together in other ways than as the columns of a table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engine.data.made_rows import make_rows, rows_of
from tests.engine.data.readers.reading import read_made

ROWS = [{"question": row["prompt"], "answer": row["completion"]} for row in make_rows(12)]


def test_intents_of_a_chatbot_are_pairs(tmp_path: Path) -> None:
    intents = [{"tag": f"t{n}", "patterns": [row["question"], f"Again, {n}?"],
                "responses": [row["answer"]]} for n, row in enumerate(ROWS)]  # fmt: skip
    intents.append({"tag": "silent", "patterns": ["What?"], "responses": []})
    found = read_made(tmp_path, "intents.json", json.dumps({"intents": intents}))
    assert len(found.rows) == 24 and "1 intent without" in found.said
    assert found.rows[1] == {"intent": "t0", "prompt": "Again, 0?",
                             "completion": ROWS[0]["answer"]}  # fmt: skip


def test_conversations_of_chatterbot(tmp_path: Path) -> None:
    talks = [[row["question"], row["answer"]] for row in ROWS]
    value = {"categories": ["AI"] * 12, "conversations": talks}
    found = read_made(tmp_path, "ai.json", json.dumps(value))
    assert [row["conversation"] for row in found.rows] == talks


@pytest.mark.parametrize(
    "names",
    [
        ("prompts.txt", "responses.txt"),
        ("questions.txt", "answers.txt"),
        ("train.src", "train.tgt"),
    ],
)
def test_two_files_whose_lines_belong_together(add_files, prepare, names) -> None:
    rows = [*make_rows(24)]
    texts = ("\n".join(row[field] for row in rows) for field in ("prompt", "completion"))
    prepared = prepare(add_files(dict(zip(names, texts, strict=True))))
    made = {row["prompt"]: row["completion"] for row in rows_of(prepared)}
    assert made == {row["prompt"]: row["completion"] for row in rows}
