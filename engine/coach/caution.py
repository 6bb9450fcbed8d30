"""What to keep in mind beside a score: how much held-out rows resemble training rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from engine.data.likeness.overlap import Overlap, describe_overlap, name_overlap
from engine.errors import ModelError
from engine.model.config_json import read_json_object
from engine.store.run_dir import START_ABOUT_FILE, RunDir, read_data_summary

SEEN_BEFORE = (
    "This adapter was trained elsewhere, perhaps on some of these held-out examples. If so, its "
    "score is better than it would be on new ones."
)
START_SEEN_BEFORE = (
    "It starts from an adapter that was trained elsewhere, perhaps on some of these held-out "
    "examples. If so, its score is better than it would be on new ones."
)
START_UNKNOWN = (
    "It goes back to a run whose rows are not here any more. Perhaps that run was trained on some "
    "of these held-out examples. If so, its score is better than it would be on new ones."
)
START_TRAINED_ON = (
    "{} of these held-out examples {} among the training examples of what it starts from, so its "
    "score may be better than it would be on new ones."
)


def score_caution(run: RunDir) -> str:
    """A few sentences; empty where nothing was held out."""
    if not _has_held_out(run):
        return ""
    if run.view().imported:
        return SEEN_BEFORE
    return " ".join(filter(None, (describe_overlap(_overlap_of(run)), *_start_cautions(run))))


def _start_cautions(run: RunDir) -> Iterator[str]:
    """What the result that a run starts from may know of the held-out rows."""
    about = start_about(run)
    count = about.get("trained_on_held_out")
    if isinstance(count, int) and count:
        yield START_TRAINED_ON.format(f"{count:,}", "is" if count == 1 else "are")
    if about.get("trained_elsewhere"):
        yield START_SEEN_BEFORE
    elif not about.get("all_rows_known", True):
        yield START_UNKNOWN


def was_trained_elsewhere(run: RunDir) -> bool:
    """Whether another program trained a run's adapter, or one that it goes back to."""
    return run.view().imported is not None or bool(start_about(run).get("trained_elsewhere"))


def start_about(run: RunDir) -> dict[str, Any]:
    """What is noted of the run that this one starts from; empty where it is the base model."""
    try:
        return read_json_object(run.start / START_ABOUT_FILE)
    except ModelError:
        return {}


def short_caution(run: RunDir) -> str:
    """A few words, for a table; empty where there is nothing to say."""
    found = _overlap_of(run)
    return name_overlap(found) if found else ""


def _has_held_out(run: RunDir) -> bool:
    began, found = run.view().started, _overlap_of(run)
    if began:
        return began.held_out > 0
    return found is not None and found.of > 0


def _overlap_of(run: RunDir) -> Overlap | None:
    """What was found when the run began; None for a run that is older than the comparison."""
    fields = read_data_summary(run.about_file).overlap
    try:
        return Overlap(**fields) if fields else None
    except (ValidationError, TypeError):
        return None
