"""What to keep in mind beside a score: how much held-out rows resemble training rows."""

from __future__ import annotations

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
    "It goes back to a run that was deleted, which was perhaps trained on some of these held-out "
    "examples. If so, its score is better than it would be on new ones."
)
START_TRAINED_ON = (
    "The adapter that it starts from was trained on {} of these held-out examples, so its score is "
    "better than it would be on new ones."
)


def score_caution(run: RunDir) -> str:
    """A few sentences; empty where nothing was held out."""
    if not _has_held_out(run):
        return ""
    if run.view().imported:
        return SEEN_BEFORE
    sentences = (describe_overlap(_overlap_of(run)), _start_caution(run))
    return " ".join(filter(None, sentences))


def _start_caution(run: RunDir) -> str:
    """What the adapter that a run starts from may know of the held-out rows."""
    about = start_about(run)
    if count := about.get("trained_on_held_out"):
        return START_TRAINED_ON.format(f"{count:,}")
    if about.get("trained_elsewhere"):
        return START_SEEN_BEFORE
    return "" if about.get("all_rows_known", True) else START_UNKNOWN


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
