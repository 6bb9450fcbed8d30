"""What Automatic stands for: labels make a classifier where the model can be one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.data.goal import decided_goal, possible_goals, with_decided_goal
from engine.data.prepared import Prepared
from engine.errors import SpecError
from engine.spec.objective import Task
from engine.spec.run import DataSpec, Shape

BOTH: tuple[Task, ...] = ("write", "classify")


def prepared(
    labels: Mapping[str, int], shape: Shape = Shape.LABEL, each: Mapping[str, int] | None = None
) -> Prepared:
    rows = sum(labels.values())
    counts = {"total": rows, "train": rows, "held_out": 0, "labels": labels}
    return Prepared(
        folder=Path(), name="x", shape=shape, reason="", roles={}, each_label=each or {}, **counts
    )


@pytest.mark.parametrize(
    ("labels", "each", "goals"),
    [
        ({"good": 9, "bad": 9}, {}, ["classify", "write"]),
        ({"1": 9, "2": 9, "5": 9}, {}, ["classify", "regress", "write"]),
        ({"a, b": 4, "b": 4, "a": 4}, {}, ["classify", "multilabel", "write"]),
        ({"a, b": 4, "b": 4, "a": 4}, {"a": 8, "b": 8}, ["multilabel", "classify", "write"]),
        ({"good": 9}, {}, ["write"]),  # nothing to choose
        ({f"answer {n}": 1 for n in range(30)}, {}, ["write"]),  # no labels
        ({f"{n / 7:.3f}": 1 for n in range(30)}, {}, ["regress", "write"]),
    ],
)
def test_what_rows_with_labels_can_teach(
    labels: dict[str, int], each: dict[str, int], goals: list[str]
) -> None:
    found = prepared(labels, each=each)
    assert possible_goals(found, BOTH) == goals
    first = next(one for one in goals if one != "regress")
    assert decided_goal(DataSpec(), found, BOTH) == first
    assert with_decided_goal(DataSpec(), found, BOTH).goal == first


def test_the_model_and_the_user_decide_too() -> None:
    found = prepared({"good": 9, "bad": 9})
    assert decided_goal(DataSpec(), found, ("write",)) == "write"
    assert decided_goal(DataSpec(goal="write"), found, BOTH) == "write"
    one, encoder = prepared({"good": 9}), ("classify",)
    assert decided_goal(DataSpec(), one, encoder) == "classify"  # type: ignore[arg-type]


def test_other_rows_leave_automatic_as_it_is() -> None:
    for shape, goal in ((Shape.CHAT, "write"), (Shape.PREFERENCE, "prefer")):
        found = prepared({}, shape)
        assert decided_goal(DataSpec(), found, BOTH) == goal
        assert with_decided_goal(DataSpec(), found, BOTH) == DataSpec()
    with pytest.raises(SpecError, match="needs rows with a text and a label"):
        decided_goal(DataSpec(goal="classify"), prepared({}, Shape.CHAT), BOTH)
