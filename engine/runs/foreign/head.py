"""What the outputs of a foreign classification head stand for: labels.json beside its weights.

Hone writes that file with its own adapters. Without it nobody knows which output is which label.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.data.prepared import Prepared
from engine.errors import ModelError, SpecError
from engine.model import config_json
from engine.model.adapter import MERGE_INSTEAD, ForeignAdapter
from engine.model.adapter_files import CONFIG_BYTES, LABELS_NAME
from engine.model.info import ModelInfo
from engine.spec.objective import ObjectiveKind, head_outputs
from engine.store.head_labels import KINDS


class LabelledHead(NamedTuple):
    """A classification head with its labels, in the order of its outputs."""

    goal: ObjectiveKind
    labels: tuple[str, ...]
    metadata: dict[str, Any]  # as labels.json holds it


def read_head(
    files: Mapping[str, Path], adapter: ForeignAdapter, info: ModelInfo
) -> LabelledHead | None:
    """The head; None for an adapter that writes. Raises ModelError where it is not certain."""
    if adapter.task == "write":
        return None
    if LABELS_NAME not in files:
        raise ModelError(
            "It chooses labels, and its files do not say which output stands for which label: "
            f"there is no {LABELS_NAME}. {MERGE_INSTEAD}"
        )
    values = config_json.read_json_object(files[LABELS_NAME], CONFIG_BYTES)
    kind, names = KINDS.get(str(values.get("problem_type"))), _names(values.get("labels"))
    scale = _scale(values.get("scale"))
    if kind is None or not names or (kind == "regress" and not scale):
        raise ModelError(f"Its {LABELS_NAME} is damaged. Get the adapter again.")
    metadata: dict[str, Any] = {"labels": list(names), "problem_type": values["problem_type"]}
    if kind == "regress":
        metadata["scale"] = scale
    if head_outputs(kind, names, names) != names:
        raise ModelError(
            f"Its labels stand in another order than Hone's, which is alphabetical. {MERGE_INSTEAD}"
        )
    head = sum(count for name, count in adapter.saved.items() if name in info.head)
    if head != info.head_parameters(len(names)):
        raise ModelError(
            f"Its {LABELS_NAME} names {len(names)} labels, and its head is for another number. Get "
            "the adapter again."
        )
    return LabelledHead(kind, names, metadata)


def _names(labels: Any) -> tuple[str, ...]:
    """The labels; none where they are not texts."""
    found = labels if isinstance(labels, list) else []
    return tuple(found) if all(isinstance(one, str) for one in found) else ()


def _scale(scale: Any) -> dict[str, float]:
    """Mean and spread of the numbers; empty where they are not given."""
    values = scale if isinstance(scale, dict) else {}
    found = {
        key: values[key] for key in ("mean", "spread") if type(values.get(key)) in (int, float)
    }
    return found if len(found) == 2 else {}


def require_same_labels(head: LabelledHead, prepared: Prepared) -> None:
    """Raise SpecError where rows have other labels than the head."""
    if head_outputs(head.goal, prepared.labels, prepared.each_label) != head.labels:
        raise SpecError(
            f"It tells {', '.join(head.labels[:5])} apart, and the rows of '{prepared.name}' have "
            "other labels. Choose other data, or none."
        )
