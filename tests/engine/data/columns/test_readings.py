"""Where two readings are possible, both are given; one is certain only where the other is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from engine.data.normalize import normalize_row
from engine.data.rows import Row
from engine.data.schema import Schema, Shape, schema_from_card
from engine.errors import DataError
from tests.engine.data.columns.tables import ask, bad, good, infer, read_rows

LABEL, ANSWER, TEXT = Shape.LABEL, Shape.COMPLETION, Shape.TEXT
# Layout -> the two readings, each with the columns in the order of its roles.
ASKED: dict[str, tuple[Callable[[int], Row], Shape, Shape]] = {
    "German": (lambda n: {"Kategorie": f"K{n % 3}", "Erstes": ask(n), "Zweites": good(n)},
               ANSWER, LABEL),
    "French": (lambda n: {"catégorie": "abc"[n % 3], "premier": ask(n), "second": good(n)},
               ANSWER, LABEL),
    "Spanish": (lambda n: {"primero": ask(n), "segundo": good(n), "tema": "xy"[n % 2]},
                ANSWER, LABEL),
    "Chinese": (lambda n: {"类别": "甲乙"[n % 2], "问题": f"第{n}个问题是什么\uff1f",
                           "答案": f"答案{n}在这里。"}, ANSWER, LABEL),
    "numbered": (lambda n: {"Nr": n, "Thema": "ab"[n % 2], "Eins": ask(n), "Zwei": good(n)},
                 ANSWER, LABEL),
    "answers of a word": (lambda n: {"Thema": "ab"[n % 2], "Eins": ask(n), "Zwei": f"Wort{n}"},
                          ANSWER, LABEL),
    "question and answer": (lambda n: {"Eins": ask(n), "Zwei": good(n)}, ANSWER, ANSWER),
    "two categories": (lambda n: {"a": "xy"[n % 2], "b": "pqr"[n % 3], "c": ask(n), "d": good(n)},
                       ANSWER, ANSWER),
    "numbers and a text": (lambda n: {"Nr": n, "Inhalt": good(n)}, TEXT, LABEL),
    "a text and its class": (lambda n: {"Satz": good(n), "Klasse": "AB"[n % 2]}, LABEL, TEXT),
    "a text and its author": (
        lambda n: {"Nr": n, "Autor": ["Ann", "Bob"][n % 2], "Brief": bad(n)}, LABEL, TEXT),
    "a date, a text, a class": (
        lambda n: {"Datum": f"2024-01-{n + 1:02}", "Satz": good(n), "Klasse": "AB"[n % 2]},
        LABEL, TEXT),
    "answers of two words": (lambda n: {"Frage": ask(n), "Antwort": ["ja", "nein"][n % 2]},
                             LABEL, ANSWER),
    "known names, and a text more": (
        lambda n: {"category": "ab"[n % 2], "text": ask(n), "antwort": good(n)}, LABEL, ANSWER),
    "a title that asks": (
        lambda n: {"topic": "ab"[n % 2], "title": ask(n), "body": good(n)}, LABEL, ANSWER),
    "a text and a few words": (lambda n: {"text": good(n), "note": "ab"[n % 2]}, TEXT, LABEL),
    "a text and a text": (lambda n: {"text": ask(n), "note": good(n)}, TEXT, ANSWER),
    "a label in an object": (lambda n: {"text": good(n), "meta": {"kind": "ab"[n % 2]}},
                             TEXT, LABEL),
    "a label in a list of objects": (
        lambda n: {"text": good(n), "annotations": [{"result": [{"kind": "ab"[n % 2]}]}]},
        TEXT, LABEL),
    "two labels": (
        lambda n: {"text": good(n), "sentiment": "ab"[n % 2], "topic": "xyz"[n % 3]}, LABEL, LABEL),
    "a corrected answer": (
        lambda n: {"prompt": ask(n), "response": bad(n), "corrected_response": good(n)},
        ANSWER, ANSWER),
    "an edited answer": (
        lambda n: {"question": ask(n), "Answer (edited)": good(n), "answer": bad(n)},
        ANSWER, ANSWER),
    "an instruction and its improved output": (
        lambda n: {"instruction": ask(n), "input": "", "output": bad(n), "improved": good(n)},
        Shape.ALPACA, Shape.ALPACA),
    "two answers in a list": (
        lambda n: {"instruction": ask(n), "input": "", "output": [good(n), bad(n)]},
        Shape.ALPACA, Shape.PREFERENCE),
    "answers as objects in a list": (
        lambda n: {"question": ask(n), "answers": [{"text": good(n)}, {"text": bad(n)}]},
        ANSWER, Shape.PREFERENCE),
    "three answers in a list": (
        lambda n: {"prompt": ask(n), "response": [good(n), bad(n), f"Say {n} again."]},
        ANSWER, Shape.PREFERENCE),
    "two answers beside a topic": (
        lambda n: {"topic": "ab"[n % 2], "question": ask(n), "answer": [good(n), bad(n)]},
        ANSWER, Shape.PREFERENCE),
    "pairs of Quora": (
        lambda n: {"id": n, "qid1": 2 * n, "qid2": 2 * n + 1, "question1": ask(n),
                   "question2": f"Where is {n}?", "is_duplicate": n % 2}, LABEL, ANSWER),
    "two texts that are alike": (
        lambda n: {"sentence_a": good(n), "sentence_b": bad(n), "same": n % 2}, LABEL, ANSWER),
    "numbered texts": (
        lambda n: {"Satz 1": good(n), "Satz 2": bad(n), "Urteil": "xyz"[n % 3]}, LABEL, ANSWER),
    "two sentences": (
        lambda n: {"sentence1": good(n), "sentence2": bad(n), "paraphrase": "xy"[n % 2]},
        LABEL, ANSWER),
    "a mark in turns and beside them": (
        lambda n: {"messages": [{"role": "user", "content": ask(n)},
                                {"role": "assistant", "content": good(n),
                                 "thumbs": ["down", "up"][n % 2]}], "label": n % 2 == 0},
        Shape.FEEDBACK, Shape.CHAT),
    "a mask in turns and a mark beside them": (
        lambda n: {"messages": [{"role": "user", "content": ask(n)},
                                {"role": "assistant", "content": good(n), "mask": n % 2}],
                   "label": n % 2 == 0}, Shape.FEEDBACK, Shape.CHAT),
    "three texts": (lambda n: {"Frage": ask(n), "gut": good(n), "schlecht": bad(n)},
                    ANSWER, Shape.PREFERENCE),
    "texts in one object": (lambda n: {"translation": {"en": good(n), "de": bad(n)}},
                            ANSWER, ANSWER),
    "people": (lambda n: {"answers of Ann": [{"role": "user", "content": ask(n)},
                                             {"role": "assistant", "content": good(n)}],
                          "answers of Bob": [{"role": "user", "content": good(n)},
                                             {"role": "assistant", "content": ask(n)}]},
               Shape.CHAT, Shape.CHAT),
}  # fmt: skip


@pytest.mark.parametrize("layout", ASKED)
def test_two_readings_are_asked_about(layout: str) -> None:
    make_row, first, second = ASKED[layout]
    rows = [make_row(number) for number in range(24)]
    schema = infer(rows)
    assert not schema.certain and "Is that right?" in schema.reason
    other = schema.alternative
    assert other and (schema.shape, other.shape) == (first, second)
    assert (schema.shape, schema.roles) != (other.shape, other.roles)
    for one in (schema, other):
        assert normalize_row(rows[0], one)
    assert schema_from_card(schema.as_card()) == schema  # as a dataset keeps it


CERTAIN: dict[str, tuple[Callable[[int], Row], Shape]] = {
    "names in German, beside a category": (
        lambda n: {"Kategorie": f"K{n % 3}", "Antwort": good(n), "Frage": ask(n)}, ANSWER),
    "names in French": (
        lambda n: {"catégorie": "abc"[n % 3], "question": ask(n), "réponse": good(n)}, ANSWER),
    "names of several words": (
        lambda n: {"Frage des Kunden": ask(n), "Antwort vom Team": good(n)}, ANSWER),
    "a text and its class, no names": (
        lambda n: {"column 1": good(n), "column 2": "AB"[n % 2]}, LABEL),
    "a row number, a text, a class, no names": (
        lambda n: {"column 1": n, "column 2": good(n), "column 3": "AB"[n % 2]}, LABEL),
    "a label by its name": (lambda n: {"Satz": good(n), "Label": "AB"[n % 2]}, LABEL),
    "class number first, no names": (
        lambda n: {"column 1": n % 4, "column 2": f"Head {n} of it", "column 3": bad(n)}, LABEL),
    "a sentence in a list named label": (lambda n: {"text": ask(n), "label": [good(n)]}, ANSWER),
    "a word of its own in a list": (lambda n: {"text": ask(n), "labels": [f"Wort{n}"]}, ANSWER),
    "a sentence in a list in a cell": (
        lambda n: {"text": ask(n), "label": json.dumps([good(n)])}, ANSWER),
    "labels in lists": (lambda n: {"text": ask(n), "label": ["ab"[n % 2], "c"]}, LABEL),
    "one of few labels in a list": (lambda n: {"text": ask(n), "label": ["ab"[n % 2]]}, LABEL),
    "known names": (lambda n: {"question": ask(n), "answer": good(n)}, ANSWER),
    "known names, and a key": (lambda n: {"id": n, "text": good(n), "label": "ab"[n % 2]}, LABEL),
}  # fmt: skip


@pytest.mark.parametrize("layout", CERTAIN)
def test_a_guess_is_certain_where_nothing_else_is_possible(layout: str) -> None:
    make_row, shape = CERTAIN[layout]
    schema, _ = read_rows(make_row, 24)
    assert (schema.shape, schema.certain, schema.alternative) == (shape, True, None)


def test_sentences_named_as_labels_are_asked_about_in_a_small_table() -> None:
    schema, _ = read_rows(lambda n: {"text": ask(n), "label": good(n)}, 12)
    assert not schema.certain and schema.alternative
    assert (schema.shape, schema.alternative.shape) == (LABEL, ANSWER)


def test_a_category_is_not_what_is_asked_where_a_text_is() -> None:
    schema, rows = read_rows(
        lambda n: {"source": "ab"[n % 2], "text": ask(n), "target": good(n)}, 24
    )
    assert schema.roles == {"prompt": "text", "completion": "target"}
    assert rows[0] == {"prompt": ask(0), "completion": good(0)}


def test_the_column_that_asks_is_the_question_wherever_it_stands() -> None:
    schema, _ = read_rows(lambda n: {"Antwort": good(n), "Frage": ask(n)})
    assert schema.roles == {"prompt": "Frage", "completion": "Antwort"}


@pytest.mark.parametrize(
    ("choices", "answers"),
    [
        ({"choices": ["one", "two"]}, (0, 1)), ({"A": "one", "B": "two"}, "AB"),
        ({"option_a": "one", "option_b": "two"}, "ab"),
        ({"choice 1": "one", "choice 2": "two"}, "12"),
    ],
)  # fmt: skip
def test_choices_that_the_model_would_not_see_are_asked_about(
    choices: Row, answers: Sequence[object]
) -> None:
    schema, _ = read_rows(lambda n: {"question": ask(n), **choices, "answer": answers[n % 2]})
    assert not schema.certain and f"'{next(iter(choices))}'" in schema.reason


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("feedback", ("thumbs_up", "thumbs_down")),
        ("rating", (1, 0)),
        ("is_correct", (True, False)),
        ("mask", (1, 0)),
        ("masked", (True, False)),
        ("train_mask", ("yes", "no")),
        ("train_detail", ([], [{"train": False}])),
    ],
)
def test_what_turns_carry_is_asked_about(field: str, values: tuple[object, object]) -> None:
    schema, _ = read_rows(lambda n: {"messages": [
        {"role": "user", "content": ask(n)},
        {"role": "assistant", "content": good(n), field: values[n % 2]}]})  # fmt: skip
    assert not schema.certain and f"'{field}'" in schema.reason


@pytest.mark.parametrize("field", ["feedback", "mask"])
def test_what_some_turns_carry_alone_is_asked_about(field: str) -> None:
    more = {"feedback": "thumbs_down", "mask": 1}
    schema, _ = read_rows(
        lambda n: {
            "messages": [
                {"role": "user", "content": ask(n)},
                {"role": "assistant", "content": good(n)} | ({field: more[field]} if n % 2 else {}),
            ]
        }
    )
    assert not schema.certain and f"'{field}'" in schema.reason


def test_a_mask_that_is_the_same_for_all_answers_says_nothing() -> None:
    schema, _ = read_rows(
        lambda n: {
            "messages": [
                {"role": "user", "content": ask(n), "mask": 1},
                {"role": "assistant", "content": good(n), "mask": 0},
            ]
        }
    )
    assert schema.certain


def test_sentences_in_lists_of_a_small_table_are_asked_about() -> None:
    schema, rows = read_rows(lambda n: {"text": ask(n), "label": [good(n)]}, 12)
    assert not schema.certain and schema.alternative
    assert schema.alternative.shape == ANSWER and rows[0]["completion"] == good(0)


def test_the_rest_of_several_answers_in_lists_is_not_dropped_in_silence() -> None:
    schema, _ = read_rows(lambda n: {"text": ask(n), "label": [good(n), bad(n)][: 1 + n % 2]}, 24)
    assert schema.shape == ANSWER and not schema.certain and "only the first" in schema.reason


SEGMENT = {"label": False, "text": "x"}


def test_segments_of_axolotl() -> None:
    schema, rows = read_rows(
        lambda n: {"segments": [{"label": False, "text": ask(n)}, {"label": True, "text": good(n)}]}
    )
    assert (schema.shape, schema.certain) == (ANSWER, False)
    assert rows[0] == {"prompt": ask(0), "completion": good(0)}


@pytest.mark.parametrize(
    "labels", [[True], [False, True, False, True], [True, False], [False, False, True]]
)
def test_other_segments_are_refused(labels: list[bool]) -> None:
    parts = [SEGMENT | {"label": label} for label in labels]
    with pytest.raises(DataError, match=r"axolotl.s segments.*put what is asked into .prompt."):
        infer([{"segments": parts}] * 4)


def test_what_an_annotator_decided_is_no_answer() -> None:
    schema, _ = read_rows(
        lambda n: {"question": ask(n), "text": good(n), "answer": ["accept", "reject"][n % 2]}
    )
    assert "answer" not in schema.roles.values()


def test_an_older_card_has_no_alternative() -> None:
    card = {"shape": "plain text", "reason": "So.", "roles": {"text": "a"}, "certain": False}
    assert schema_from_card(card) == Schema(Shape.TEXT, "So.", {"text": "a"}, certain=False)
