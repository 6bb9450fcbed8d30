"""What to keep in mind beside a score: how much held-out rows resemble training rows."""

from __future__ import annotations

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


def score_caution(run: RunDir) -> str:
    """A few sentences; empty where nothing was held out."""
    if not _has_held_out(run):
        return ""
    if run.view().imported:
        return SEEN_BEFORE
    found = describe_overlap(_overlap_of(run))
    return f"{found} {START_SEEN_BEFORE}" if was_trained_elsewhere(run) else found


def was_trained_elsewhere(run: RunDir) -> bool:
    """Whether another program trained a run's adapter, or one that it goes back to."""
    try:
        return bool(read_json_object(run.start / START_ABOUT_FILE).get("trained_elsewhere"))
    except ModelError:  # it starts from the base model
        return run.view().imported is not None


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
