"""Files as people have reported them to other tools: nothing is lost, and what is left is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.data.readers.table import BLANK_NOTE
from tests.engine.data.made_rows import find, make_rows, rows_of, to_jsonl
from tests.engine.data.readers.reading import read_made

ROWS = [{"question": row["prompt"], "answer": row["completion"]} for row in make_rows(12)]
LINES = "".join(f'"{row["question"]}","{row["answer"]}"\n' for row in ROWS)
TALKS = [
    [{"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}]
    for row in ROWS
]


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("Report,FAQ\nDate,2024-05-01\n\nquestion,answer\n" + LINES, "“Report FAQ”"),
        ("Report:,FAQ export\nBy:,Ann Lee\nquestion,answer\n" + LINES, "“By: Ann Lee”"),
        ("question,answer\n" + LINES + "question,answer\n", "1 row in which the header stands"),
        ("question,answer\n" + LINES + ",\n , \n", "Blank lines were skipped"),
        ("question,answer\n------,------\n" + LINES, "1 row of dashes"),
        ("List\n| question | answer |\n|---|---|\n" + "".join(
            f"| {row['question']} | {row['answer']} |\n" for row in ROWS), "“List”"),
        ('"question,answer"\n' + "".join(
            f'"{row["question"]},""{row["answer"]}"""\n' for row in ROWS), ""),
    ],
)  # fmt: skip
def test_a_table_keeps_its_rows(tmp_path: Path, content: str, note: str) -> None:
    found = read_made(tmp_path, "a.csv", content)
    assert found.rows == ROWS and not found.bad, found
    assert note in found.said and bool(note) == bool(found.notes)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv"])
def test_blank_lines_are_skipped_and_said(tmp_path: Path, name: str) -> None:
    """Neither rows nor faults."""
    rows: list[dict] = [*ROWS[:5], {"question": "", "answer": "  "}, *ROWS[5:]]
    if "json" in name:
        rows += [{}, {"question": None, "answer": []}]
        lines = [json.dumps(row) for row in rows]
        text = "\n".join(lines) if name == "a.jsonl" else f"[{','.join(lines)}]"
    else:
        mark = "," if name == "a.csv" else "\t"
        lines = [mark.join(f'"{one}"' for one in row.values()) for row in rows]
        text = "\n".join([mark.join(ROWS[0]), *lines])
    found = read_made(tmp_path, name, text)
    assert found.rows == ROWS and not found.bad and found.notes == [BLANK_NOTE]


def test_quotes_behind_backslashes(tmp_path: Path) -> None:
    lines = "".join(
        f'"{row["question"]}","She said \\"{n}, yes\\"."\n' for n, row in enumerate(ROWS)
    )
    found = read_made(tmp_path, "a.csv", "question,answer\n" + lines)
    assert [row["answer"] for row in found.rows] == [f'She said "{n}, yes".' for n in range(12)]
    plain = 'question,answer\n"C:\\","a ""b\\"" c"\n"D:\\","d"\n'
    assert [*read_made(tmp_path, "b.csv", plain).rows[0].values()] == ["C:\\", 'a "b\\" c']


@pytest.mark.parametrize(
    "value",
    [
        {"version": 1, "data": {f"q{n}": row for n, row in enumerate(ROWS)}},
        {"nlu": {"examples": ROWS, "entities": []}},
        {"train": {key: [row[key] for row in ROWS[:9]] for key in ROWS[0]},
         "test": {key: [row[key] for row in ROWS[9:]] for key in ROWS[0]}},
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
    ],
    ids=["by number in a wrapper", "a list in a wrapper", "splits of columns", "object by object"],
)  # fmt: skip
def test_rows_deep_within_a_value(tmp_path: Path, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    found = read_made(tmp_path, "a.json", text)
    assert found.rows == ROWS and found.held_out == (3 if '"test"' in text else 0)


@pytest.mark.parametrize("wrap", [lambda talks: talks, lambda talks: {"version": 1, "all": talks}])
def test_conversations_by_their_names(tmp_path: Path, wrap: Callable[[Any], Any]) -> None:
    value = wrap({f"talk {n}": talk for n, talk in enumerate(TALKS)})
    found = read_made(tmp_path, "a.json", json.dumps(value))
    assert [row["messages"] for row in found.rows] == TALKS and found.rows[1]["id"] == "talk 1"


def test_names_of_groups_stand_above_the_columns(tmp_path: Path) -> None:
    lines = "".join(f"{row['question']},web,{row['answer']},Ann\n" for row in ROWS)
    header = "Customer,,Support,\nquestion,channel,answer,agent\n"
    found = read_made(tmp_path, "a.csv", header + lines)
    assert [{key: row[key] for key in ROWS[0]} for row in found.rows] == ROWS
    assert "“Customer Support”" in found.said


def test_a_form_with_long_questions_has_a_header(tmp_path: Path) -> None:
    asked = "And how would you answer it if a customer asked you that?"
    lines = "".join(f"2024/05/01 10:00,{row['question']},{row['answer']}\n" for row in ROWS)
    found = read_made(tmp_path, "a.csv", f"Timestamp,What is the question,{asked}\n{lines}")
    assert [row[asked] for row in found.rows] == [row["answer"] for row in ROWS]


@pytest.mark.parametrize("suffix", ["", ".txt"])
def test_tables_and_objects_in_a_text_file(tmp_path: Path, suffix: str) -> None:
    table = "question\tanswer\n" + "".join("\t".join(row.values()) + "\n" for row in ROWS)
    for content in (table, table.encode("utf-16"), to_jsonl(ROWS)):
        assert read_made(tmp_path, f"a{suffix}", content).rows == ROWS
    longer = table + 'Why?\t"Because,\n\nas was said."\nWhere?\tHere.\n'
    rows = read_made(tmp_path, f"a{suffix}", longer).rows
    assert rows[-2:] == [{"question": "Why?", "answer": "Because,\n\nas was said."},
                         {"question": "Where?", "answer": "Here."}]  # fmt: skip


NAMES = {"0": "neg", "1": "neu", "2": "pos"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("id2label.json", json.dumps(NAMES)),
        ("label2id.json", json.dumps({name: int(n) for n, name in NAMES.items()})),
        ("label_map.json", json.dumps({name: int(n) for n, name in NAMES.items()})),
        ("config.json", json.dumps({"model_type": "bert", "id2label": NAMES})),
        ("label_mapping.json", json.dumps({"label2id": {"pos": 2, "neg": 0, "neu": 1}})),
        ("classes.json", json.dumps({"names": [*NAMES.values()]})),
        ("labels.csv", "id,name\n0,neg\n1,neu\n2,pos\n"),
        ("labels.txt", "neg 0\nneu 1\npos 2\n"),
        ("classes.txt", "0: neg\n1: neu\n2: pos\n"),
    ],
)
def test_names_of_classes_as_other_tools_write_them(add_files, prepare, name, content) -> None:
    rows = [{"text": row["answer"], "label": n % 3} for n, row in enumerate(ROWS * 2)]
    prepared = prepare(add_files({"train.jsonl": to_jsonl(rows), name: content}))
    assert set(prepared.labels) == set(NAMES.values())


def test_classes_that_pandas_writes_as_decimals(add_files, prepare) -> None:
    lines = "".join(f'"{row["answer"]}",{n % 2 + 1}.0\n' for n, row in enumerate(ROWS))
    files = {"train.csv": f"text,label\n{lines}", "classes.txt": "neg\npos\n"}
    assert set(prepare(add_files(files)).labels) == {"neg", "pos"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", '{"model": "x", "lang": "en"}'),
        ("labels.txt", "top 10\nsection 8\nroom 1\n"),
    ],
)
def test_what_is_no_list_of_names_names_nothing(add_files, prepare, name, content) -> None:
    rows = [{"text": row["answer"], "label": n % 3} for n, row in enumerate(ROWS * 2)]
    prepared = prepare(add_files({"train.jsonl": to_jsonl(rows), name: content}))
    assert not {"x", "top", "section"} & set(prepared.labels)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("~$faq.xlsx", "\x04Ann Lee"), ("Thumbs.db", "\x01\x02"), ("rows.zip", "PK\3\4"),
        ("model.safetensors", "{}"), ("results.json", '[{"metric": "f1", "value": 0.5}]'),
        ("label_counts.csv", "label,count\na,3\nb,4\n"), ("users.json", '[{"id": 1, "name": "a"}]'),
    ],
)  # fmt: skip
def test_what_lies_beside_rows_is_named_and_not_read(add_files, prepare, store, name, content):
    from engine.data.datasets import load_dataset

    source = add_files({"train.jsonl": to_jsonl(ROWS), name: content})
    dataset = load_dataset(store, source)
    assert dataset.rows == 12 and not dataset.bad and repr(name) in " ".join(dataset.notes)
    assert not find(prepare(source), "unusable")


# --- rows that say which part they belong to ---


@pytest.mark.parametrize(
    ("column", "values", "held_out"),
    [
        ("split", ["train", "train", "test"], 4), ("Split", ["TRAIN", "validation"], 6),
        ("partition", ["training", "dev", ""], None), ("subset", ["train"], 1),
        ("split", ["test"], None), ("set", ["red", "blue"], None),
    ],
)  # fmt: skip
def test_a_column_of_splits_holds_rows_out(add_rows, prepare, column, values, held_out) -> None:
    rows = [row | {column: values[n % len(values)]} for n, row in enumerate(ROWS)]
    prepared = prepare(add_rows(rows))
    assert prepared.total == 12 and len(rows_of(prepared)) == 12
    if held_out is not None:
        assert prepared.held_out == held_out and not find(prepared, "verdict")


# --- labels ---

SETS = [["Food", "Travel, leisure"], ["Food"], ["Travel, leisure"]]


@pytest.mark.parametrize(
    "write",
    [
        lambda labels: "[" + " ".join(map(repr, labels)) + "]",
        lambda labels: "{" + ", ".join(map(repr, labels)) + "}",
        lambda labels: repr(tuple(labels)),
        lambda labels: [{"name": label, "color": "red"} for label in labels],
        lambda labels: [{"id": 7, "label": label} for label in labels],
    ],
    ids=["numpy", "a set", "a tuple", "objects with names", "objects with labels"],
)
def test_labels_with_commas_stay_whole(
    add_rows, prepare, write: Callable[[list[str]], Any]
) -> None:
    rows = [{"text": row["answer"], "labels": write(SETS[n % 3])} for n, row in enumerate(ROWS * 2)]
    prepared = prepare(add_rows(rows))
    assert set(prepared.each_label) == {"Food", "Travel, leisure"}


@pytest.mark.parametrize("one", [1, 1.0, True])
def test_a_place_for_each_class(add_rows, prepare, one: Any) -> None:
    lists = [[one, 0, one], [0, one, 0], [0, 0, one]]
    rows = [{"text": row["answer"], "labels": lists[n % 3]} for n, row in enumerate(ROWS)]
    prepared = prepare(add_rows(rows))
    said = {row["prompt"]: row["labels"] for row in rows_of(prepared)}
    assert [said[row["text"]] for row in rows[:3]] == [["0", "2"], ["1"], ["2"]]
    numbers = [row | {"labels": [0, 1]} for row in rows]  # two may be class numbers
    assert set(prepare(add_rows(numbers)).each_label) == {"0", "1"}


def test_labels_in_another_order_are_the_same(add_rows, prepare) -> None:
    rows = [{"text": ROWS[n // 2]["answer"], "labels": [["a", "b"], ["b", "a"]][n % 2]}
            for n in range(24)]  # fmt: skip
    assert not find(prepare(add_rows(rows)), "contradictions")


def test_labels_that_differ_in_case_alone_are_noticed(add_rows, prepare) -> None:
    rows = [{"text": row["answer"], "label": ["Spam", "spam", "ham"][n % 3]}
            for n, row in enumerate(ROWS)]  # fmt: skip
    found = find(prepare(add_rows(rows)), "labels")
    assert found.count == 1 and "“spam”" in found.text and "in case or blanks alone" in found.title
