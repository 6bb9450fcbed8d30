"""The objective of a run: to write, to choose labels, or to prefer better answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

from engine.errors import SpecError
from engine.spec.method import MethodSpec
from engine.spec.run import DataSpec, Shape

ObjectiveKind = Literal["write", "classify", "multilabel", "regress", "prefer"]
PreferenceMethod = Literal["dpo", "orpo", "kto"]
Task = Literal["write", "classify"]  # what a model is built for
LABEL_SEPARATORS = re.compile(r"[,;|]")
LABEL_OBJECTIVES = ("classify", "multilabel", "regress")
# How transformers calls what a head gives.
PROBLEM_TYPES: dict[ObjectiveKind, str] = {
    "classify": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regress": "regression",
}
PREFERENCE_SHAPES = (Shape.PREFERENCE, Shape.FEEDBACK)
OBJECTIVE_NAMES = {
    "write": "Write answers or text",
    "classify": "Choose a label",
    "multilabel": "Choose several labels",
    "regress": "Give a number",
    "prefer": "Prefer better answers",
}


def resolve_objective(
    data: DataSpec, shape: Shape, tasks: tuple[Task, ...] = ("write",)
) -> ObjectiveKind:
    """The objective; raises SpecError where the rows do not suit the one that was chosen.

    ``tasks`` are those of the model, which Automatic goes by, too. It is decided when a run is
    planned (engine.data.goal), so that runs of older versions alone still say Automatic for labels.
    """
    if data.goal == "auto":
        if shape in PREFERENCE_SHAPES:
            return "prefer"
        return "classify" if shape == Shape.LABEL and "write" not in tasks else "write"
    if data.goal in LABEL_OBJECTIVES and shape != Shape.LABEL:
        raise _unsuitable(data.goal, "rows with a text and a label", shape)
    if data.goal == "prefer" and shape not in PREFERENCE_SHAPES:
        raise _unsuitable(data.goal, "rows with better and worse answers", shape)
    return data.goal


def _unsuitable(goal: ObjectiveKind, needed: str, shape: Shape) -> SpecError:
    return SpecError(
        f"What to learn (data.goal): '{OBJECTIVE_NAMES[goal]}' needs {needed}; these are "
        f"{shape.value}. Choose what to learn on the Data tab, or other data."
    )


def has_preference(data: DataSpec, row: dict[str, Any]) -> bool:
    """Whether a normalized row is learned against its worse answer, or by its mark."""
    return data.goal in ("auto", "prefer") and ("rejected" in row or "good" in row)


def resolve_preference_method(method: MethodSpec, shape: Shape) -> PreferenceMethod:
    """How preferences are learned; raises SpecError where the rows do not suit the choice."""
    if method.preference == "auto":
        return "kto" if shape == Shape.FEEDBACK else "dpo"
    if shape == Shape.FEEDBACK and method.preference != "kto":
        raise SpecError(
            f"Preference method (method.preference): {method.preference.upper()} compares two "
            "answers to the same question, but these rows have one answer each, marked good or "
            "bad. Choose KTO or Automatic."
        )
    return method.preference


def task_for_objective(goal: ObjectiveKind) -> Task:
    """The task of a model that can learn this."""
    return "classify" if goal in LABEL_OBJECTIVES else "write"


def split_labels(label: str) -> list[str]:
    """The labels that a text holds; commas, semicolons or bars separate them.

    Of a row that holds a list, use the list: a label may have a comma in it.
    """
    return [part for part in (one.strip() for one in LABEL_SEPARATORS.split(label)) if part]


def head_outputs(
    goal: ObjectiveKind, labels: Iterable[str], each_label: Iterable[str] = ()
) -> tuple[str, ...]:
    """What each output of a classification head stands for, in a fixed order.

    ``labels`` are the answers of the rows, ``each_label`` the labels one by one where rows hold
    lists. Empty for objectives without such a head.
    """
    if goal == "regress":
        return ("value",)
    if goal == "multilabel":
        parts = {*each_label} or {part for label in labels for part in split_labels(label)}
        return tuple(sorted(parts))
    return tuple(sorted(set(labels))) if goal == "classify" else ()
