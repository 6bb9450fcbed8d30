"""The card that asks: two readings with their rows, and what a column decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest

from engine.data.datasets import Dataset
from engine.errors import DataError
from engine.spec.run import DataSpec, Shape
from tests.ui.data.conftest import GOOD, MakeValues
from ui.context import Context
from ui.data import look, questions, reading
from ui.data.tab import DataTab
from ui.form import DataInputs
from ui.handlers import Values

FAQ = [{"Thema": "ab"[n % 2], "Frage": row["prompt"], "Antwort": row["completion"]}
       for n, row in enumerate(GOOD)]  # fmt: skip
JUDGED = [{**row, "verdict": ["accept", "reject", "ignore"][n % 3]} for n, row in enumerate(GOOD)]


@pytest.fixture
def shown(
    ctx: Context, tab: DataTab, inputs: DataInputs, make_values: MakeValues
) -> Callable[..., Values]:
    """All that the tab shows of a dataset at the end."""

    def merged(**changes: Any) -> Values:
        found: Values = {}
        for step in look.show_data(ctx, tab.view, inputs, make_values(**changes)):
            found |= step
        return found

    return merged


def test_two_readings_are_shown_with_a_row_of_each_and_one_is_chosen(
    ctx: Context, tab: DataTab, shown: Callable[..., Values], source_of: Callable[..., str]
) -> None:
    asks, source = tab.view.questions, source_of(FAQ)
    seen = shown(source=source)
    assert seen[asks.group]["visible"] and not seen[asks.asks]["visible"]
    assert not seen[tab.view.findings.confirm]["visible"]
    first, second = (seen[text] for text in asks.texts)
    assert "Question and answer" in first and "<mark>It is called 0, of course. </mark>" in first
    assert "Classify" in second and "<mark>a </mark>" in second and "Row 1:" in second
    for number, shape in enumerate((Shape.COMPLETION, Shape.LABEL)):
        chosen, roles = questions.choose_reading(ctx, number, source)
        assert chosen == shape.value
        after = shown(source=source, shape=shape, roles=roles)
        assert not after[asks.group]["visible"]
        assert "Which column" not in after[tab.view.findings.others]
    with pytest.raises(DataError, match="read in one way"):
        questions.choose_reading(ctx, 1, source_of(GOOD))


def test_a_column_is_asked_about_and_the_answer_can_be_undone(
    ctx: Context, tab: DataTab, shown: Callable[..., Values], source_of: Callable[..., str]
) -> None:
    asks, source = tab.view.questions, source_of(JUDGED)
    seen = shown(source=source)
    assert seen[asks.asks]["visible"] and seen[asks.asked] == "verdict"
    assert "Does &#x27;verdict&#x27; say which rows are good?" in seen[asks.question]
    assert seen[asks.values]["value"] == ["reject", "ignore"]
    assert ("accept (7)", "accept") in seen[asks.values]["choices"]
    assert not seen[asks.again]["visible"]
    assert "verdict" not in seen[tab.view.findings.others]  # asked once
    left = questions.leave_rows_out("verdict", ["reject", "ignore"], {})
    after = shown(source=source, left_out=left)
    assert not after[asks.asks]["visible"] and after[asks.again]["visible"]
    assert ctx.prepare(DataSpec(source=source, left_out=left)).total == 20
    assert "13 left out" in after[tab.view.facts]
    nothing = questions.ignore_column("verdict", [], {"other": ["x"]})
    assert nothing == {"other": ["x"], "verdict": []}
    with pytest.raises(DataError, match="Tick what to leave out"):
        questions.leave_rows_out("verdict", [], {})


def test_nested_columns_can_be_chosen(
    ctx: Context, tab: DataTab, source_of: Callable[..., str]
) -> None:
    rows = [{"question": row["prompt"], "answers": {"text": [row["completion"], "So."]}}
            for row in GOOD]  # fmt: skip
    dataset: Dataset = ctx.load_dataset(source_of(rows))
    assert dataset.roles == {"prompt": "question", "completion": "answers.text[0]"}
    updates = reading.column_updates(tab.view.reading, dataset, dataset.shape, dataset.roles)
    answer = updates[tab.view.reading.columns[1]]
    assert ("answers.text[0]", "answers.text[0]") in answer["choices"]
    assert answer["value"] == "answers.text[0]"


def test_nothing_is_asked_where_the_columns_do_not_fit(tab: DataTab) -> None:
    hidden = questions.question_updates(tab.view.questions, [], DataSpec())
    assert all(update == gr.update(visible=False) for update in hidden.values())
