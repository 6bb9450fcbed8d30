"""From a dataset to the rows that a run trains on: findings, fixes and the split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.data import datasets
from engine.data.prepare import prepare_dataset
from engine.errors import DataError
from engine.spec.run import DataSpec, Shape
from engine.store.workspace import Store
from tests.engine.data.made_rows import find, labelled_rows, make_rows, row, rows_of, to_jsonl


def test_clean_rows_pass_as_they_are(add_rows, prepare) -> None:
    rows = make_rows(100)
    prepared = prepare(add_rows(rows))
    assert (prepared.train, prepared.held_out, prepared.total) == (90, 10, 100)
    assert sorted(map(str, rows_of(prepared))) == sorted(map(str, rows))
    assert [one.title for one in prepared.findings] == ["Only 90 rows to learn from"]
    prepared.require_usable()


def test_bad_rows_must_be_left_out_and_that_can_be_undone(add_rows, prepare) -> None:
    rows = [*make_rows(20), "{not json", {"prompt": "a", "completion": ""}, "[1]"]
    source = add_rows(rows)
    prepared = prepare(source)
    bad = find(prepared, "unusable")
    assert (bad.count, bad.level, bad.fix) == (3, "stop", "unusable")
    assert bad.button == "Leave these 3 out"
    assert "Line 21 is not valid JSON" in bad.example and "Row 22: no answer" in bad.example
    with pytest.raises(DataError, match="3 rows of 23 cannot be used"):
        prepared.require_usable()
    fixed = prepare(source, fixes=("unusable",))
    fixed.require_usable()
    assert find(fixed, "unusable").done
    assert fixed.train + fixed.held_out == 20 and fixed.total == 23
    assert prepare(source) == prepared


def test_rows_that_are_empty_where_it_matters_are_no_fault(add_rows, prepare) -> None:
    """A spreadsheet's line that holds a number or a date alone is as good as blank."""
    rows = [{"nr": n, **one} for n, one in enumerate(make_rows(20))]
    blank = [{"nr": 20, "prompt": "", "completion": " "}, {"nr": 21}]
    prepared = prepare(add_rows([*rows, *blank]))
    assert (prepared.total, prepared.blank, prepared.unusable) == (20, 2, 0)
    assert prepared.skipped == "2 rows were skipped: 'prompt' and 'completion' are empty there."
    prepared.require_usable()
    half = prepare(add_rows([*rows, *blank, {"nr": 22, "prompt": "Why?", "completion": ""}]))
    assert (half.total, half.blank, half.unusable) == (21, 2, 1)
    fixed = prepare(add_rows([*rows, *blank, {"nr": 22, "prompt": "Why?"}]), fixes=("unusable",))
    assert (fixed.unusable, fixed.total - fixed.train - fixed.held_out) == (0, 1)


def test_duplicates_and_like_rows(add_rows, prepare) -> None:
    long = (
        "The quick brown fox jumps over the lazy dog and then goes home to sleep until the sun "
        "comes up again"
    )
    alike = [{"prompt": "Tell.", "completion": f"{long} {word}."} for word in ("today", "now")]
    source = add_rows([*make_rows(20), row(3), row(3), *alike])
    prepared = prepare(source)
    equal, similar = find(prepared, "duplicates"), find(prepared, "similar")
    assert (equal.count, equal.rows, similar.count, similar.rows) == (2, [21, 22], 1, [24])
    fixed = prepare(source, fixes=("duplicates", "similar"))
    assert fixed.train + fixed.held_out == 21
    assert find(fixed, "duplicates").done and find(fixed, "similar").done


def test_all_rows_the_same_leaves_nothing_to_check_with(add_rows, prepare) -> None:
    prepared = prepare(add_rows([row(1)] * 12))
    assert find(prepared, "duplicates").title == "All rows are the same"
    assert find(prepared, "split") and prepared.held_out == 0


def test_held_out_files_and_rows_that_stand_in_both(store, add_files, prepare) -> None:
    files = {"train.jsonl": make_rows(20), "valid.jsonl": make_rows(18, 26)}
    source = add_files({name: to_jsonl(rows) for name, rows in files.items()})
    prepared = prepare(source, held_out=0.5)
    assert (prepared.train, prepared.held_out) == (20, 8)
    assert find(prepared, "leaked").count == 2
    assert "Held out" in " ".join(datasets.load_dataset(store, source).notes)
    fixed = prepare(source, fixes=("leaked",))
    assert (fixed.train, fixed.held_out) == (20, 6)
    assert not [one for one in fixed.held_out_rows() if one in list(fixed.train_rows())]


def test_other_data_may_be_held_out(add_rows, prepare) -> None:
    one, rows = add_rows(make_rows(20)), make_rows(50, 56)
    other = add_rows([{"question": one["prompt"], "answer": one["completion"]} for one in rows])
    prepared = prepare(one, held_out_source=other)
    assert list(prepared.held_out_rows()) == rows and prepared.train == 20


def test_held_out_data_of_another_kind_is_refused(add_rows, prepare) -> None:
    one = add_rows(make_rows(20))
    other = add_rows([{"text": row["completion"]} for row in make_rows(20)])
    with pytest.raises(DataError, match="does not fit"):
        prepare(one, held_out_source=other).require_usable()


def test_labels_are_stratified_counted_and_balanced(add_rows, prepare) -> None:
    source = add_rows(labelled_rows(["ham"] * 200 + ["spam"] * 20))
    prepared = prepare(source)
    assert prepared.shape == Shape.LABEL and prepared.labels == {"ham": 180, "spam": 18}
    held_out = sorted(one["completion"] for one in prepared.held_out_rows())
    assert held_out == ["ham"] * 20 + ["spam"] * 2
    assert find(prepared, "balance").count == 160
    assert prepare(source, fixes=("balance",)).labels == {"ham": 36, "spam": 18}


def test_a_share_is_held_out_of_rows_that_each_have_their_own_number(add_rows, prepare) -> None:
    rows = [{"text": f"Text {n} of {n * 31 % 97}.", "label": n / 7} for n in range(100)]
    prepared = prepare(add_rows(rows), held_out=0.2)
    assert prepared.shape == Shape.LABEL and 15 <= prepared.held_out <= 25
    assert not {"rare", "balance"} & {finding.kind for finding in prepared.findings}


def test_labels_may_have_an_instruction(add_rows, prepare) -> None:
    prepared = prepare(add_rows(labelled_rows(["a", "b"] * 10)), system="Say a or b.")
    assert prepared.labels == {"a": 9, "b": 9}
    assert prepared.train_rows()[0]["messages"][0]["content"] == "Say a or b."


def test_personal_data_is_counted_and_may_be_left_out(add_rows, prepare) -> None:
    texts = [
        "Write to anna.berg@mail.example.org.",
        "Call +44 20 7946 0018 or 212-555-0123.",
        "My card is 4111 1111 1111 1111.",
        "Ring 020 7946 0018 today.",
    ]
    mine = [{"prompt": text, "completion": f"Fine {n}."} for n, text in enumerate(texts)]
    source = add_rows([*make_rows(20), *mine])
    found = find(prepare(source), "personal")
    assert found.count == 4
    assert "1 e-mail address, 2 telephone numbers, 1 card number" in found.text
    fixed = prepare(source, fixes=("personal",))
    assert sorted(map(str, rows_of(fixed))) == sorted(map(str, make_rows(20)))


def test_the_instruction_for_all_rows_spares_those_that_have_one(add_rows, prepare) -> None:
    roles = ("system", "user", "assistant")
    own = {"messages": [{"role": role, "content": role} for role in roles]}
    answer = {"role": "assistant", "content": "Yes."}
    none = [
        {"messages": [{"role": "user", "content": row["prompt"]}, answer]} for row in make_rows(9)
    ]
    prepared = prepare(add_rows([own, *none]), system=" Be brief. ", held_out=0.0)
    firsts = [one["messages"][0]["content"] for one in prepared.train_rows()]
    assert firsts == ["system"] + ["Be brief."] * 9


def test_columns_that_are_a_guess_must_be_confirmed(add_rows, prepare) -> None:
    rows = [{"eins": row["prompt"], "zwei": row["completion"]} for row in make_rows(9)]
    source = add_rows(rows)
    with pytest.raises(DataError, match="Which column is which"):
        prepare(source).require_usable()
    roles = {"prompt": "zwei", "completion": "eins"}
    prepared = prepare(source, shape=Shape.COMPLETION, roles=roles)
    prepared.require_usable()
    assert rows_of(prepared)[0]["completion"].startswith("What does")
    with pytest.raises(DataError, match="choose the column for: Label"):
        prepare(source, shape=Shape.LABEL, roles={"text": "eins"})


@pytest.mark.parametrize(
    ("asks", "answers"),
    [
        ("Frage des Kunden", "Antwort vom Team"),
        ("pregunta", "respuesta"),
        ("question", "réponse"),
        ("customer_question", "our reply"),
    ],
)
def test_names_that_say_question_and_answer_are_known(
    add_rows, prepare, asks: str, answers: str
) -> None:
    """In any order, and beside a column that could be a label."""
    rows = [{answers: row["completion"], "group": "ab"[n % 2], asks: row["prompt"]}
            for n, row in enumerate(make_rows(30))]  # fmt: skip
    prepared = prepare(add_rows(rows))
    assert prepared.roles == {"prompt": asks, "completion": answers}
    assert not any(one.kind == "unsure" for one in prepared.findings)


def test_answers_marked_as_bad_are_not_written(add_rows, prepare) -> None:
    rows = [row | {"label": n % 2 == 0} for n, row in enumerate(make_rows(20))]
    prepared = prepare(add_rows(rows), goal="write")
    assert prepared.train + prepared.held_out == 10 and find(prepared, "feedback").count == 10
    assert all("good" not in one for one in rows_of(prepared))


def test_a_few_rows_are_never_all_taken_away(add_rows, prepare) -> None:
    prepared = prepare(add_rows(make_rows(5)), held_out=0.5)
    assert prepared.train >= 2 and find(prepared, "few")
    with pytest.raises(DataError, match="at least 4"):
        prepared.require_usable()


def test_a_shared_instruction_does_not_make_rows_alike(add_rows, prepare) -> None:
    long = (
        "You are given the name of a thing and you have to say in one word what it is good for. "
        "The name of it is"
    )
    names = [f"{row['prompt'].split()[3]}{n}" for n, row in enumerate(make_rows(60))]
    rows = [{"prompt": f"{long} {name}.", "completion": f"use{n}"} for n, name in enumerate(names)]
    prepared = prepare(add_rows(rows))
    assert not find(prepared, "similar") and prepared.held_out == 6


def test_equal_rows_beyond_those_compared_stay_on_one_side(add_rows, prepare, monkeypatch) -> None:
    monkeypatch.setattr("engine.data.row_facts.COMPARED_ROWS", 10)
    prepared = prepare(add_rows(make_rows(40) * 3), held_out=0.3)
    assert prepared.held_out > 10
    assert not [one for one in prepared.held_out_rows() if one in list(prepared.train_rows())]


@pytest.mark.slow
def test_a_worker_s_library_maps_the_same_files(add_rows, prepare) -> None:
    from datasets import Dataset

    prepared = prepare(add_rows(make_rows(20)))
    mapped = Dataset.from_file(str(prepared.train_file), in_memory=False)
    assert [json.loads(text) for text in mapped["row"]] == list(prepared.train_rows())


def test_a_sample_as_it_comes_is_prepared_once_for_all_owners(home: Path) -> None:
    """With a word or a choice of a user's it stands in his own folder."""
    store, spec = Store(home), DataSpec(source="sample:reviews")
    ada, ben = store.for_owner("ada"), store.for_owner("ben")
    first = prepare_dataset(ada, spec)
    assert prepare_dataset(ben, spec) == first and store.samples in first.folder.parents
    assert not ada.home.exists() and not ben.home.exists()
    for changed in ({"system": "Be kind."}, {"seed": 7}):
        own = prepare_dataset(ada, spec.model_copy(update=changed))
        assert ada.prepared in own.folder.parents
