"""Labels that a file lists stay a list: in rows, counts, heads, edits and exports."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from engine.data import edit
from engine.data.datasets import load_dataset
from engine.data.normalize import join_labels, row_labels
from engine.errors import DataError
from engine.spec.objective import head_outputs
from engine.spec.run import Shape
from engine.store.files import PROJECT_FOLDER
from engine.store.workspace import Store
from tests.engine.data.made_rows import find, make_rows, rows_of, to_jsonl

CASE = PROJECT_FOLDER.parent / "shared" / "cases" / "08-multilabel-comma" / "multi.jsonl"
SETS: dict[str, list[list[str]]] = {
    "commas": [["Travel, leisure"], ["Food", "Travel, leisure"], ["Music, dance", "Food"]],
    "semicolons": [["Health; sport"], ["Food", "Health; sport"], ["Food"]],
    "bars": [["a|b", "c"], ["c", "d|e"], ["d|e"]],
    "all of them": [["a, b", "c; d", "e | f"], ["e | f"], ["c; d"]],
    "plain": [["Food", "Music"], ["Music"], ["Food"]],
    "numbers": [["1", "2"], ["2"], ["3"]],
}


def listed(sets: list[list[str]], key: str = "labels") -> list[dict[str, Any]]:
    texts = [row["completion"] for row in make_rows(30)]
    return [{"text": text, key: sets[n % len(sets)]} for n, text in enumerate(texts)]


def as_cells(rows: list[dict[str, Any]], write: Any) -> str:
    """The rows as CSV, each list in one cell."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(rows[0])
    writer.writerows([row["text"], write(row["labels"])] for row in rows)
    return out.getvalue()


@pytest.mark.parametrize("name", SETS)
def test_a_list_stays_a_list(add_files, prepare, name: str) -> None:
    sets = SETS[name]
    rows = listed(sets)
    prepared = prepare(add_files({"rows.jsonl": to_jsonl(rows)}))
    assert prepared.shape == Shape.LABEL
    wanted = {one for labels in sets for one in labels}
    assert set(prepared.each_label) == wanted
    assert head_outputs("multilabel", prepared.labels, prepared.each_label) == tuple(sorted(wanted))
    by_text = {row["prompt"]: row_labels(row) for row in rows_of(prepared)}
    assert by_text == {row["text"]: row["labels"] for row in rows}
    assert prepared.summary()["each_label"] == list(prepared.each_label)
    assert not find(prepared, "balance")


@pytest.mark.parametrize("write", [json.dumps, repr], ids=["JSON", "as pandas writes it"])
@pytest.mark.parametrize("name", ["commas", "all of them", "plain"])
def test_a_list_in_a_cell_is_a_list(add_files, prepare, name: str, write: Any) -> None:
    rows = listed(SETS[name])
    prepared = prepare(add_files({"rows.csv": as_cells(rows, write)}))
    assert set(prepared.each_label) == {one for labels in SETS[name] for one in labels}


def test_a_text_is_split_as_before(add_files, prepare) -> None:
    rows = [row | {"labels": ", ".join(row["labels"])} for row in listed(SETS["plain"])]
    prepared = prepare(add_files({"rows.jsonl": to_jsonl(rows)}))
    assert not prepared.each_label and "labels" not in rows_of(prepared)[0]
    assert head_outputs("multilabel", prepared.labels) == ("Food", "Music")


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (["a", "b"], "a, b"),
        (["a, b", "c"], "a, b; c"),
        (["a, b", "c; d"], "a, b | c; d"),
        (["a"], "a"),
    ],
)
def test_labels_as_one_answer(labels: list[str], text: str) -> None:
    assert join_labels(labels) == text


def test_edits_and_exports_keep_the_list(store: Store, add_files, prepare) -> None:
    source = add_files({"rows.jsonl": to_jsonl(listed(SETS["all of them"]))})
    prepared = prepare(source)
    row = edit.find_row(prepared, 1)
    assert row
    assert edit.editable_fields(row)[1] == ("Labels, one per line", "a, b\nc; d\ne | f")
    changed = edit.with_edited_fields(row, [row["prompt"], "a, b\n\n g, h "])
    assert changed["labels"] == ["a, b", "g, h"]
    with pytest.raises(DataError, match="cannot be kept"):
        edit.with_edited_fields(row, [row["prompt"], " \n "])
    new = edit.save_edited_rows(store, prepared, {1: changed}, [], source)
    assert set(prepare(new).each_label) == {"a, b", "c; d", "e | f", "g, h"}
    assert load_dataset(store, new).rows == 30
    rows = rows_of(prepare(new))
    for name, text in (("again.jsonl", edit.rows_to_jsonl(rows, Shape.LABEL)),
                       ("again.csv", edit.rows_to_csv(rows, Shape.LABEL))):  # fmt: skip
        assert set(prepare(add_files({name: text})).each_label) == set(prepare(new).each_label)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ([[0, 3, "PER"]], "'label' marks parts of the text"),
        ([{"start": 0, "end": 3}], "'label' marks parts of the text"),
        ([], "no label: the field 'label' is empty"),
        ([None], "no label: the field 'label' is empty"),
    ],
)
def test_a_list_of_no_labels_is_refused_truly(add_files, prepare, label: Any, words: str) -> None:
    rows = [{"text": row["completion"], "label": label} for row in make_rows(8)]
    rows += [{"text": row["completion"], "label": ["a"]} for row in make_rows(8, 16)]
    for some in (rows, rows[:8]):  # also where no row is left
        found = find(prepare(add_files({"rows.jsonl": to_jsonl(some)}), shape=Shape.LABEL,
                             roles={"text": "text", "label": "label"}), "unusable")  # fmt: skip
        assert found and found.count == 8 and words in found.example


def test_the_given_case(add_files, prepare) -> None:
    if not CASE.is_file():
        pytest.skip("needs the shared case 08")
    prepared = prepare(add_files({"multi.jsonl": CASE.read_text()}))
    outputs = head_outputs("multilabel", prepared.labels, prepared.each_label)
    assert outputs == ("Food", "Health; sport", "Music", "Travel, leisure")


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1+1", "'=1+1"), ("+1", "'+1"), ("@x", "'@x"), ("\tx", "'\tx"), ("\nx", "'\nx"),
     ("\uff1d1", "'\uff1d1"), (-2, "-2"), (-0.5, "-0.5"), ("a=b", "a=b"), (True, "true")],
)  # fmt: skip
def test_a_cell_that_a_spreadsheet_would_run_is_text(value: Any, cell: str) -> None:
    row = {"prompt": "q", "completion": "a", "good": value}
    table = list(csv.reader(io.StringIO(edit.rows_to_csv([row], Shape.FEEDBACK), newline="")))
    assert table[1] == ["q", "a", cell]
