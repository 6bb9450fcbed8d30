"""What Automatic stands for in a new run: for rows with labels a classifier where one can be built.

A run's folder keeps what was decided. In an older one Automatic stays what it was when the run was
made (engine.spec.objective).
"""

from __future__ import annotations

from collections.abc import Collection

from engine.data.prepared import Prepared
from engine.spec.objective import (
    PREFERENCE_SHAPES,
    ObjectiveKind,
    Task,
    resolve_objective,
    split_labels,
)
from engine.spec.run import DataSpec, Shape

ANY_TASK: tuple[Task, ...] = ("write", "classify")  # of a model that is not known yet


def possible_goals(prepared: Prepared, tasks: Collection[Task] = ANY_TASK) -> list[ObjectiveKind]:
    """What these rows can teach a model of these tasks; what suits them best comes first."""
    if prepared.shape in PREFERENCE_SHAPES:
        return ["prefer", "write"]
    found = _label_goals(prepared) if "classify" in tasks else []
    if "write" in tasks:
        found.append("write")
    if not found and prepared.shape == Shape.LABEL:
        return ["classify"]  # why that is not possible is said where it is tried
    return found or ["write"]


def _label_goals(prepared: Prepared) -> list[ObjectiveKind]:
    """The ways to choose labels; none where there is nothing to choose."""
    labels, rows = prepared.labels, sum(prepared.labels.values())
    if prepared.shape != Shape.LABEL:
        return []
    found: list[ObjectiveKind] = []
    most = max(2, rows / 2)  # engine.work.train.classify refuses more
    if 1 < len(labels) <= most:
        found.append("classify")
    parts = set(prepared.each_label) or {one for label in labels for one in split_labels(label)}
    if prepared.each_label and 1 < len(parts) <= most:
        found.insert(0, "multilabel")
    elif 1 < len(parts) < len(labels):
        found.append("multilabel")
    if len(labels) > 1 and all(map(_is_number, labels)):
        found.append("regress")
    return found


def _is_number(label: str) -> bool:
    try:
        return abs(float(label)) < float("inf")
    except ValueError:
        return False


def decided_goal(
    data: DataSpec, prepared: Prepared, tasks: tuple[Task, ...] = ANY_TASK
) -> ObjectiveKind:
    """The goal of a new run; raises SpecError where the rows do not suit the chosen one."""
    if data.goal == "auto" and prepared.shape == Shape.LABEL:
        goals = possible_goals(prepared, tasks)
        # Labels that are numbers alone do not say that distances between them are meant.
        return next((one for one in goals if one != "regress"), goals[0])
    return resolve_objective(data, prepared.shape, tasks)


def with_decided_goal(
    data: DataSpec, prepared: Prepared, tasks: tuple[Task, ...] = ANY_TASK
) -> DataSpec:
    """The settings with what Automatic stands for, where the rows have labels."""
    if data.goal != "auto" or prepared.shape != Shape.LABEL:
        return data
    return data.model_copy(update={"goal": decided_goal(data, prepared, tasks)})
