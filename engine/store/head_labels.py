"""What the outputs of a result's classification head stand for: labels.json beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from engine.errors import RunError
from engine.spec.objective import PROBLEM_TYPES, ObjectiveKind

LABELS_FILE = "labels.json"
KINDS: dict[str, ObjectiveKind] = {name: kind for kind, name in PROBLEM_TYPES.items()}


class HeadLabels(NamedTuple):
    """A head's outputs: a label each, or a number as its distance from a mean (z-score)."""

    kind: ObjectiveKind
    labels: tuple[str, ...]
    mean: float = 0.0
    spread: float = 1.0


def read_head_labels(result: Path) -> HeadLabels | None:
    """What a result's head chooses from; None for one that writes. Raises RunError if damaged."""
    file = result / LABELS_FILE
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        scale = found.get("scale") or {}
        kind, labels = KINDS[found["problem_type"]], tuple(map(str, found["labels"]))
        return HeadLabels(kind, labels, **{key: float(scale[key]) for key in scale})
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise RunError(
            f"What this run's labels are cannot be read: {LABELS_FILE} in its folder is damaged. "
            "Continue the run, or choose another."
        ) from None
