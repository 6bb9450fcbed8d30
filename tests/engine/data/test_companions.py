"""Files that come with the rows and hold none: left out and named; what holds rows is read."""

from __future__ import annotations

import json

import pytest

from engine.data import datasets
from engine.errors import DataError
from engine.spec.run import Shape
from engine.store.files import PROJECT_FOLDER
from engine.store.workspace import Store
from tests.engine.data.made_rows import labelled_rows, make_rows, to_jsonl

CASE = PROJECT_FOLDER.parent / "shared" / "cases" / "25-sidecar-json"
ROWS = to_jsonl(make_rows(12))


@pytest.mark.parametrize(
    ("beside", "named"),
    [
        ({"filter_report.json": '{"reasons": [], "total_in": 30}'}, "'filter_report.json'"),
        ({"manifest.json": json.dumps({"files": [{"path": "a", "rows": 3}]})}, "'manifest.json'"),
        ({"stats.json": json.dumps({"kept": ["a", "b"], "dropped": ["c", "d"]})}, "'stats.json'"),
        ({"notes.txt": "These rows were made by hand.\n\nIn May.\n"}, "'notes.txt'"),
        ({"card.yaml": "name: rows", "make.py": "print(1)"}, "'card.yaml', 'make.py'"),
        ({"meta.csv": "file,bytes\na,1\nb,2\n"}, "'meta.csv'"),
        ({"one.json": "3", "two.json": '"text"'}, "'one.json', 'two.json'"),
    ],
)
def test_what_holds_no_rows_is_named(store: Store, add_files, beside: dict, named: str) -> None:
    source = add_files({"data.jsonl": ROWS, **beside})
    dataset = datasets.load_dataset(store, source)
    assert dataset.rows == 12 and not dataset.bad and dataset.columns == ["prompt", "completion"]
    assert f"Not read, since the rows are in the other files: {named}." in dataset.notes
    assert dataset.name == "data.jsonl"


def test_a_report_beside_a_json_object(store: Store, add_files) -> None:
    files = {"rows.json": json.dumps({"data": make_rows(12)}), "report.json": '{"kept": 12}'}
    dataset = datasets.load_dataset(store, add_files(files))
    assert dataset.rows == 12 and "'report.json'" in " ".join(dataset.notes)


@pytest.mark.parametrize(
    ("files", "rows"),
    [
        ({"a.jsonl": ROWS, "b.json": json.dumps({"data": make_rows(12, 20)})}, 20),
        ({"train.json": json.dumps({"data": make_rows(12)}),
          "test.json": json.dumps({"data": make_rows(12, 20)})}, 20),
        ({"a.txt": "One.\n\nTwo.\n\nThree.\n", "b.txt": "Four.\n\nFive.\n\nSix.\n"}, 6),
        ({"x_text.txt": "a\nb\nc\nd\n", "x_labels.txt": "0\n1\n0\n1\n",
          "mapping.txt": "no\nyes"}, 4),
        ({"a.csv": "text,label\n" + "a b c,x\nd e f,y\n" * 4,
          "report.csv": "text,label\nq,x\n"}, 9),
    ],
)  # fmt: skip
def test_files_with_rows_stay(store: Store, add_files, files: dict[str, str], rows: int) -> None:
    assert datasets.load_dataset(store, add_files(files)).rows == rows


def test_a_damaged_file_is_never_left_out_silently(add_files) -> None:
    with pytest.raises(DataError, match=r"'b.json': row 1 is not valid JSON"):
        add_files({"a.jsonl": ROWS, "b.json": '[{"prompt": }]'})
    with pytest.raises(DataError, match="not accepted"):
        add_files({"make.py": "print(1)"})


def test_a_file_may_hold_its_own_parts(add_files, prepare) -> None:
    value = {"train": make_rows(12), "test": make_rows(12, 17)}
    prepared = prepare(add_files({"rows.json": json.dumps(value)}))
    assert (prepared.train, prepared.held_out) == (12, 5)
    named = [row | {"label": n % 2} for n, row in enumerate(labelled_rows([0] * 20))]
    info = {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}
    parts = json.dumps({"train": named[:14], "test": named[14:]})
    prepared = prepare(add_files({"x.json": parts, "dataset_info.json": json.dumps(info)}))
    assert (prepared.train, prepared.held_out) == (14, 6) and set(prepared.labels) == {"no", "yes"}


def test_the_given_case(store: Store, add_files) -> None:
    if not CASE.is_dir():
        pytest.skip("needs the shared case 25")
    files = {path.name: path.read_text() for path in sorted(CASE.glob("*.*"))}
    dataset = datasets.load_dataset(store, add_files(files))
    assert (dataset.rows, dataset.held_out, dataset.bad) == (36, 6, 0)
    assert "'dataset_manifest.json', 'filter_report.json'" in " ".join(dataset.notes)


def factory(columns: dict[str, str], name: str = "rows.jsonl", **more: object) -> str:
    """LLaMA-Factory's description of a file, beside that of another one."""
    other = {"file_name": "other.json", "columns": {"prompt": "x", "response": "y"}}
    return json.dumps({"other": other, "ours": {"file_name": name, "columns": columns, **more}})


TURNS = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "Two."}]
# The columns of each row, the description, the shape and the first row as it is read.
DESCRIBED = {
    "swapped": ({"instruction": "Two.", "output": "One?"},
                {"prompt": "output", "response": "instruction"}, Shape.ALPACA,
                {"prompt": "One?", "completion": "Two."}),
    "renamed": ({"a": "One?", "b": "", "c": "Two.", "d": "Three."},
                {"prompt": "a", "query": "b", "response": "c"}, Shape.ALPACA,
                {"prompt": "One?", "completion": "Two."}),
    "compared": ({"q": "One?", "output": "No.", "better": "Two."},
                 {"prompt": "q", "chosen": "better", "rejected": "output"}, Shape.PREFERENCE,
                 {"prompt": "One?", "completion": "Two.", "rejected": "No."}),
    "marked": ({"q": "One?", "r": "Two.", "flag": True},
               {"prompt": "q", "response": "r", "kto_tag": "flag"}, Shape.FEEDBACK,
               {"prompt": "One?", "completion": "Two."}),
    "a chat": ({"note": "Three.", "talk": TURNS, "rules": "Be kind."},
               {"messages": "talk", "system": "rules"}, Shape.CHAT,
               {"messages": [{"role": "system", "content": "Be kind."}, *TURNS]}),
    "text": ({"prompt": "Three.", "completion": "One?"}, {"prompt": "completion"}, Shape.TEXT,
             {"text": "One?"}),
}  # fmt: skip


@pytest.mark.parametrize("layout", DESCRIBED)
def test_columns_are_as_a_description_says(store: Store, add_files, prepare, layout: str) -> None:
    row, columns, shape, made = DESCRIBED[layout]
    rows = to_jsonl([row | {"id": n} for n in range(8)])
    source = add_files({"rows.jsonl": rows, "dataset_info.json": factory(columns)})
    dataset = datasets.load_dataset(store, source)
    assert (dataset.shape, dataset.certain) == (shape, True)
    assert "as 'dataset_info.json' describes them" in dataset.reason
    assert prepare(source, goal="write").train_rows()[0] == made
    assert add_files({"rows.jsonl": rows}) != source  # the same rows, read in another way


def test_an_older_description_of_answers_in_a_list(store: Store, add_files) -> None:
    answers = ([f"Two {n}.", f"No {n}."] for n in range(8))
    rows = to_jsonl([{"instruction": "One?", "output": pair} for pair in answers])
    about = factory({"prompt": "instruction", "response": "output"}, ranking=True)
    source = add_files({"rows.jsonl": rows, "dataset_info.json": about})
    dataset = datasets.load_dataset(store, source)
    assert dataset.shape == Shape.PREFERENCE
    assert (dataset.roles["chosen"], dataset.roles["rejected"]) == ("output[0]", "output[1]")


def test_a_description_that_does_not_fit(store: Store, add_files) -> None:
    about = factory({"prompt": "prompt", "response": "answer"})
    with pytest.raises(DataError, match=r"names a column 'answer', which 'rows\.jsonl'"):
        add_files({"rows.jsonl": ROWS, "dataset_info.json": about})
    about = factory({"prompt": "x", "response": "y"}, "others.jsonl")
    source = add_files({"rows.jsonl": ROWS, "dataset_info.json": about})
    assert datasets.load_dataset(store, source).roles["prompt"] == "prompt"
    pair = {name: {"file_name": f"{name}.jsonl", "columns": {"prompt": one, "response": other}}
            for name, one, other in (("a", "p", "q"), ("b", "q", "p"))}  # fmt: skip
    files = {f"{name}.jsonl": to_jsonl([{"p": "One?", "q": "Two."}] * 8) for name in pair}
    with pytest.raises(DataError, match="in different ways"):
        add_files({**files, "dataset_info.json": json.dumps(pair)})
