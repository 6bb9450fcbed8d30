"""Files as datasets, one or several at once, again and with other options; and edited by hand."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.data import datasets, edit
from engine.data.ingest import ingest_files
from engine.data.prepare import prepare_dataset
from engine.data.readers.table import ReadOptions
from engine.data.rows import read_rows
from engine.data.upload import Upload
from engine.errors import DataError
from engine.process import oneshot
from engine.spec.presets import bundled_samples
from engine.spec.run import DataSpec, Shape
from engine.store.workspace import Store
from tests.engine.data.made_rows import find, labelled_rows, make_rows, row, rows_of, to_jsonl


def test_the_same_content_is_the_same_dataset_and_split(
    store: Store, add_rows, prepare, tmp_path: Path
) -> None:
    rows = make_rows(50)
    source = add_rows(rows)
    assert add_rows(rows) == source
    held = list(prepare(source).held_out_rows())
    elsewhere = Store(tmp_path / "elsewhere")
    again = ingest_files(elsewhere, [Upload(tmp_path / "rows.jsonl", "rows.jsonl")])
    assert list(prepare_dataset(elsewhere, DataSpec(source=again)).held_out_rows()) == held
    # What was held out stays so when rows are added; other seeds choose others.
    more = list(prepare(add_rows(make_rows(60))).held_out_rows())
    assert len([one for one in held if one in more]) >= len(held) - 2
    assert list(prepare(source, seed=7).held_out_rows()) != held


@pytest.mark.slow
def test_the_same_file_twice_at_once_is_one_dataset(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_text(to_jsonl(make_rows(200)))

    def add(_: int) -> str:
        return oneshot.add_dataset_files(store, [(path, "a.jsonl")])

    with ThreadPoolExecutor(4) as pool:
        sources = list(pool.map(add, range(4)))
        spec = DataSpec(source=sources[0], seed=9)
        made = list(pool.map(lambda _: prepare_dataset(store, spec), range(4)))
    assert len(set(sources)) == 1 and len({one.folder for one in made}) == 1
    assert made[0].train == 180


def test_a_sample_leaves_a_dataset_of_the_same_files_alone(store: Store) -> None:
    sample = bundled_samples()[0]
    uploads = [Upload(file, file.name) for file in (sample.train_file, sample.held_out_file)]
    source = ingest_files(store, uploads)
    assert datasets.load_dataset(store, f"sample:{sample.id}").name == sample.title
    assert datasets.load_dataset(store, source).name != sample.title


def test_rows_are_found_by_their_number(store: Store, add_rows, tmp_path: Path) -> None:
    rows = datasets.load_dataset(store, add_rows(["{bad", *make_rows(9)])).read_rows()
    assert rows.index_of(1) is None and rows[rows.index_of(2)] == row(0) and rows.row_number(0) == 2
    assert not read_rows(tmp_path / "absent.arrow")


def test_papers_beside_the_data_are_not_examples(store: Store, add_files) -> None:
    papers = {"README.md": "1.\n\n2.\n\n3.\n\n4.\n", ".DS_Store": "\0\1", "LICENSE": "MIT"}
    source = add_files(papers | {"data.jsonl": to_jsonl(make_rows(9))})
    dataset = datasets.load_dataset(store, source)
    note = "Not read, since they hold no examples: 'README.md', '.DS_Store', 'LICENSE'."
    assert dataset.rows == 9 and note in dataset.notes


def test_class_names_and_parts_make_another_dataset(add_files, prepare) -> None:
    numbers = {"num.jsonl": to_jsonl(labelled_rows([0, 1] * 10))}
    plain, named = add_files(numbers), add_files(numbers | {"classes.txt": "ham\nspam\n"})
    assert set(prepare(plain).labels) == {"0", "1"}
    assert set(prepare(named).labels) == {"ham", "spam"}


def test_files_of_one_table_may_write_their_columns_differently(add_files, prepare) -> None:
    first, second = (
        "".join(f"{row['prompt']},{row['completion']}\n" for row in make_rows(*bounds))
        for bounds in ((8,), (8, 12))
    )
    source = add_files(
        {"a.csv": f"prompt,completion\n{first}", "b.csv": f"Prompt,Completion\n{second}x,\n"}
    )
    prepared = prepare(source, fixes=("unusable",))
    assert prepared.train + prepared.held_out == 12
    assert "'b.csv', row 5: no answer" in find(prepare(source), "unusable").example


@pytest.mark.slow
def test_files_can_be_read_in_another_way(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes("One day.\nÜber alles.\n\nTwo.\n\nThree.\n\nFour.\n".encode("cp1252"))
    source = oneshot.add_dataset_files(store, [(path, "a.txt")])
    assert "looks like Windows-1252" in " ".join(datasets.load_dataset(store, source).notes)
    options = ReadOptions(encoding="cp1251", parts="line")
    other = oneshot.reread_dataset_files(store, source, options)
    texts = [one["text"] for one in datasets.load_dataset(store, other).read_rows()]
    assert texts == ["One day.", "\u042cber alles.", "Two.", "Three.", "Four."]


@pytest.mark.parametrize(
    ("row", "certain"),
    [
        ({"text": "A fine film with good actors and music.", "rating": 4}, True),
        ({"document": "A long report about the weather of the week.",
          "summary": "It rained all week long."}, True),
        ({"text": "A sentence about something or other here.",
          "note": "Another sentence that may matter a lot."}, False),
        ({"text": "A sentence about something or other here.", "url": "https://example.org/a",
          "id": 3}, True),
        ({"question": "Why is it so?", "context": "Because of that and that.", "answer": "That."},
         True),
    ],
)  # fmt: skip
def test_a_column_that_may_matter_is_not_passed_over(
    store: Store, add_rows, row: dict, certain: bool
) -> None:
    rows = [
        {key: value if isinstance(value, int) else f"{value} {n}" for key, value in row.items()}
        for n in range(40)
    ]
    for n, one in enumerate(rows):
        if "rating" in one:
            one["rating"] = n % 5
    dataset = datasets.load_dataset(store, add_rows(rows))
    assert dataset.certain == certain
    assert ("rating" in row) == (dataset.shape == Shape.LABEL)
    assert ("summary" in row) == (dataset.shape == Shape.COMPLETION)
    if "context" in row:
        assert set(dataset.roles.values()) == set(row)


def test_edits_make_a_new_dataset_and_leave_the_old_one(store: Store, add_rows, prepare) -> None:
    source = add_rows(make_rows(20))
    prepared = prepare(source)
    changed = edit.with_edited_fields(edit.find_row(prepared, 3), ["Why?", "Because."])
    added = {"prompt": "New?", "completion": "Yes."}
    new = edit.save_edited_rows(store, prepared, {3: changed, 4: None}, [added], source)
    rows = rows_of(prepare(new))
    assert {"prompt": "Why?", "completion": "Because."} in rows and added in rows
    assert len(rows) == 20 and row(2) not in rows and row(3) not in rows
    card = datasets.load_dataset(store, new)
    assert (card.name, card.parent) == ("rows.jsonl (edit 1)", source)
    assert list(datasets.load_dataset(store, source).read_rows()) == make_rows(20)
    with pytest.raises(DataError, match="no answer"):
        edit.with_edited_fields(row(1), ["Why?", " "])


def test_csv_cells_that_a_spreadsheet_would_run_are_escaped() -> None:
    rows = [{"prompt": "=1+1", "completion": "@x"}, {"prompt": "a,b", "completion": "-2"}]
    lines = edit.rows_to_csv(rows, Shape.COMPLETION).split("\r\n")
    assert lines[1:3] == ["'=1+1,'@x", '"a,b",\'-2']
    lines = edit.rows_to_jsonl(rows, Shape.COMPLETION).splitlines()
    assert [json.loads(line) for line in lines] == rows
