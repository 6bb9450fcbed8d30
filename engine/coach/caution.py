"""What to keep in mind beside a score: how much held-out rows resemble training rows."""

from __future__ import annotations

from pydantic import ValidationError

from engine.data.likeness.overlap import Overlap, describe_overlap, name_overlap
from engine.store.run_dir import RunDir, read_data_summary

SEEN_BEFORE = (
    "This adapter was trained elsewhere, perhaps on some of these held-out examples. If so, its "
    "score is better than it would be on new ones."
)


def score_caution(run: RunDir) -> str:
    """One or two sentences; empty where nothing was held out."""
    if _has_held_out(run) and run.view().imported:
        return SEEN_BEFORE
    return describe_overlap(_overlap_of(run)) if _has_held_out(run) else ""


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
