"""The card that asks: two readings with their rows, and what a column decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.data.datasets import Dataset
from engine.data.schema import ROLES, first_roles, with_column
from engine.errors import DataError
from engine.spec.run import DataSpec, Shape
from tests.ui.data.conftest import GOOD, MakeValues
from tests.ui.fakes import INFO
from ui.context import Context
from ui.data import columns, look, questions
from ui.data.tab import DataTab
from ui.form import DataInputs
from ui.handlers import Values

FAQ = [{"Thema": "ab"[n % 2], "Eins": row["prompt"], "Zwei": row["completion"]}
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


def test_two_readings_are_offered_and_each_shows_its_first_row(
    ctx: Context, tab: DataTab, shown: Callable[..., Values], source_of: Callable[..., str]
) -> None:
    own, source = tab.view.columns, source_of(FAQ)
    seen = shown(source=source)
    assert "Which column is which?" in seen[own.head] and seen[own.reading]["visible"]
    assert not seen[tab.view.questions.asks]["visible"]
    assert seen[own.reading]["value"] == "first"
    texts = [label for label, _ in seen[own.reading]["choices"]]
    assert "A question and its answer" in texts[0] and "A text with its label" in texts[1]
    assert 'data-learned="true"' in seen[own.example] and "It is called 0" in seen[own.example]
    table = seen[own.table]
    assert table.count("<tr>") == 4 and "What is number 0 called?" in table
    for name, shape in (("first", Shape.COMPLETION), ("second", Shape.LABEL)):
        opened, chosen, roles = columns.choose_reading(ctx, source, name)
        assert (opened, chosen) == (source, shape.value)
        after = shown(source=source, shape=shape, roles=roles)
        assert after[own.reading]["value"] == name and not after[own.body]["visible"]
    assert after[tab.view.goal.group]["visible"]
    assert "<mark>a</mark>" in columns.column_updates(
        own,
        ctx.load_dataset(source),
        DataSpec(source=source, shape=shape, roles=roles, goal="classify"),
        columns.Read(shape, roles),
        {own.opened: source, own.filled: []},
    )[own.example]  # fmt: skip
    with pytest.raises(DataError, match="read in one way"):
        columns.choose_reading(ctx, source_of(GOOD), "second")


def test_labels_offer_a_classifier_first_where_the_model_can_be_one(
    ctx: Context, tab: DataTab, shown: Callable[..., Values], source_of: Callable[..., str]
) -> None:
    own, source = tab.view.goal, "sample:reviews"
    seen = shown(source=source)
    choices = seen[own.choice]["choices"]
    assert [goal for _, goal in choices] == ["classify", "write"]
    assert choices[0][0].startswith("Choose one of 2 labels (classifier)")
    assert seen[own.group]["visible"] and seen[own.choice]["value"] == "classify"
    assert "1 label" in seen[tab.view.facts] and "chosen-labels" in seen[tab.view.pager.rows]
    written = shown(source=source, goal="write")
    assert written[own.choice]["value"] == "write"
    assert 'data-kind="assistant"' in written[tab.view.pager.rows]
    ctx._models["pocket"] = INFO.model_copy(update={"tasks": ("write",)})
    seen = shown(source=source)
    assert seen[own.choice]["value"] == "write" and seen[own.note]["visible"]
    ctx._models["pocket"] = INFO
    unlike = [{"text": row["prompt"], "label": row["completion"]} for row in GOOD]
    seen = shown(
        source=source_of(unlike), shape=Shape.LABEL, roles={"text": "text", "label": "label"}
    )
    assert [goal for _, goal in seen[own.choice]["choices"]] == ["write"]
    assert "different labels in" in seen[own.note]["value"]
    assert not shown(source=source_of(GOOD))[own.group]["visible"]
    wrong = shown(source=source_of(GOOD), goal="classify")
    assert wrong[own.group]["visible"] and wrong[own.choice]["value"] is None


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
    read, own = columns.Read(dataset.shape, dataset.roles), tab.view.columns
    opened = {own.opened: dataset.source, own.filled: []}
    updates = columns.column_updates(own, dataset, DataSpec(), read, opened)
    answer = updates[own.menus[1]]
    assert ("answers.text[0]: It is called 0, of course.", "answers.text[0]") in answer["choices"]
    assert answer["value"] == "answers.text[0]"
    again = opened | {own.filled: updates[own.filled]}
    left = columns.column_updates(own, dataset, DataSpec(), read, again)
    assert own.menus[1] not in left and own.table in left, "one may be open"
    assert (
        '<th scope="col" data-used="true">answers<span class="file-part">Answer'
        in (updates[own.table])
    )


def test_nothing_is_asked_where_the_columns_do_not_fit(tab: DataTab) -> None:
    hidden = questions.question_updates(tab.view.questions, [], DataSpec())
    assert not any(update["visible"] for update in hidden.values())


@pytest.mark.parametrize(
    ("before", "at", "column", "after"),
    [
        ("a b", 0, "b", "b a"),  # they change places
        ("b a", 0, "b", "b a"),  # said twice, as a page may, it changes nothing
        ("a b", 0, "c", "c b"),
        ("a b -", 2, "a", "- b a"),  # what had no column gives none back
        ("a b c", 2, "", "a b -"),
        ("- -", 1, "a", "- a"),
        ("a b", 9, "a", "a b"),  # no such part
    ],
)
def test_a_column_chosen_twice_changes_places(
    before: str, at: int, column: str, after: str
) -> None:
    def roles(text: str) -> dict[str, str]:
        named = zip(ROLES[Shape.COMPLETION], text.split(), strict=False)
        return {role: one for role, one in named if one != "-"}

    assert with_column(Shape.COMPLETION, roles(before), at, column) == roles(after)


@pytest.mark.parametrize(
    ("shape", "columns", "after"),
    [
        (Shape.LABEL, "a b c", {"text": "a", "label": "b"}),
        (Shape.PREFERENCE, "a b c", {"prompt": "a", "chosen": "b", "rejected": "c"}),
        (Shape.PREFERENCE, "a b", {"chosen": "a", "rejected": "b"}),
        (Shape.FEEDBACK, "a b c d", {"prompt": "a", "completion": "b", "mark": "c"}),
        (Shape.CHAT, "a", {"messages": "a"}),
    ],
)
def test_another_shape_takes_the_columns_in_use(
    shape: Shape, columns: str, after: dict[str, str]
) -> None:
    assert first_roles(shape, columns.split()[:1], columns.split()) == after


def test_every_table_is_escaped_and_wide_ones_show_what_is_used(
    ctx: Context, tab: DataTab, source_of: Callable[..., str]
) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    many = {f"{nasty}{n}": nasty for n in range(20)}
    dataset = ctx.load_dataset(source_of([{**many, **row} for row in GOOD]))
    read, own = columns.Read(dataset.shape, dataset.roles), tab.view.columns
    opened = {own.opened: dataset.source, own.filled: []}
    updates = columns.column_updates(own, dataset, DataSpec(), read, opened)
    table = updates[own.table]
    assert "<img" not in table + updates[own.example] + updates[own.head]
    assert table.count("<th ") == 8 and table.count('<th scope="col" data-used="true"') == 2
    assert "and 14 more columns" in table
