"""How much held-out rows resemble training rows, and the sentence that stands beside every score.

Texts alone never prove that two rows say different things. So what was found is counted, and said.
"""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from engine.data.likeness.wording import index_wording
from engine.data.likeness.words import Numbers, Texts
from engine.data.quality.findings import Finding, make_finding
from engine.data.rows import spread_indices
from engine.text import count_of

MOST = 0.6  # of a row's wording, a rare word counting more than a frequent one
UNSEEN = (
    "Comparing texts cannot find what says the same in quite different words, or with many typing "
    "errors."
)
NOT_COMPARED = (
    "Whether held-out examples resemble training examples was not looked at when this run began."
)


class Overlap(BaseModel):
    """What held-out rows have in common with training rows."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    compared: int  # held-out rows that were looked at
    of: int  # held-out rows there are
    wording: int  # of those compared, rows that share most of their wording with a training row
    answers: int  # of those compared, rows with a long answer that a training row has, too


def measure_overlap(
    texts: Texts, held_out: list[int], trained: list[int], answers: Numbers, labels: bool
) -> tuple[Overlap, list[int]]:
    """Compare held-out rows with training rows; also return those that share their wording.

    ``answers`` is a key of each row's answer. Where they are labels, only rows with the same one
    are compared: another row with another label does not help.
    """
    has_text = np.zeros(len(answers), dtype=bool)  # of very large data, not all rows are compared
    has_text[texts.rows[~texts.answers]] = True
    known = [row for row in held_out if has_text[row]]
    rows = [known[at] for at in spread_indices(len(known))]
    is_trained = np.zeros(len(answers), dtype=bool)
    is_trained[trained] = True
    is_long = np.zeros(len(answers), dtype=bool)
    is_long[texts.rows[texts.answers]] = True
    again = np.isin(answers[rows], answers[is_trained & is_long]) & is_long[rows]
    is_compared = is_trained.copy()
    is_compared[rows] = True
    chosen = np.flatnonzero(~texts.answers & is_compared[texts.rows])
    wording, alike = index_wording(texts, chosen), []
    text_rows = texts.rows[chosen]
    usable = is_trained[text_rows]
    for text in np.flatnonzero(~usable).tolist():
        row = int(text_rows[text])
        others = usable & (answers[text_rows] == answers[row]) if labels else usable
        if wording.shared_with_all(text)[others].max(initial=0.0) >= MOST:
            alike.append(row)
    counts = {"wording": len(alike), "answers": int(again.sum())}
    return Overlap(compared=len(rows), of=len(held_out), **counts), alike


def overlap_findings(overlap: Overlap, alike: list[int]) -> list[Finding]:
    """What the data report says of it; ``alike`` are the numbers of rows that are worded alike."""
    if not overlap.wording:
        return []
    values = {"compared": count_of(overlap.compared, "held-out row")}
    return [make_finding("overlap", overlap.wording, values, rows=alike[:20])]


def describe_overlap(found: Overlap | None) -> str:
    """What to keep in mind beside a score.

    None stands for a run that is older than this comparison. Empty where nothing is held out.
    """
    if found is None:
        return NOT_COMPARED
    if not found.compared:
        return ""
    shown = f"Of {count_of(found.compared, 'held-out example')}"
    if found.compared < found.of:
        shown += f" that were looked at ({found.of:,} in all)"
    answers = ""
    if found.answers:
        have = "has an answer" if found.answers == 1 else "have answers"
        answers = f"; {found.answers:,} {have} that training examples have, too"
    if not found.wording:
        return f"{shown}, none is worded much like a training example{answers}. {UNSEEN}"
    are = "is" if found.wording == 1 else "are"
    text = f"{shown}, {found.wording:,} {are} worded much like a training example{answers}."
    if 2 * found.wording > found.compared:
        return f"{text} Expect less on examples that are really new."
    return f"{text} {UNSEEN}"


def name_overlap(found: Overlap) -> str:
    """The same in a few words; empty where no held-out row is worded like a training row."""
    if not found.wording:
        return ""
    return f"{found.wording:,} of {found.compared:,} like training rows"
