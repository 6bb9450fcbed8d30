"""From a dataset to the rows that a run trains on: findings, fixes and the split."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data import datasets, edit, ingest
from engine.data.prepare import prepare_dataset
from engine.data.quality import pii
from engine.data.quality.languages import language_shares, script_shares
from engine.data.quality.near_duplicates import NearDuplicates
from engine.data.quality.split import choose_held_out
from engine.data.readers.table import ReadOptions
from engine.data.rows import read_rows
from engine.data.upload import Upload
from engine.errors import DataError
from engine.process import oneshot
from engine.spec.run import DataSpec, Shape
from engine.store.workspace import Store

SUBJECTS = (
    "cat",
    "river",
    "engine",
    "letter",
    "garden",
    "number",
    "window",
    "bridge",
    "story",
    "market",
)
VERBS = (
    "sleeps near",
    "crosses",
    "warms",
    "opens",
    "follows",
    "remembers",
    "paints",
    "carries",
    "finds",
    "leaves",
)


def row(number: int) -> dict[str, str]:
    """Rows that are unlike each other."""
    one, two = SUBJECTS[number % 10], SUBJECTS[number // 10 % 10]
    return {
        "prompt": f"What does the {one} do at {number}?",
        "completion": f"The {one} {VERBS[number * 7 % 10]} a {two}.",
    }


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home)


def add(store: Store, tmp_path: Path, rows: list, name: str = "rows.jsonl") -> str:
    path = tmp_path / "upload"
    path.write_text(
        "\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows),
        encoding="utf-8",
    )
    return ingest.ingest_files(store, [Upload(path, name)])


def found(prepared, kind: str):
    return next((finding for finding in prepared.findings if finding.kind == kind), None)


def rows_of(prepared) -> list[dict]:
    return [*prepared.train_rows(), *prepared.held_out_rows()]


def test_clean_rows_pass_as_they_are(store: Store, tmp_path: Path) -> None:
    rows = [row(number) for number in range(100)]
    prepared = prepare_dataset(store, DataSpec(source=add(store, tmp_path, rows)))
    assert (prepared.train, prepared.held_out, prepared.total) == (90, 10, 100)
    assert sorted(map(str, rows_of(prepared))) == sorted(map(str, rows))
    assert not prepared.findings
    prepared.require_usable()


def test_the_same_content_is_the_same_dataset_and_split(store: Store, tmp_path: Path) -> None:
    rows = [row(number) for number in range(50)]
    source = add(store, tmp_path, rows)
    assert add(store, tmp_path, rows) == source
    first = prepare_dataset(store, DataSpec(source=source))
    held = list(first.held_out_rows())
    again = prepare_dataset(
        Store(tmp_path / "elsewhere"),
        DataSpec(source=add(Store(tmp_path / "elsewhere"), tmp_path, rows)),
    )
    assert list(again.held_out_rows()) == held
    # What was held out stays so when rows are added; other seeds choose others.
    more = prepare_dataset(
        store, DataSpec(source=add(store, tmp_path, [*rows, *map(row, range(50, 60))]))
    )
    assert len([one for one in held if one in list(more.held_out_rows())]) >= len(held) - 2
    assert list(prepare_dataset(store, DataSpec(source=source, seed=7)).held_out_rows()) != held


def test_bad_rows_must_be_left_out_and_that_can_be_undone(store: Store, tmp_path: Path) -> None:
    rows = [*map(row, range(20)), "{not json", {"prompt": "a", "completion": ""}, "[1]"]
    source = add(store, tmp_path, rows)
    prepared = prepare_dataset(store, DataSpec(source=source))
    bad = found(prepared, "unusable")
    assert (bad.count, bad.level, bad.fix, bad.button) == (
        3,
        "stop",
        "unusable",
        "Leave these 3 out",
    )
    assert "Line 21 is not valid JSON" in bad.example and "Row 22: no answer" in bad.example
    with pytest.raises(DataError, match="3 rows of 23 cannot be used"):
        prepared.require_usable()
    fixed = prepare_dataset(store, DataSpec(source=source, fixes=("unusable",)))
    fixed.require_usable()
    assert (
        found(fixed, "unusable").done and fixed.train + fixed.held_out == 20 and fixed.total == 23
    )
    assert prepare_dataset(store, DataSpec(source=source)) == prepared


def test_duplicates_and_like_rows(store: Store, tmp_path: Path) -> None:
    long = (
        "The quick brown fox jumps over the lazy dog and then goes home to sleep until the sun "
        "comes up again"
    )
    alike = [{"prompt": "Tell.", "completion": f"{long} {word}."} for word in ("today", "now")]
    rows = [*map(row, range(20)), row(3), row(3), *alike]
    source = add(store, tmp_path, rows)
    prepared = prepare_dataset(store, DataSpec(source=source))
    assert (found(prepared, "duplicates").count, found(prepared, "duplicates").rows) == (
        2,
        [21, 22],
    )
    assert (found(prepared, "similar").count, found(prepared, "similar").rows) == (1, [24])
    fixed = prepare_dataset(store, DataSpec(source=source, fixes=("duplicates", "similar")))
    assert (
        fixed.train + fixed.held_out == 21
        and found(fixed, "duplicates").done
        and found(fixed, "similar").done
    )


def test_all_rows_the_same_leaves_nothing_to_check_with(store: Store, tmp_path: Path) -> None:
    prepared = prepare_dataset(store, DataSpec(source=add(store, tmp_path, [row(1)] * 12)))
    assert found(prepared, "duplicates").title == "All rows are the same"
    assert found(prepared, "split") and prepared.held_out == 0


def test_held_out_files_and_rows_that_stand_in_both(store: Store, tmp_path: Path) -> None:
    files = {"train.jsonl": range(20), "valid.jsonl": range(18, 26)}
    uploads = []
    for name, numbers in files.items():
        (tmp_path / name).write_text("\n".join(json.dumps(row(number)) for number in numbers))
        uploads.append(Upload(tmp_path / name, name))
    source = ingest.ingest_files(store, uploads)
    prepared = prepare_dataset(store, DataSpec(source=source, held_out=0.5))
    assert (prepared.train, prepared.held_out) == (20, 8)
    assert found(prepared, "leaked").count == 2 and "Held out" in " ".join(
        datasets.load_dataset(store, source).notes
    )
    fixed = prepare_dataset(store, DataSpec(source=source, fixes=("leaked",)))
    assert (fixed.train, fixed.held_out) == (20, 6)
    assert not [one for one in fixed.held_out_rows() if one in list(fixed.train_rows())]


def test_papers_beside_the_data_are_not_examples(store: Store, tmp_path: Path) -> None:
    files = {
        "README.md": "One.\n\nTwo.\n\nThree.\n\nFour.\n",
        ".DS_Store": "\0\1",
        "LICENSE": "MIT",
        "data.jsonl": "\n".join(json.dumps(row(number)) for number in range(9)),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    dataset = datasets.load_dataset(
        store, ingest.ingest_files(store, [Upload(tmp_path / name, name) for name in files])
    )
    note = "Not read, since they hold no examples: 'README.md', '.DS_Store', 'LICENSE'."
    assert dataset.rows == 9 and note in dataset.notes


def test_other_data_may_be_held_out(store: Store, tmp_path: Path) -> None:
    one = add(store, tmp_path, [row(number) for number in range(20)])
    other = add(
        store,
        tmp_path,
        [{"question": row(n)["prompt"], "answer": row(n)["completion"]} for n in range(50, 56)],
    )
    prepared = prepare_dataset(store, DataSpec(source=one, held_out_source=other))
    assert (
        list(prepared.held_out_rows()) == [row(number) for number in range(50, 56)]
        and prepared.train == 20
    )


def test_labels_are_stratified_counted_and_balanced(store: Store, tmp_path: Path) -> None:
    labels = ["ham"] * 200 + ["spam"] * 20
    rows = [
        {"text": f"{row(n)['completion']} {n}", "label": label} for n, label in enumerate(labels)
    ]
    source = add(store, tmp_path, rows)
    prepared = prepare_dataset(store, DataSpec(source=source))
    assert prepared.shape == Shape.LABEL and prepared.labels == {"ham": 180, "spam": 18}
    assert (
        sorted(one["completion"] for one in prepared.held_out_rows()) == ["ham"] * 20 + ["spam"] * 2
    )
    assert found(prepared, "balance").count == 160
    fixed = prepare_dataset(store, DataSpec(source=source, fixes=("balance",)))
    assert fixed.labels == {"ham": 36, "spam": 18}


def test_personal_data_is_counted_and_may_be_left_out(store: Store, tmp_path: Path) -> None:
    mine = [
        "Write to anna.berg@mail.example.org.",
        "Call +44 20 7946 0018 or 212-555-0123.",
        "My card is 4111 1111 1111 1111.",
        "Ring 020 7946 0018 today.",
    ]
    rows = [
        *map(row, range(20)),
        *({"prompt": text, "completion": f"Fine {n}."} for n, text in enumerate(mine)),
    ]
    source = add(store, tmp_path, rows)
    prepared = prepare_dataset(store, DataSpec(source=source))
    assert found(prepared, "personal").count == 4
    assert (
        "1 e-mail address, 2 telephone numbers, 1 card number" in found(prepared, "personal").text
    )
    fixed = prepare_dataset(store, DataSpec(source=source, fixes=("personal",)))
    assert sorted(map(str, rows_of(fixed))) == sorted(map(str, map(row, range(20))))


@pytest.mark.parametrize(
    "text",
    [
        "100-50-30-15 is 5",
        "450000-2000",
        "1-10015132-16",
        "2005-08-23 02:14",
        "1234567890123456",
        "0.9235687435",
        "a@b",
    ],
)
def test_sums_dates_and_ids_are_not_personal(text: str) -> None:
    assert pii.find_pii(text) is None


def test_the_instruction_for_all_rows_spares_those_that_have_one(
    store: Store, tmp_path: Path
) -> None:
    own = {
        "messages": [{"role": role, "content": role} for role in ("system", "user", "assistant")]
    }
    answer = {"role": "assistant", "content": "Yes."}
    none = [{"messages": [{"role": "user", "content": row(n)["prompt"]}, answer]} for n in range(9)]
    source = add(store, tmp_path, [own, *none])
    prepared = prepare_dataset(store, DataSpec(source=source, system=" Be brief. ", held_out=0.0))
    firsts = [one["messages"][0]["content"] for one in prepared.train_rows()]
    assert firsts == ["system"] + ["Be brief."] * 9


def test_columns_that_are_a_guess_must_be_confirmed(store: Store, tmp_path: Path) -> None:
    source = add(
        store,
        tmp_path,
        [{"frage": row(n)["prompt"], "antwort": row(n)["completion"]} for n in range(9)],
    )
    with pytest.raises(DataError, match="Which column is which"):
        prepare_dataset(store, DataSpec(source=source)).require_usable()
    chosen = DataSpec(
        source=source, shape=Shape.COMPLETION, roles={"prompt": "antwort", "completion": "frage"}
    )
    prepared = prepare_dataset(store, chosen)
    prepared.require_usable()
    assert rows_of(prepared)[0]["completion"].startswith("What does")
    with pytest.raises(DataError, match="choose the column for: Label"):
        prepare_dataset(store, DataSpec(source=source, shape=Shape.LABEL, roles={"text": "frage"}))


def test_answers_marked_as_bad_are_not_written(store: Store, tmp_path: Path) -> None:
    source = add(store, tmp_path, [row(n) | {"label": n % 2 == 0} for n in range(20)])
    prepared = prepare_dataset(store, DataSpec(source=source, goal="write"))
    assert prepared.train + prepared.held_out == 10 and found(prepared, "feedback").count == 10
    assert all("good" not in one for one in rows_of(prepared))


def test_files_can_be_read_in_another_way(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes("One day.\nÜber alles.\n\nTwo.\n\nThree.\n\nFour.\n".encode("cp1252"))
    source = oneshot.add_dataset_files(store, [(path, "a.txt")])
    assert "looks like Windows-1252" in " ".join(datasets.load_dataset(store, source).notes)
    other = oneshot.reread_dataset_files(
        store, source, ReadOptions(encoding="cp1251", parts="line")
    )
    assert [one["text"] for one in datasets.load_dataset(store, other).read_rows()] == [
        "One day.",
        "\u042cber alles.",
        "Two.",
        "Three.",
        "Four.",
    ]


def test_edits_make_a_new_dataset_and_leave_the_old_one(store: Store, tmp_path: Path) -> None:
    source = add(store, tmp_path, [row(number) for number in range(20)])
    prepared = prepare_dataset(store, DataSpec(source=source))
    changed = edit.with_edited_fields(edit.find_row(prepared, 3), ["Why?", "Because."])
    new = edit.save_edited_rows(
        store, prepared, {3: changed, 4: None}, [{"prompt": "New?", "completion": "Yes."}], source
    )
    rows = rows_of(prepare_dataset(store, DataSpec(source=new)))
    assert {"prompt": "Why?", "completion": "Because."} in rows and {
        "prompt": "New?",
        "completion": "Yes.",
    } in rows
    assert len(rows) == 20 and row(2) not in rows and row(3) not in rows
    card = datasets.load_dataset(store, new)
    assert (card.name, card.parent) == ("rows.jsonl (edit 1)", source)
    assert list(datasets.load_dataset(store, source).read_rows()) == [
        row(number) for number in range(20)
    ]
    with pytest.raises(DataError, match="no answer"):
        edit.with_edited_fields(row(1), ["Why?", " "])


def test_csv_cells_that_a_spreadsheet_would_run_are_escaped() -> None:
    rows = [{"prompt": "=1+1", "completion": "@x"}, {"prompt": "a,b", "completion": "-2"}]
    assert edit.rows_to_csv(rows, Shape.COMPLETION).split("\r\n")[1:3] == [
        "'=1+1,'@x",
        '"a,b",\'-2',
    ]
    assert [
        json.loads(line) for line in edit.rows_to_jsonl(rows, Shape.COMPLETION).splitlines()
    ] == rows


def test_languages_and_scripts() -> None:
    texts = [
        "This is a plain English sentence about the weather.",
        "Das ist ein deutscher Satz über das Wetter heute.",
        "Это русское предложение для нас, сегодня дождь.",
    ]
    assert set(language_shares(texts)) == {"en", "de", "ru"} and set(script_shares(texts)) == {
        "Latin",
        "Cyrillic",
    }


def test_a_few_rows_are_never_all_taken_away(store: Store, tmp_path: Path) -> None:
    prepared = prepare_dataset(
        store, DataSpec(source=add(store, tmp_path, [row(n) for n in range(5)]), held_out=0.5)
    )
    assert prepared.train >= 2 and found(prepared, "few")
    with pytest.raises(DataError, match="at least 4"):
        prepare_dataset(
            store, DataSpec(source=add(store, tmp_path, [row(n) for n in range(5)]), held_out=0.5)
        ).require_usable()


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["", "a", "b"])), min_size=2, max_size=200
    ),
    st.floats(0.0, 0.5),
    st.integers(0, 99),
)
def test_groups_are_never_torn_apart(rows, share: float, seed: int) -> None:
    items = [(group, bytes([group]), label, at) for at, (group, label) in enumerate(rows)]
    held = choose_held_out(items, share, seed)
    assert held == choose_held_out(list(reversed(items)), share, seed)
    inside = {item[0] for item in items if item[3] in held}
    assert held == {item[3] for item in items if item[0] in inside} and len(held) < len(items)
    if share == 0.0:
        assert not held


@given(st.lists(st.text(max_size=80), min_size=1, max_size=30))
def test_equal_texts_are_alike(texts: list[str]) -> None:
    alike = NearDuplicates()
    groups = [alike.add(text) for text in texts]
    for at, text in enumerate(texts):
        assert groups[at] == groups[texts.index(text)]


def test_rows_are_found_by_their_number(store: Store, tmp_path: Path) -> None:
    source = add(store, tmp_path, ["{bad", *map(row, range(9))])
    rows = datasets.load_dataset(store, source).read_rows()
    assert rows.index_of(1) is None and rows[rows.index_of(2)] == row(0) and rows.row_number(0) == 2
    assert not read_rows(tmp_path / "absent.arrow")


def test_labels_may_have_an_instruction(store: Store, tmp_path: Path) -> None:
    rows = [{"text": f"{row(n)['completion']} {n}", "label": "ab"[n % 2]} for n in range(20)]
    prepared = prepare_dataset(
        store, DataSpec(source=add(store, tmp_path, rows), system="Say a or b.")
    )
    assert (
        prepared.labels == {"a": 9, "b": 9}
        and prepared.train_rows()[0]["messages"][0]["content"] == "Say a or b."
    )


def test_class_names_and_parts_make_another_dataset(store: Store, tmp_path: Path) -> None:
    numbers = [{"text": f"{row(n)['completion']} {n}", "label": n % 2} for n in range(20)]
    (tmp_path / "num.jsonl").write_text("\n".join(map(json.dumps, numbers)))
    (tmp_path / "classes.txt").write_text("ham\nspam\n")
    plain = ingest.ingest_files(store, [Upload(tmp_path / "num.jsonl", "num.jsonl")])
    both = [Upload(tmp_path / name, name) for name in ("num.jsonl", "classes.txt")]
    named = ingest.ingest_files(store, both)
    assert set(prepare_dataset(store, DataSpec(source=plain)).labels) == {"0", "1"}
    assert set(prepare_dataset(store, DataSpec(source=named)).labels) == {"ham", "spam"}


def test_a_shared_instruction_does_not_make_rows_alike(store: Store, tmp_path: Path) -> None:
    long = (
        "You are given the name of a thing and you have to say in one word what it is good for. "
        "The name of it is"
    )
    rows = [
        {"prompt": f"{long} {row(n)['prompt'].split()[3]}{n}.", "completion": f"use{n}"}
        for n in range(60)
    ]
    prepared = prepare_dataset(store, DataSpec(source=add(store, tmp_path, rows)))
    assert not found(prepared, "similar") and prepared.held_out == 6


def test_files_of_one_table_may_write_their_columns_differently(
    store: Store, tmp_path: Path
) -> None:
    for name, head, numbers in (
        ("a.csv", "prompt,completion", range(8)),
        ("b.csv", "Prompt,Completion", range(8, 12)),
    ):
        body = "".join(f"{row(n)['prompt']},{row(n)['completion']}\n" for n in numbers)
        (tmp_path / name).write_text(f"{head}\n{body}" + (",\n" if name == "b.csv" else ""))
    source = ingest.ingest_files(
        store, [Upload(tmp_path / name, name) for name in ("a.csv", "b.csv")]
    )
    prepared = prepare_dataset(store, DataSpec(source=source, fixes=("unusable",)))
    assert prepared.train + prepared.held_out == 12
    assert (
        "'b.csv', row 5: no question"
        in found(prepare_dataset(store, DataSpec(source=source)), "unusable").example
    )


def test_held_out_data_of_another_kind_is_refused(store: Store, tmp_path: Path) -> None:
    one = add(store, tmp_path, [row(n) for n in range(20)])
    other = add(store, tmp_path, [{"text": row(n)["completion"]} for n in range(20)])
    prepared = prepare_dataset(store, DataSpec(source=one, held_out_source=other))
    with pytest.raises(DataError, match="does not fit"):
        prepared.require_usable()


def test_equal_rows_beyond_those_compared_stay_on_one_side(
    store: Store, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("engine.data.row_facts.COMPARED_ROWS", 10)
    source = add(store, tmp_path, [row(n % 40) for n in range(120)])
    prepared = prepare_dataset(store, DataSpec(source=source, held_out=0.3))
    assert prepared.held_out > 10
    assert not [one for one in prepared.held_out_rows() if one in list(prepared.train_rows())]


def test_the_same_file_twice_at_once_is_one_dataset(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_text("\n".join(json.dumps(row(n)) for n in range(200)))
    with ThreadPoolExecutor(4) as pool:
        sources = list(
            pool.map(lambda _: oneshot.add_dataset_files(store, [(path, "a.jsonl")]), range(4))
        )
        made = list(
            pool.map(
                lambda _: prepare_dataset(store, DataSpec(source=sources[0], seed=9)), range(4)
            )
        )
    assert (
        len(set(sources)) == 1 and len({one.folder for one in made}) == 1 and made[0].train == 180
    )


@pytest.mark.parametrize(
    ("row_", "certain"),
    [
        ({"text": "A fine film with good actors and music.", "rating": 4}, True),
        (
            {
                "document": "A long report about the weather of the week.",
                "summary": "It rained all week long.",
            },
            True,
        ),
        (
            {
                "text": "A sentence about something or other here.",
                "note": "Another sentence that may matter a lot.",
            },
            False,
        ),
        (
            {
                "text": "A sentence about something or other here.",
                "url": "https://example.org/a",
                "id": 3,
            },
            True,
        ),
        (
            {
                "question": "Why is it so?",
                "context": "Because of that and that.",
                "answer": "That.",
            },
            True,
        ),
    ],
)
def test_a_column_that_may_matter_is_not_passed_over(
    store: Store, tmp_path: Path, row_: dict, certain: bool
) -> None:
    rows = [
        {key: value if isinstance(value, int) else f"{value} {n}" for key, value in row_.items()}
        for n in range(40)
    ]
    for n, one in enumerate(rows):
        if "rating" in one:
            one["rating"] = n % 5
    dataset = datasets.load_dataset(store, add(store, tmp_path, rows))
    assert dataset.certain == certain
    assert ("rating" in row_) == (dataset.shape == Shape.LABEL) and ("summary" in row_) == (
        dataset.shape == Shape.COMPLETION
    )
    if "context" in row_:
        assert set(dataset.roles.values()) == set(row_)


@pytest.mark.slow
def test_a_worker_s_library_maps_the_same_files(store: Store, tmp_path: Path) -> None:
    from datasets import Dataset

    prepared = prepare_dataset(
        store, DataSpec(source=add(store, tmp_path, [row(n) for n in range(20)]))
    )
    mapped = Dataset.from_file(str(prepared.train_file), in_memory=False)
    assert [json.loads(text) for text in mapped["row"]] == list(prepared.train_rows())
