"""Rows of two answers of which one won, and of labels scored with 1 and 0."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.readers.special_columns import name_scored_labels
from engine.errors import DataError
from engine.spec.run import Shape
from tests.engine.data.columns.tables import ask, assistant, bad, good, user, worse
from tests.engine.data.made_rows import find, make_rows, rows_of, to_jsonl
from tests.engine.data.readers.reading import read_made

# Names of the answers and of the judgement; its values where the first wins, the second, neither.
JUDGED: dict[str, tuple[str, str, str, list[Any]]] = {
    "LMSYS": ("response_a", "response_b", "winner", ["model_a", "model_b", "tie"]),
    "both bad": ("answer_a", "answer_b", "winner", ["A", "B", "tie (bothbad)"]),
    "Argilla": ("response-1", "response-2", "preference", ["response-1", "response-2", "tie"]),
    "Label Studio": ("answer1", "answer2", "comparison", ["left", "right", "neither"]),
    "numbers": ("response1", "response2", "preferred", [1, 2, "none"]),
    "numbers as text": ("response_0", "response_1", "winner", ["0", "1", "tie"]),
    "camels": ("completionA", "completionB", "preference", ["Response A", "Response B", "Equal"]),
    "models between": ("model_a_answer", "model_b_answer", "better", ["model_a", "model_b", "tie"]),
}


def judged(first: str, second: str, winner: str, values: list[Any]) -> list[dict[str, Any]]:
    """Rows of which the first wins, then the second, then neither; the good answer always wins."""
    made = []
    for n in range(12):
        answers = (bad(n), good(n)) if n % 3 == 1 else (good(n), bad(n))
        made.append({"prompt": ask(n), first: answers[0], second: answers[1],
                     winner: values[n % 3]})  # fmt: skip
    return made


@pytest.mark.parametrize("layout", JUDGED)
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_the_better_answer_is_the_one_that_won(tmp_path: Path, layout: str, suffix: str) -> None:
    rows = judged(*JUDGED[layout])
    found = read_made(tmp_path, f"a{suffix}", to_jsonl(rows) if suffix == ".jsonl" else table(rows))
    kept = [n for n in range(12) if n % 3 != 2]
    assert found.rows == [
        {"prompt": ask(n), "chosen": good(n), "rejected": bad(n)} for n in kept
    ]  # fmt: skip
    assert f"'{JUDGED[layout][2]}' names" in found.said and not found.bad
    assert "Left out: 4 rows in which neither is better" in found.said


def table(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("as_lists", [False, True])
def test_one_of_two_columns_says_who_won(tmp_path: Path, as_lists: bool) -> None:
    """As in LMSYS' table of 55,000 comparisons, whose texts are lists with a text for each turn."""
    rows = []
    for n in range(8):
        said = {"prompt": ask(n), "response_a": good(n), "response_b": bad(n)}
        said = {key: json.dumps([text]) for key, text in said.items()} if as_lists else said
        rows.append({"model_a": "x", "model_b": "y", **said, "winner_model_a": int(n % 4 == 0),
                     "winner_model_b": int(n % 4 == 1), "winner_tie": int(n % 4 > 1)})  # fmt: skip
    found = read_made(tmp_path, "a.csv", table(rows))
    turns = [user(0), assistant(0)], [user(0), worse(0)]
    wanted = turns if as_lists else (good(0), bad(0))
    assert len(found.rows) == 4
    assert (found.rows[0]["chosen"], found.rows[0]["rejected"]) == wanted
    lost = found.rows[1]["chosen"]
    assert (lost[1]["content"] if as_lists else lost) == bad(1)


def test_whole_conversations_are_compared(add_rows, prepare) -> None:
    rows = [{"conversation_a": [user(n), worse(n)], "conversation_b": [user(n), assistant(n)],
             "model_a": "x", "model_b": "y", "winner": "model_b"} for n in range(20)]  # fmt: skip
    prepared = prepare(add_rows(rows))
    assert prepared.shape == Shape.PREFERENCE and not find(prepared, "unsure")
    assert {row["rejected"] for row in rows_of(prepared)} == {bad(n) for n in range(20)}


@pytest.mark.parametrize(
    ("winner", "values"),
    [
        ("overall_preference", [-3, -1, 1, 2]), ("preference", [0, 1]),
        ("winner", ["gpt", "llama"]),
        ("preferred", [{"rank": 1}]), ("winner", ["A is better than B"]),
    ],
)  # fmt: skip
def test_a_judgement_that_is_not_clear_is_refused(
    tmp_path: Path, winner: str, values: list[Any]
) -> None:
    rows = [{"prompt": ask(n), "response_a": good(n), "response_b": bad(n),
             winner: values[n % len(values)]} for n in range(12)]  # fmt: skip
    with pytest.raises(DataError, match=f"'{winner}' should say which .* into 'rejected'"):
        read_made(tmp_path, "a.jsonl", to_jsonl(rows))


def test_a_row_whose_winner_is_missing_is_named(tmp_path: Path) -> None:
    rows = judged(*JUDGED["LMSYS"])
    rows[3]["winner"] = None
    found = read_made(tmp_path, "a.jsonl", to_jsonl(rows))
    assert len(found.rows) == 7 and found.bad[0].startswith("Row 4: 'winner' does not say which")


@pytest.mark.parametrize(
    "more",
    [
        {"question1": "a b?", "question2": "c d?", "is_duplicate": 1},
        {"option1": "a", "option2": "b", "answer": "1"},
        {"answer_a": "x", "answer_b": "y", "answer_c": "z", "correct_answer": "answer_a"},
        {"response_a": "x", "response_b": "y", "chosen": "x", "rejected": "y"},
        {"answer1": "x", "answer2": "y", "topic": "left"},
        {"response_a": "x", "response_b": "y", "preferred_language": "en"},
        {"score_a": "1", "score_b": "2", "winner": "a"},
    ],
)
def test_other_rows_stay_as_they_are(tmp_path: Path, more: dict[str, Any]) -> None:
    rows = [{"prompt": ask(n)} | more for n in range(6)]
    assert read_made(tmp_path, "a.jsonl", to_jsonl(rows)).rows == rows


# --- labels with 1 and 0 ---

SCORED: dict[str, tuple[str, list[Any], list[Any]]] = {
    "spaCy": ("cats", [{"POS": 1.0, "NEG": 0.0}, {"POS": 0.0, "NEG": 1.0}], ["POS", "NEG"]),
    "true and false": ("labels", [{"a": True, "b": False}, {"a": False, "b": True}], ["a", "b"]),
    "several": ("cats", [{"a": 1, "b": 1, "c": 0}, {"a": 0, "b": 0, "c": 1}], [["a", "b"], ["c"]]),
    "with commas": ("categories", [{"a, b": 1, "c": 0}, {"a, b": 0, "c": 1}], ["a, b", "c"]),
    "as text": ("cats", ['{"POS": 1.0, "NEG": 0.0}', "{'POS': 0.0, 'NEG': 1.0}"], ["POS", "NEG"]),
}


@pytest.mark.parametrize("layout", SCORED)
def test_labels_that_are_scored_with_1_are_the_labels(add_rows, prepare, layout: str) -> None:
    column, values, labels = SCORED[layout]
    rows = [{"text": row["completion"], column: values[n % 2]}
            for n, row in enumerate(make_rows(24))]  # fmt: skip
    prepared = prepare(add_rows(rows))
    assert prepared.shape == Shape.LABEL and not find(prepared, "unsure")
    said = {row["prompt"]: row.get("labels", row["completion"]) for row in rows_of(prepared)}
    assert said == {row["text"]: labels[n % 2] for n, row in enumerate(rows)}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("cats", {"POS": 0.7, "NEG": 0.3}), ("scores", {"POS": 1.0, "NEG": 0.0}),
        ("cats", {"SPAM": 0.0}),
    ],
)  # fmt: skip
def test_other_scores_of_names_are_asked_about(add_rows, prepare, column: str, value: Any) -> None:
    rows = [{"text": row["completion"], column: value} for row in make_rows(12)]
    found = find(prepare(add_rows(rows)), "unsure")
    assert found and f"'{column}' holds numbers from 0 to 1" in found.text


@pytest.mark.parametrize("rows", [1, 12])
def test_a_tag_for_each_word_is_no_score_of_labels(rows: int) -> None:
    notes: list[str] = []
    made = [{"text": "a b c " * (n % 3 + 1), "tags": [0, 1, 0] * (n % 3 + 1)} for n in range(rows)]
    assert list(name_scored_labels(iter(made), notes)) == made and not notes
