"""Columns that may say whether a row is good are asked about, and leave rows out when answered."""

from __future__ import annotations

from typing import Any

import pytest

from engine.data.prepared import Prepared
from engine.data.quality.deciding_columns import leaves_out, value_text
from engine.data.quality.findings import Finding
from engine.errors import DataError
from engine.spec.run import Shape
from tests.engine.data.made_rows import make_rows, rows_of

VERDICTS: list[tuple[str, list[Any], list[str]]] = [
    ("verdict", ["accept", "reject", "ignore"], ["reject", "ignore"]),
    ("status", ["approved", "pending", "rejected"], ["pending", "rejected"]),
    ("annotation_status", ["submitted", "discarded", "submitted"], ["discarded"]),
    ("was_cancelled", [False, True], ["true"]),
    ("quality", ["good", "bad", "unsure"], ["bad", "unsure"]),
    ("review", ["✅", "❌", "?"], ["❌"]),
    ("is_valid", [1.0, 0.0, 2.0], ["0"]),
    ("Urteil", ["gut", "schlecht", "unklar"], ["schlecht", "unklar"]),
    ("flagged", ["", "x", ""], ["x"]),
]


def asked(prepared: Prepared) -> list[Finding]:
    return [one for one in prepared.findings if one.kind == "verdict"]


def with_column(name: str, values: list[Any]) -> list[dict[str, Any]]:
    return [{**row, name: values[n % len(values)]} for n, row in enumerate(make_rows(24))]


@pytest.mark.parametrize(("name", "values", "bad"), VERDICTS, ids=[one[0] for one in VERDICTS])
def test_a_verdict_stops_until_it_is_answered(
    add_rows, prepare, name: str, values: list[Any], bad: list[str]
) -> None:
    source = add_rows(with_column(name, values))
    prepared = prepare(source)
    (found,) = asked(prepared)
    assert (found.level, found.column, found.suggested) == ("stop", name, bad)
    assert sum(found.choices.values()) == 24 and f"'{name}'" in found.title
    with pytest.raises(DataError, match="say which rows are good"):
        prepared.require_usable()
    answered = prepare(source, left_out={name: bad})
    gone = sum(rows for value, rows in found.choices.items() if value in bad)
    assert answered.train + answered.held_out == 24 - gone and answered.total == 24
    (done,) = asked(answered)
    assert done.done and f"{gone} row" in done.title
    answered.require_usable()
    nothing = prepare(source, left_out={name: []})
    nothing.require_usable()
    assert nothing.train + nothing.held_out == 24 and asked(nothing)[0].done


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("category", ["a", "b", "c"]), ("rating", [1, 2, 3, 4, 5]),
        ("flags", [["odd"], [], ["odd", "long"]]),
        ("has_image", [True, False]), ("stars", [1, 2, 3, 4]),
        ("gut", ["ja", "nein"]), ("lang", ["en", "de"]), ("urgent", ["x", "", ""]),
    ],
)  # fmt: skip
def test_a_column_that_repeats_is_asked_about_but_stops_nothing(
    add_rows, prepare, name: str, values: list[Any]
) -> None:
    prepared = prepare(add_rows(with_column(name, values)))
    (found,) = asked(prepared)
    assert (found.level, found.column, found.suggested) == ("warn", name, [])
    assert "is not used" in found.title
    prepared.require_usable()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("id", list(range(24))), ("source", ["web"]), ("verdict", ["accept"]),
        ("platform", ["x"]), ("remark", ["-"]), ("remark", ["-", "", ""]),
        ("date", ["2024-01-01", "2024-01-02"]), ("lead_time", [n / 7 for n in range(24)]),
        ("url", [f"https://example.org/{n}" for n in range(24)]), ("empty", [None, ""]),
        ("incorrect_answers", [[f"no {n}", f"not {n}"] for n in range(24)]),
        ("note", [f"A remark of its own, number {n}, in words." for n in range(24)]),
    ],
)  # fmt: skip
def test_what_decides_nothing_is_not_asked_about(
    add_rows, prepare, name: str, values: list[Any]
) -> None:
    assert not asked(prepare(add_rows(with_column(name, values))))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("quality", [n / 7 for n in range(24)]), ("score", [f"{n / 7:.3f}" for n in range(24)]),
        ("reward", list(range(-12, 12))), ("verification", [n * 1.5 for n in range(24)]),
    ],
)  # fmt: skip
def test_a_score_of_rows_is_asked_about(add_rows, prepare, name: str, values: list[Any]) -> None:
    source = add_rows(with_column(name, values))
    (found,) = asked(prepare(source))
    assert (found.level, found.column, found.choices) == ("warn", name, {})
    assert f"to {float(values[-1]):g}" in found.text
    assert not asked(prepare(source, left_out={name: []}))


def test_what_one_of_two_answers_is_worth_judges_no_row(add_rows, prepare) -> None:
    rows = [{"prompt": row["prompt"], "chosen": row["completion"], "rejected": f"No, {n}.",
             "rejected-rating": n % 3, "chosen-model": "ab"[n % 2]}
            for n, row in enumerate(make_rows(24))]  # fmt: skip
    assert not asked(prepare(add_rows(rows)))


def test_a_verdict_against_every_row_is_asked_about(add_rows, prepare) -> None:
    (found,) = asked(prepare(add_rows(with_column("verdict", ["rejected"]))))
    assert found.level == "stop" and found.suggested == ["rejected"]


def test_a_verdict_is_found_beside_labels_and_within_objects(add_rows, prepare) -> None:
    def rows(**more: Any) -> list[dict[str, Any]]:
        return [{"text": f"{row['completion']} {n}", "label": "ab"[n % 2],
                 **{key: value[n % 3] for key, value in more.items()}}
                for n, row in enumerate(make_rows(24))]  # fmt: skip

    (found,) = asked(prepare(add_rows(rows(answer=["accept", "reject", "ignore"]))))
    assert (found.column, found.level) == ("answer", "stop")  # Prodigy's
    objects = [{"verdict": {"status": one}} for one in ("good", "bad", "good")]
    (found,) = asked(prepare(add_rows(rows(meta=objects))))
    assert (found.column, found.level) == ("meta.verdict.status", "stop")
    source = add_rows(rows(meta=objects))
    left = prepare(source, left_out={"meta.verdict.status": ["bad"]})
    assert left.train + left.held_out == 16
    lists = [[{"was_cancelled": one}] for one in (False, True, False)]
    (found,) = asked(prepare(add_rows(rows(annotations=lists))))
    assert found.column == "annotations[0].was_cancelled"


def test_another_writing_of_the_label_is_not_asked_about(add_rows, prepare) -> None:
    rows = [{"text": f"{row['completion']} {n}", "label": "abc"[n % 3], "label_int": n % 3}
            for n, row in enumerate(make_rows(24))]  # fmt: skip
    assert not asked(prepare(add_rows(rows)))


def test_a_column_of_the_other_reading_is_asked_about_once(add_rows, prepare) -> None:
    rows = [{"Thema": "ab"[n % 2], "Eins": row["prompt"], "Zwei": row["completion"]}
            for n, row in enumerate(make_rows(24))]  # fmt: skip
    prepared = prepare(add_rows(rows))
    assert not asked(prepared)
    unsure = next(one for one in prepared.findings if one.kind == "unsure")
    assert unsure.level == "stop" and [one.number for one in unsure.readings] == [1, 1]
    answer, label = (one.row for one in unsure.readings)
    assert answer == {"prompt": rows[0]["Eins"], "completion": rows[0]["Zwei"]}
    assert label["completion"] == "a"
    with pytest.raises(DataError, match="Which column is which"):
        prepared.require_usable()


def test_held_out_data_with_the_same_columns_is_read_alike(add_rows, prepare) -> None:
    def rows(start: int) -> list[dict[str, Any]]:
        return [{"Frage": row["prompt"], "Antwort": row["completion"]}
                for row in make_rows(start, start + 30)]  # fmt: skip

    train, held_out = add_rows(rows(0)), add_rows(rows(40))
    roles = {"prompt": "Frage", "completion": "Antwort"}
    chosen = {"shape": Shape.COMPLETION, "roles": roles, "held_out_source": held_out}
    prepared = prepare(train, **chosen)
    prepared.require_usable()
    assert prepared.held_out == 30 and rows_of(prepared)[-1].keys() == {"prompt", "completion"}


def test_which_values_are_counted() -> None:
    values = [None, " ", True, 1.0, 1.5, "a ", "x" * 61, ["a", 1], [{}], {}]
    assert [value_text(one) for one in values] == [
        "",
        "",
        "true",
        "1",
        None,
        "a",
        None,
        "a, 1",
        None,
        "",
    ]
    assert leaves_out({"a": {"b": 1.0}}, {"a.b": ["1"]}) and leaves_out({}, {"c": [""]})
    assert not leaves_out({"c": "x"}, {"c": [], "d": ["x"]})


def test_rows_left_out_leave_the_rest_as_it_is(add_rows, prepare) -> None:
    source = add_rows(with_column("verdict", ["accept", "reject", "accept"]))
    left = prepare(source, left_out={"verdict": ["reject"]})
    kept = [row for n, row in enumerate(make_rows(24)) if n % 3 != 1]
    assert sorted(row["prompt"] for row in rows_of(left)) == sorted(row["prompt"] for row in kept)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("incorrect_answers", [["Rome", "Oslo"], ["red", "blue"], ["4", "5"]]),
        ("correct_answer", ["A", "B", "C"]), ("quality", ["fine cloth", "linen", "wool"]),
        ("gold_response_1", ["one", "two", "one"]),
    ],
)  # fmt: skip
def test_a_name_alone_is_no_verdict_of_few_rows(
    add_rows, prepare, name: str, values: list[Any]
) -> None:
    rows = [row | {name: values[n % 3]} for n, row in enumerate(make_rows(3))]
    prepared = prepare(add_rows([*rows, make_rows(4)[3] | {name: "other"}]))
    assert not asked(prepared)


@pytest.mark.parametrize("name", ["is_correct_answer", "bad_response"])
def test_yes_and_no_are_a_verdict_of_an_answer(add_rows, prepare, name: str) -> None:
    (found,) = asked(prepare(add_rows(with_column(name, [True, False, "maybe"]))))
    assert found.level == "stop"
