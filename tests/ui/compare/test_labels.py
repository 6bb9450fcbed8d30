"""A run that chooses labels on the Compare tab: a text, examples, bars, right or wrong."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from engine.data.rows import RowWriter, row_to_json
from engine.errors import RunError, SpecError
from engine.process.label_answer import HeadAnswer, LabelAnswer
from engine.store.files import write_json
from engine.store.run_dir import RunDir
from tests.ui.fakes import FakeDesk, lay_out
from ui.compare import labels, tab
from ui.compare.label_answer import Truth, answer_card, format_number
from ui.compare.tab import CompareWidgets
from ui.context import Context

NASTY = "<img src=x onerror=alert(1)>"
ROWS = [("the cat\r\nsat", "plus"), ("a dog", "plus"), ("far " * 60, "minus")]


@pytest.fixture(scope="module")
def own() -> CompareWidgets:
    return lay_out(CompareWidgets)


@pytest.fixture
def run(finished: RunDir) -> RunDir:
    """A run that has learned to choose one of two labels."""
    about = {"labels": ["minus", "plus"], "problem_type": "single_label_classification"}
    write_json(finished.adapter / "labels.json", about)
    finished.held_out_file.unlink()
    with RowWriter(finished.held_out_file) as rows:
        for text, label in ROWS:
            rows.add(row_to_json({"prompt": text, "completion": label}))
    return finished


def ask(ctx: Context, own: CompareWidgets, run_id: str, text: str, row: str = "") -> list[Any]:
    return list(labels.choose_label(ctx, own.labels, run_id, text, row))


def picked(place: Any) -> Any:
    return SimpleNamespace(name=place)


def test_a_field_and_a_button_instead_of_a_conversation(
    ctx: Context, own: CompareWidgets, run: RunDir
) -> None:
    shown = tab.show_compare(ctx, own, run.id, "")
    assert shown[own.labels.box]["visible"] and not shown[own.chat.box]["visible"]
    assert shown[own.labels.choose]["value"] == "Choose a label"
    buttons = re.findall(r'data-name="(\d+)">([^<]+)<', shown[own.labels.examples])
    assert [place for place, _ in buttons] == ["0", "1", "2"]
    assert len(buttons[2][1]) < 130 and buttons[2][1].endswith("…")


def test_the_first_examples_are_of_different_labels(run: RunDir) -> None:
    run.held_out_file.unlink()
    with RowWriter(run.held_out_file) as rows:
        for at in range(30):
            row = {"prompt": f"text {at}", "completion": "rare" if at == 29 else "often"}
            rows.add(row_to_json(row))
    places = [place for place, _ in labels.example_buttons(run)]
    assert places == ["0", "1", "2", "3", "4", "29"]


def test_a_text_of_ones_own_has_no_right_label(
    ctx: Context, own: CompareWidgets, run: RunDir
) -> None:
    first, last = ask(ctx, own, run.id, "hello there")
    assert not first[own.labels.choose]["interactive"]
    assert last[own.labels.choose]["interactive"]
    card = last[own.labels.answer]
    assert "It chooses: minus" in card and "75.0 %" in card and "25.0 %" in card
    assert "was new and random before training" in card
    assert "Right" not in card and "Wrong" not in card


def test_a_held_out_example_is_marked_right_or_wrong(
    ctx: Context, own: CompareWidgets, run: RunDir
) -> None:
    text, row = labels.take_example(ctx, run.id, picked("0"))
    assert text == ROWS[0][0]
    shown = ask(ctx, own, run.id, text.replace("\r\n", "\n"), row)[-1][own.labels.answer]
    assert "Wrong: this held-out example has the label" in shown and "plus" in shown
    text, row = labels.take_example(ctx, run.id, picked("2"))
    assert "Right: this" in ask(ctx, own, run.id, text, row)[-1][own.labels.answer]
    changed = ask(ctx, own, run.id, text + "!", row)[-1][own.labels.answer]
    assert "Right: this" not in changed, "another text has another label, perhaps"
    assert labels.example_of(run, row, text) and not labels.example_of(run, f"x{row}", text)


@pytest.mark.parametrize("place", ["-1", "3", "", "1" * 30, "²", "x", "../0"])
def test_a_place_that_is_none_is_refused(ctx: Context, run: RunDir, place: str) -> None:
    with pytest.raises(RunError, match="not there any more"):
        labels.take_example(ctx, run.id, picked(place))
    assert labels.example_of(run, f"{run.id} {place}", "a dog") is None
    with pytest.raises(SpecError):
        labels.take_example(ctx, run.id, picked(3))


def test_what_the_desk_refuses_gives_the_button_back(
    ctx: Context, own: CompareWidgets, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise RunError("Another run is using this machine.")

    monkeypatch.setattr(FakeDesk, "classify", busy)
    asking = labels.choose_label(ctx, own.labels, run.id, "hello", "")
    next(asking)
    assert next(asking)[own.labels.choose]["interactive"]
    with pytest.raises(RunError):
        next(asking)
    for run_id, text in (("", "hello"), (run.id, " \n ")):
        with pytest.raises(RunError, match=r"no run to ask|Write a text"):
            ask(ctx, own, run_id, text)


# --- the card ---


def answered(kind: str, shares: dict[str, float], **more: Any) -> LabelAnswer:
    chosen = [name for name, share in shares.items() if share > 0.5]
    tuned = HeadAnswer(probabilities=tuple(shares.values()), chosen=tuple(chosen))
    known = {"labels": tuple(shares), "tuned": tuned, "base": None, "tokens": 7, "cut": False}
    return LabelAnswer.model_validate({"kind": kind, **known, **more})


def names(card: str) -> list[str]:
    return re.findall(r'<th scope="row">([^<]*)', card)


def test_all_labels_are_shown_the_likeliest_first() -> None:
    card = answer_card(answered("classify", {"a": 0.1, "b": 0.8999, "c": 0.0001}))
    assert names(card) == ["b", "a", "c"] and "width:89.99%" in card and "&lt;0.1 %" in card


def test_of_many_labels_twelve_and_how_many_more() -> None:
    shares = {f"label {at:02}": 0.6 if at == 15 else 0.4 / 19 for at in range(20)}
    card = answer_card(answered("classify", shares))
    assert len(names(card)) == 12 and names(card)[0] == "label 15"
    assert "and 8 more, 16.8 % together" in card


def test_several_labels_have_a_mark_at_one_half() -> None:
    answer = answered("multilabel", {"red": 0.7, "blue": 0.6, "cold": 0.2})
    card = answer_card(answer, truth=Truth("red, cold", frozenset({"red", "cold"})))
    assert "It chooses: red, blue" in card and "chances several" in card
    assert "The mark is at 50 %" in card and "Wrong" in card and "cold, red" in card
    assert card.count("right-label") == 2
    none = answer_card(answered("multilabel", {"red": 0.1}), truth=Truth("", frozenset()))
    assert "chooses none" in none and "Right: this held-out example has no label." in none


def test_a_label_that_nobody_taught_cannot_be_chosen() -> None:
    card = answer_card(answered("classify", {"a": 0.9}), truth=Truth("new", frozenset({"new"})))
    assert "No training example had" in card


def test_a_number_stands_in_its_range_with_what_is_right() -> None:
    tuned = HeadAnswer(value=1245.03)
    answer = answered("regress", {"value": 1}, tuned=tuned, numbers=(1000.0, 2000.0))
    card = answer_card(answer, "price", Truth("1500", frozenset({"1500"})))
    assert "price: 1,245" in card and "left:24.50%" in card and "left:50.00%" in card
    assert "255 off" in card and "1,500" in card and "1,000" in card and "2,000" in card
    assert "which is no number" in answer_card(answer, "price", Truth("nan", frozenset()))
    outside = answer.model_copy(update={"numbers": (0.0, 1000.0)})
    assert "outside the numbers of the training data" in answer_card(outside)
    assert format_number(123456.0) == "123,500" and format_number(0.012346) == "0.01235"


def test_a_base_with_this_head_answers_beside_it() -> None:
    base = HeadAnswer(probabilities=(0.5, 0.4), chosen=("a",))
    card = answer_card(answered("classify", {"a": 0.1, "b": 0.9}, base=base))
    assert "Before training: a" in card and "After training: b" in card
    assert "random" not in card


def test_nobodys_words_become_html_and_a_cut_is_said() -> None:
    answer = answered("classify", {NASTY: 0.9, "b": 0.1}, cut=True)
    card = answer_card(answer, NASTY, Truth(NASTY, frozenset({NASTY})))
    assert "<img" not in card and "only its first 7 tokens were read" in card
